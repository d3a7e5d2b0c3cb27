"""A record that was refused, with as much of it as is stored for diagnosis."""

import json
from dataclasses import dataclass

import pyarrow as pa

from monitor.predictions.intake.schema import Rules
from monitor.predictions.intake.validation import RecordError, kind_of
from monitor.predictions.texts import signal_room
from monitor.records import Rejected
from monitor.texts import NAME, storable
from monitor.visible import visible

MAX_RECORD_BYTES = 4096
"""Bytes of a rejected record that are stored for diagnosis."""


@dataclass(frozen=True, slots=True)
class RejectedRecord:
    """A rejected record, and the short reason under which it is counted."""

    reason: str
    rejected: Rejected


def rejected_record(index: int, record: object, error: RecordError, rules: Rules) -> RejectedRecord:
    """The rejection of the record at `index` of its request."""
    fields = record if isinstance(record, dict) else {}
    client, model = rules.client or _name(fields.get("client")), _name(fields.get("model"))
    content = b"" if isinstance(record, RecordError) else written(record)
    return RejectedRecord(error.reason, Rejected(index, error.message, error.hint, client, model, content))


def _name(value: object) -> str:
    """The client or model of a rejected record, if it can be shown."""
    is_plain = isinstance(value, str | int | float) and not (isinstance(value, int) and abs(value) > 1e15)
    return visible(str(value)[:NAME])[:NAME] if is_plain and value else ""


def written(record: object) -> bytes:
    """A record as it is stored for diagnosis: without the texts of a call, and what is no record without secrets."""
    if isinstance(record, str):
        record = redacted(record[:MAX_RECORD_BYTES])
    elif isinstance(record, dict) and "texts" in record:
        record = {**record, "texts": _sizes(record["texts"])}
    try:
        return json.dumps(record, default=str)[:MAX_RECORD_BYTES].encode()
    except (RecursionError, ValueError):  # nested too deeply, or a number with too many digits
        return b""


def redacted(text: str) -> str:
    """A text without personal data and secrets."""
    return str(signal_room.registry().redact(pa.array([storable(text)], pa.string()))[0].as_py())


def _sizes(texts: object) -> object:
    """How long the texts of a call are."""
    if not isinstance(texts, dict):
        return kind_of(texts)
    return {
        name: f"{len(one):,} long" if isinstance(one, str | list) else kind_of(one)
        for name, one in texts.items()
    }
