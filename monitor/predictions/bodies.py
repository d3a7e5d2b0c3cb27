"""A request's body to records: a JSON array, one record a line, or a single record."""

import json
import re

import msgspec

from monitor.errors import InputError
from monitor.predictions.values import RecordError

_HINT = "send a JSON array of records, one record, or one record a line"
_NOT_JSON = re.compile(rb"\b(NaN|Infinity)\b")
_NEXT = re.compile(r"[\s,]*")
_DECODER = msgspec.json.Decoder()
_ENDED = "Input data was truncated"
"""How msgspec says that JSON ends before it is whole."""
_MOST_LOOKED_THROUGH = 1_000_000
"""Bytes of a body that ended in its middle, up to which it is found out in which record."""


def records(body: bytes, content_type: str = "") -> list[object]:
    """The records of a body. A line that is not JSON stands in the list as the error that it raises.

    Raises:
        InputError: nothing in the body can be read as records.
    """
    if not body.strip():
        raise InputError("the body is empty", hint=_HINT)
    if is_lines(content_type):
        return _lines(body)
    try:
        whole = _value(body)
    except InputError:
        if body.lstrip()[:1] == b"{" and b"\n" in body.strip():
            found = _lines(body)
            if any(isinstance(one, dict) for one in found):  # else it is one record over several lines
                return found
        raise
    return whole if isinstance(whole, list) else [whole]


def is_lines(content_type: str) -> bool:
    """Whether the sender says that it sends one record a line."""
    return "ndjson" in content_type or "jsonl" in content_type


def _lines(body: bytes) -> list[object]:
    found: list[object] = []
    for line in body.splitlines():
        if line.strip():
            try:
                found.append(_value(line, "the line"))
            except InputError as error:
                found.append(RecordError("malformed", error.message, hint=error.hint))
    return found


def _value(text: bytes, what: str = "the body") -> object:
    """One JSON value; NaN and Infinity, which are not JSON but what Python writes, and 1e999 are taken too."""
    try:
        return _DECODER.decode(text)
    except RecursionError as error:
        raise InputError("the JSON is nested too deeply", hint=_HINT) from error
    except UnicodeDecodeError as error:
        raise InputError("the body is not UTF-8", hint="send JSON as UTF-8") from error
    except msgspec.DecodeError as error:
        if _NOT_JSON.search(text) or isinstance(error, msgspec.ValidationError):
            return _lenient(text)
        if str(error) == _ENDED:
            place = f"{what} ended in the middle of {_last_record(text)}, after {len(text):,} bytes"
            raise InputError(place, hint="send it again whole: nothing of it was taken") from error
        raise InputError(str(error), hint=_HINT) from error


def _last_record(text: bytes) -> str:
    """In which record JSON ends that is not whole; records are numbered from 0, as they are in answers."""
    if text.lstrip()[:1] != b"[" or len(text) > _MOST_LOOKED_THROUGH:
        return "a record"
    written, count, at = text.decode(errors="replace"), 0, text.index(b"[") + 1
    decoder = json.JSONDecoder()
    while True:
        try:
            _, at = decoder.raw_decode(written, _NEXT.match(written, at).end())  # type: ignore[union-attr]
        except (ValueError, RecursionError):
            return f"record {count:,}"
        count += 1


def _lenient(text: bytes) -> object:
    try:
        found = json.loads(text)
        json.dumps(found, ensure_ascii=False).encode()  # half of a surrogate pair is no character
        return found
    except RecursionError as error:
        raise InputError("the JSON is nested too deeply", hint=_HINT) from error
    except ValueError as error:
        raise InputError(f"JSON is malformed: {error}", hint=_HINT) from error
