"""Prompt injection, suspected by channel: what users write, documents, results of tools; and hidden characters."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import re2

from monitor.signals.batch import CallBatch
from monitor.signals.decodings import MAY_BE_DISGUISED, readings
from monitor.signals.folding import fold
from monitor.signals.injection.phrases import IN_DOCUMENTS, IN_TURNS, ROT_13
from monitor.signals.injection.spelling import MAY_BE_RESPELLED, respelled, without_homoglyphs
from monitor.signals.lists import parts, rows_of_parts
from monitor.signals.matching import Flags, matches, matches_any
from monitor.signals.signal import Signal, Unit
from monitor.signals.words import folded_context, folded_inputs, folded_tool_results
from monitor.text_limits import storable

_FLAGS_OF_REGIONS = r"\x{1F3F4}[\x{E0020}-\x{E007F}]{1,8}"
_TAGS = r"[\x{E0000}-\x{E007F}]"
_HIDDEN = (
    rf"{_TAGS}|[\x{{202D}}\x{{202E}}]|[\x{{FE00}}-\x{{FE0F}}\x{{E0100}}-\x{{E01EF}}]{{2}}"
    r"|[\x{200B}-\x{200D}\x{2060}-\x{2064}\x{FEFF}\x{180E}]{4}"
)
"""Tags, direction overrides, and runs of signs without width: none of them is needed to write."""


def suspected(texts: pa.StringArray, folded: pa.StringArray, phrases: tuple[str, ...]) -> Flags:
    """Which texts have one of the phrases, also encoded, spelled, in tags or look-alike letters."""
    plain = without_homoglyphs(pc.utf8_lower(folded))
    of_one = _of_one(phrases)
    is_suspected = matches_any(plain, (*of_one, ROT_13))
    for row in np.flatnonzero(matches(texts, _TAGS) & ~is_suspected):
        is_suspected[row] = _has_one([_from_tags(texts[int(row)].as_py())], of_one)
    for row in np.flatnonzero(matches(folded, MAY_BE_DISGUISED) & ~is_suspected):
        others = [fold(one.text).lower() for one in readings(folded[int(row)].as_py())]
        is_suspected[row] = _has_one(others, of_one)
    for row in np.flatnonzero(matches(plain, MAY_BE_RESPELLED) & ~is_suspected):
        is_suspected[row] = _has_one(respelled(plain[int(row)].as_py()), of_one)
    return is_suspected


@lru_cache
def _of_one(phrases: tuple[str, ...]) -> tuple[str, ...]:
    """Phrases that may go over several lines."""
    return tuple(f"(?s:{phrase})" for phrase in phrases)


def _has_one(texts: list[str], phrases: tuple[str, ...]) -> bool:
    return bool(texts) and bool(matches_any(pa.array([storable(text) for text in texts]), phrases).any())


def _from_tags(text: str) -> str:
    return "".join(chr(ord(one) - 0xE0000) for one in text if 0xE0020 <= ord(one) < 0xE007F).lower()


def _in_input(batch: CallBatch) -> pa.Array:
    texts = batch.of(folded_inputs)
    return pa.array(
        suspected(batch.column("input"), texts, IN_TURNS), mask=np.asarray(pc.is_null(texts)).astype(bool)
    )


def _in_list(batch: CallBatch, name: str, folded: Callable[[CallBatch], pa.Array]) -> pa.Array:
    lists = batch.column(name)
    if lists.null_count == len(lists):
        return pa.nulls(len(lists), pa.bool_())
    texts, rows = parts(lists), rows_of_parts(lists)
    has_text = np.asarray(pc.fill_null(pc.not_equal(pc.utf8_trim_whitespace(texts), ""), False)).astype(bool)
    is_suspected = (
        np.bincount(rows[suspected(texts, batch.of(folded), IN_DOCUMENTS)], minlength=len(batch)) > 0
    )
    return pa.array(is_suspected, mask=np.bincount(rows[has_text], minlength=len(batch)) == 0)


def _in_context(batch: CallBatch) -> pa.Array:
    return _in_list(batch, "context", folded_context)


def _in_tool_results(batch: CallBatch) -> pa.Array:
    return _in_list(batch, "tool_results", folded_tool_results)


def is_hidden(texts: pa.StringArray) -> Flags:
    """Which texts have invisible characters that no language needs."""
    may_have = matches(texts, _HIDDEN)
    for row in np.flatnonzero(may_have):
        rest = re2.sub(_FLAGS_OF_REGIONS, "", texts[int(row)].as_py())
        may_have[row] = re2.search(_HIDDEN, rest) is not None
    return may_have


def _has_hidden(batch: CallBatch) -> pa.Array:
    sent, has_hidden = np.zeros(len(batch), bool), np.zeros(len(batch), bool)
    for name in ("input", "context", "tool_results"):
        column = batch.column(name)
        if column.null_count == len(column):
            continue
        is_list = pa.types.is_list(column.type)
        texts = parts(column) if is_list else column
        rows = rows_of_parts(column) if is_list else np.arange(len(batch))
        has_text = np.asarray(pc.fill_null(pc.not_equal(texts, ""), False)).astype(bool)
        sent[rows[has_text]] = True
        has_hidden[rows[is_hidden(texts)]] = True
    return pa.array(has_hidden, mask=~sent)


_LANGUAGES = ("en", "de", "fr", "es")
SIGNALS = (
    Signal(
        "injection_in_input",
        Unit.FLAG,
        ("input",),
        "The input has a phrase of attacks on models: overriding or asking for its instructions, or giving it a role.",
        _in_input,
        languages=_LANGUAGES,
    ),
    Signal(
        "injection_in_context",
        Unit.FLAG,
        ("context",),
        "A document has a phrase that gives orders to a model.",
        _in_context,
        languages=_LANGUAGES,
    ),
    Signal(
        "injection_in_tool_results",
        Unit.FLAG,
        ("tool_results",),
        "A result of a tool has a phrase that gives orders to a model.",
        _in_tool_results,
        languages=_LANGUAGES,
    ),
    Signal(
        "hidden_characters",
        Unit.FLAG,
        (),
        "The input, a document or a result of a tool has tags, direction overrides or runs of signs without width.",
        _has_hidden,
    ),
)
