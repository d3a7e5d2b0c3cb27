"""Personal data and secrets in inputs and answers, and leaks: in the answer, and in nothing the model was given."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.signals.batch import CallBatch, answers, inputs
from monitor.signals.folding import fold
from monitor.signals.lists import rows_of_parts
from monitor.signals.personal_data.candidates import candidates
from monitor.signals.personal_data.finding import find_all
from monitor.signals.personal_data.kinds import CONTACTS, IDENTIFIERS, SECRET, PersonalDataKind
from monitor.signals.signal import Signal, Unit
from monitor.signals.words import folded_answers, folded_context, folded_inputs, folded_tool_results

_GIVEN_LISTS = {"context": folded_context, "tool_results": folded_tool_results}

Finding = tuple[PersonalDataKind, str, str]
"""Kind, value, and how it is written."""
Findings = dict[int, list[Finding]]
"""What was found, by row."""


def found_in(plain: pa.StringArray) -> Findings:
    """What is in each text of a folded column."""
    some = candidates(plain)
    texts = plain.take(pa.array([one.row for one in some], pa.int64())).to_pylist()
    findings: Findings = {}
    for one, text in zip(some, texts, strict=True):
        if of_row := [
            (kind, match.value, text[match.start : match.end])
            for kind, match in find_all(text, one.kinds, is_disguised=one.is_disguised)
        ]:
            findings[one.row] = of_row
    return findings


def _in_answers(batch: CallBatch) -> Findings:
    return found_in(batch.of(folded_answers))


def _in_inputs(batch: CallBatch) -> Findings:
    return found_in(batch.of(folded_inputs))


def _given(batch: CallBatch, rows: Sequence[int]) -> dict[int, list[str]]:
    """All that the model was given, folded, for some rows."""
    wanted = pa.array(rows, pa.int64())
    system = [text and fold(text) for text in batch.column("system").take(wanted).to_pylist()]
    texts: dict[int, list[str]] = {row: [] for row in rows}
    for given in (batch.of(folded_inputs).take(wanted).to_pylist(), system):
        for row, text in zip(rows, given, strict=True):
            texts[row] += [text] if text else []
    for name, folded_parts in _GIVEN_LISTS.items():
        owners = rows_of_parts(batch.column(name))
        is_wanted = np.isin(owners, rows)
        some = batch.of(folded_parts).filter(pa.array(is_wanted)).to_pylist()
        for owner, text in zip(owners[is_wanted].tolist(), some, strict=True):
            texts[owner] += [text] if text else []
    return texts


def _leaked(batch: CallBatch) -> Findings:
    """What is in the answer, but in nothing that was given, and is not registered as the client's own."""
    findings = batch.of(_in_answers)
    given = _given(batch, sorted(findings))
    leaked: Findings = {}
    for row, of_row in findings.items():
        new = [one for one in of_row if not any(one[2] in text for text in given[row])]
        readings = {kind: "\n".join(map(kind.comparable, given[row])) for kind in {one[0] for one in new}}
        gone = [one for one in new if one[1] not in readings[one[0]]]
        if gone := [one for one in gone if not batch.registered.is_own_contact(one[1])]:
            leaked[row] = gone
    return leaked


def _flags(
    batch: CallBatch, findings: Findings, kinds: Sequence[PersonalDataKind], is_measured: pa.BooleanArray
) -> pa.Array:
    flags = np.zeros(len(batch), bool)
    for row, of_row in findings.items():
        flags[row] = any(kind in kinds for kind, *_ in of_row)
    return pc.if_else(is_measured, pa.array(flags), None)


def _in_column(
    batch: CallBatch,
    texts: Callable[[CallBatch], pa.Array],
    find: Callable[[CallBatch], Findings],
    kinds: Sequence[PersonalDataKind],
) -> pa.Array:
    return _flags(batch, batch.of(find), kinds, pc.is_valid(batch.of(texts)))


def _is_leak(batch: CallBatch, kinds: Sequence[PersonalDataKind]) -> pa.Array:
    both = pc.and_(pc.is_valid(batch.of(answers)), pc.is_valid(batch.column("input")))
    return _flags(batch, batch.of(_leaked), kinds, both)


_PERSONAL = (*IDENTIFIERS, *CONTACTS)
_IN_ANSWER = partial(_in_column, texts=answers, find=_in_answers)
_IN_INPUT = partial(_in_column, texts=inputs, find=_in_inputs)
_ANY_OF_THEM = "a card number, IBAN, national identifier, email address, phone number or public IP address"
_LEAK_NEEDS = ("output", "input")

SIGNALS = (
    Signal(
        "personal_data_in_input",
        Unit.FLAG,
        ("input",),
        f"The input holds {_ANY_OF_THEM}.",
        partial(_IN_INPUT, kinds=_PERSONAL),
    ),
    Signal(
        "personal_data_in_output",
        Unit.FLAG,
        ("output",),
        f"The answer holds {_ANY_OF_THEM}.",
        partial(_IN_ANSWER, kinds=_PERSONAL),
    ),
    Signal(
        "secret_in_input",
        Unit.FLAG,
        ("input",),
        "The input holds a key, token or password in a form that its issuer gave it.",
        partial(_IN_INPUT, kinds=(SECRET,)),
    ),
    Signal(
        "secret_in_output",
        Unit.FLAG,
        ("output",),
        "The answer holds a key, token or password in a form that its issuer gave it.",
        partial(_IN_ANSWER, kinds=(SECRET,)),
    ),
    Signal(
        "identifier_leak",
        Unit.FLAG,
        _LEAK_NEEDS,
        "The answer holds a card number, IBAN or national identifier that the model was not given.",
        partial(_is_leak, kinds=IDENTIFIERS),
        is_leak=True,
    ),
    Signal(
        "contact_leak",
        Unit.FLAG,
        _LEAK_NEEDS,
        "The answer contains an email address, phone number or public IP address that the model was not given.",
        partial(_is_leak, kinds=CONTACTS),
        is_leak=True,
    ),
    Signal(
        "secret_leak",
        Unit.FLAG,
        _LEAK_NEEDS,
        "The answer holds a key, token or password that the model was not given.",
        partial(_is_leak, kinds=(SECRET,)),
        is_leak=True,
    ),
)
