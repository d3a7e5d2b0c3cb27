"""A record that was refused, with as much of it as is stored for diagnosis."""

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from monitor.predictions.intake.schema import Rules
from monitor.predictions.intake.validation import RecordError, kind_of
from monitor.predictions.texts import lazy_signals
from monitor.records import Rejected
from monitor.text_limits import NAME, storable
from monitor.visible import visible

MAX_RECORD_BYTES = 4096
"""Bytes of a rejected record that are stored for diagnosis."""
_SHORTEST = 6
"""Letters of the shortest text that may hold personal data or a secret."""
_LITERAL = re.compile(rb'"((?:[^"\\]|\\.)*)(?:"|\\?$)', re.DOTALL)
"""A string in JSON, which may be cut off."""
_LONGEST_ESCAPE = 6


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
    return str(lazy_signals.registry().redact(pa.array([storable(text)], pa.string()))[0].as_py())


def without_secrets(refused: Sequence[Rejected]) -> list[Rejected]:
    """Rejections as they are stored: what their records and reasons quote, without personal data and secrets.

    A text that should have been in `texts` is as much a text in another field, or as a name.
    """
    quoted = {
        one for each in refused for one in (each.error, *_texts_of(each.record)) if len(one) >= _SHORTEST
    }
    if not quoted:
        return list(refused)
    before = sorted(quoted)
    after = lazy_signals.registry().redact(pa.array(map(storable, before), pa.string())).to_pylist()
    changed = {one: str(new) for one, new in zip(before, after, strict=True) if new != one}
    if not changed:
        return list(refused)

    def replacement(literal: re.Match[bytes]) -> bytes:
        text = _text_of(literal)
        return json.dumps(changed[text]).encode() if text in changed else literal[0]

    return [
        replace(one, error=changed.get(one.error, one.error), record=_LITERAL.sub(replacement, one.record))
        for one in refused
    ]


def _texts_of(record: bytes) -> Iterator[str]:
    return map(_text_of, _LITERAL.finditer(record))


def _text_of(literal: re.Match[bytes]) -> str:
    """What a JSON string says; also the last one of a record that was cut off."""
    content = literal[1]
    for end in range(len(content), max(len(content) - _LONGEST_ESCAPE, -1), -1):
        with contextlib.suppress(ValueError):
            return str(json.loads(b'"%b"' % content[:end]))
    return ""


def _sizes(texts: object) -> object:
    """How long the texts of a call are."""
    if not isinstance(texts, dict):
        return kind_of(texts)
    return {
        name: f"{len(one):,} long" if isinstance(one, str | list) else kind_of(one)
        for name, one in texts.items()
    }
