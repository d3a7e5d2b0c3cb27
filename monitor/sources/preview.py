"""Tries a source: a few messages, and the records that they would become. Nothing is stored or acknowledged."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from monitor.errors import InputError
from monitor.predictions.intake.schema import Rules, read_prediction, read_scored_outcome
from monitor.predictions.intake.validation import RecordError
from monitor.predictions.settings import PredictionSettings
from monitor.sources.formats.format import Contents, Format, HalfCall
from monitor.sources.reading import completed
from monitor.sources.settings import SourceSettings
from monitor.sources.source import Payload

_PATIENCE = 10.0
"""Seconds to wait for the messages."""
_SHOWN = 2000


@dataclass(frozen=True, slots=True)
class PreviewedMessage:
    """A message, its records as (kind, JSON), and what would be rejected.

    A kind is `prediction`, `outcome`, or `request` or `response` of a call whose halves are paired later.
    """

    name: str
    records: Sequence[tuple[str, str]]
    rejected: Sequence[str]


@dataclass(frozen=True, slots=True)
class Preview:
    """Recent messages of a source."""

    messages: Sequence[PreviewedMessage]


def preview(
    name: str,
    section: SourceSettings,
    predictions: PredictionSettings,
    clients: frozenset[str] | None,
    most: int,
) -> Preview:
    """Up to `most` messages of a source.

    Raises:
        SourceError: it cannot be read.
    """
    source = section.make_source(name)
    rules = Rules(predictions, time.time(), section.client, clients)
    try:
        payloads = source.peek(most, _PATIENCE)
    finally:
        source.close()
    return Preview([_previewed(payload, section, section.make_format(), rules) for payload in payloads])


def _previewed(payload: Payload, section: SourceSettings, form: Format, rules: Rules) -> PreviewedMessage:
    try:
        contents = form.read(payload)
    except InputError as error:
        return PreviewedMessage(payload.name, (), (str(error),))
    records, rejected = _checked(contents, payload, section, rules)
    rejected += [str(InputError(part.error, hint=part.hint)) for part in contents.unreadable]
    records += [(half.side.value, _shown(half)) for half in contents.halves]
    return PreviewedMessage(payload.name, records, rejected)


def _shown(half: HalfCall) -> str:
    """A half of a call, which becomes a record once the other half arrived."""
    return json.dumps(msgspec.to_builtins(half), default=str)[:_SHOWN]


def _checked(
    contents: Contents, payload: Payload, section: SourceSettings, rules: Rules
) -> tuple[list[tuple[str, str]], list[str]]:
    records: list[tuple[str, str]] = []
    rejected: list[str] = []
    for kind, read, some in (
        ("prediction", read_prediction, contents.predictions),
        ("outcome", read_scored_outcome, contents.outcomes),
    ):
        for one in some:
            record = completed(one, {"client": section.client} | dict(section.defaults), payload.sent_at)
            try:
                read(record, rules)
                records.append((kind, json.dumps(record, default=str)[:_SHOWN]))
            except RecordError as error:
                rejected.append(str(error))
    return records, rejected
