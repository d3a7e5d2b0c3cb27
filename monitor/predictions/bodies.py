"""A request's body to records: a JSON array, one record a line, or a single record."""

import json
import re

import msgspec

from monitor.errors import InputError
from monitor.predictions.values import RecordError

_HINT = "send a JSON array of records, one record, or one record a line"
_NOT_JSON = re.compile(rb"\b(NaN|Infinity)\b")
_DECODER = msgspec.json.Decoder()


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
            return _lines(body)
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
                found.append(_value(line))
            except InputError as error:
                found.append(RecordError("malformed", error.message, hint=error.hint))
    return found


def _value(text: bytes) -> object:
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
        raise InputError(str(error), hint=_HINT) from error


def _lenient(text: bytes) -> object:
    try:
        found = json.loads(text)
        json.dumps(found, ensure_ascii=False).encode()  # half of a surrogate pair is no character
        return found
    except RecursionError as error:
        raise InputError("the JSON is nested too deeply", hint=_HINT) from error
    except ValueError as error:
        raise InputError(f"JSON is malformed: {error}", hint=_HINT) from error
