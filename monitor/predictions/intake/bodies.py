"""Splits a request body into records: a JSON array, one record per line, or a single record."""

import json
import re
from collections.abc import Iterator
from typing import TypeVar

import msgspec

from monitor.errors import InputError, TooLargeError, WatchkeeperError
from monitor.predictions.intake.validation import RecordError

_HINT = "send a JSON array of records, one record, or one record per line"
_BEYOND_JSON = re.compile(rb"\b(NaN|Infinity)\b|\\u[dD][89a-fA-F]")
"""NaN and Infinity, which Python writes although they are not JSON, and possible halves of surrogate pairs."""
_MAX_VALUES = 8_000_000
"""Maximum number of values in a body: each takes a few bytes in the body, and dozens in memory."""
MAX_RECORDS = 100_000
_LINE = re.compile(rb"[^\r\n]+")
_GLUED = re.compile(rb"\}\s{0,64}\{")
_LARGE_BODY = 1_000_000
_LARGE_TEXT_BYTES, _TEXTS = 32_768, b'"texts"'
"""Measuring texts takes about a microsecond a byte, so bodies with texts are large sooner."""
_MAX_DIGITS = 400
"""Maximum digits of an integer; larger integers exceed every float."""
_OTHERS = {
    b"\0": "it begins as Confluent's wire format does; Avro and Protobuf are not read: send JSON",
    b"Obj\x01": "it is Avro, which is not read: send JSON",
    b"\xff\xfe": "it is UTF-16: send UTF-8",
    b"\xfe\xff": "it is UTF-16: send UTF-8",
    b"\x1f\x8b": "it is gzip: say so in the header Content-Encoding or in the file's name, or send it as it is",
    b"PAR1": "it is Parquet: name the file .parquet",
}
"""What bodies are that begin like this."""
_NEXT = re.compile(r"[\s,]*")
_MARK = b"\xef\xbb\xbf"
"""What Windows writes before UTF-8: at the beginning of a file, and in the middle where files were joined."""
_DECODER = msgspec.json.Decoder()
_TRUNCATED = "Input data was truncated"
"""The message of msgspec for truncated JSON."""
_MAX_SEARCHED = 1_000_000
"""Maximum size of a truncated body that is searched for the record where it ends."""


Record = TypeVar("Record")


class ReadApartError(WatchkeeperError):
    """A small request that takes long is to be read apart, like a large one. Not an answer for the sender."""


def records(
    body: bytes, content_type: str = "", most: int = MAX_RECORDS, most_objects: int | None = None
) -> list[object]:
    """The records of a body. For an invalid line, the list contains its error.

    Raises:
        InputError: the body cannot be parsed as records.
        TooLargeError: the body has too many records or values.
        ReadApartError: `most_objects` is given, and the body has more (nested ones included) or long texts.
    """
    if most_objects is not None and (body.count(b"{") > most_objects or _has_long_texts(body)):
        raise ReadApartError("it has many records or long texts")
    if len(body) > _LARGE_BODY and body.count(b",") + body.count(b"[") + body.count(b"{") > _MAX_VALUES:
        raise TooLargeError(
            f"the body has more than {_MAX_VALUES:,} values", hint="send fewer records per request"
        )
    body = body.removeprefix(_MARK)
    if not body.strip():
        raise InputError("the body is empty", hint=_HINT)
    if is_lines(content_type):
        return _lines(body, most)
    try:
        content = _value(body)
    except InputError:
        if body.lstrip()[:1] == b"{" and b"\n" in body.strip():
            lines = _lines(body, most)
            if any(isinstance(line, dict) for line in lines):  # otherwise it is one record over several lines
                return lines
        raise
    if not isinstance(content, list):
        return [content]
    if len(content) > most:
        raise _too_many(f"{len(content):,}", most)
    return content


def few(records: Iterator[Record], most: int | None) -> Iterator[Record]:
    """The same records.

    Raises:
        ReadApartError: there are more than `most`.
    """
    for count, record in enumerate(records):
        if count == most:
            raise ReadApartError("it has many records that need a closer look")
        yield record


def _has_long_texts(body: bytes) -> bool:
    return len(body) > _LARGE_TEXT_BYTES and _TEXTS in body


def is_lines(content_type: str) -> bool:
    """Whether the content type is one record per line."""
    return "ndjson" in content_type or "jsonl" in content_type


def _lines(body: bytes, most: int) -> list[object]:
    values: list[object] = []
    for match in _LINE.finditer(body):
        if line := match[0].removeprefix(_MARK).strip():
            if len(values) >= most:
                raise _too_many(f"more than {most:,}", most)
            try:
                values.append(_value(line, "the line"))
            except InputError as error:
                values += joined(line) or [RecordError("malformed", error.message, hint=error.hint)]
    if len(values) > most:
        raise _too_many(f"more than {most:,}", most)
    return values


def joined(line: bytes) -> list[object]:
    """Objects that follow each other with at most some space between them, as Amazon Data Firehose delivers them, and
    the error of what comes after them; nothing if the text is anything else.
    """
    if line[:1] != b"{" or _GLUED.search(line) is None:
        return []
    text, at = line.decode(errors="replace"), 0
    values: list[object] = []
    decoder = json.JSONDecoder(parse_int=len)  # where a value ends; `_value` reads it
    while at < len(text):
        try:
            _, end = decoder.raw_decode(text, at)
            values.append(_value(text[at:end].encode(), "the line"))
        except (ValueError, RecursionError, InputError):
            return [*values, _rest(text[at:])] if values else []
        at = end + len(text[end : end + 64]) - len(text[end : end + 64].lstrip())
    return values


def _rest(text: str) -> RecordError:
    try:
        _value(text.encode(), "the line")
    except InputError as error:
        return RecordError("malformed", error.message, hint=error.hint)
    return RecordError("malformed", "the line goes on after its objects", hint=_HINT)


def _too_many(shown: str, most: int) -> TooLargeError:
    hint = f"send fewer records per request, at most {most:,}"
    return TooLargeError(f"the body has {shown} records", hint=hint)


def _value(text: bytes, what: str = "the body") -> object:
    """Parse one JSON value. NaN, Infinity, 1e999 and halves of surrogate pairs are checked later, record by record."""
    try:
        return _DECODER.decode(text)
    except RecursionError as error:
        raise InputError("the JSON is nested too deeply", hint=_HINT) from error
    except UnicodeDecodeError as error:
        raise InputError("the body is not UTF-8", hint="send JSON as UTF-8") from error
    except msgspec.DecodeError as error:
        if _BEYOND_JSON.search(text) or isinstance(error, msgspec.ValidationError):
            return _lenient(text)
        if str(error) == _TRUNCATED:
            place = f"{what} ended in the middle of {_last_record(text)}, after {len(text):,} bytes"
            raise InputError(place, hint="send the complete body again: nothing was stored") from error
        other = next((hint for begin, hint in _OTHERS.items() if text.startswith(begin)), _HINT)
        raise InputError(str(error), hint=other) from error


def _last_record(text: bytes) -> str:
    """The record in which truncated JSON ends; records are numbered from 0, as in answers."""
    if text.lstrip()[:1] != b"[" or len(text) > _MAX_SEARCHED:
        return "a record"
    decoded, count, position = text.decode(errors="replace"), 0, text.index(b"[") + 1
    decoder = json.JSONDecoder()
    while True:
        try:
            _, position = decoder.raw_decode(decoded, _NEXT.match(decoded, position).end())  # type: ignore[union-attr]
        except (ValueError, RecursionError):
            return f"record {count:,}"
        count += 1


def _lenient(text: bytes) -> object:
    try:
        return json.loads(text.decode(), parse_int=_whole)
    except RecursionError as error:
        raise InputError("the JSON is nested too deeply", hint=_HINT) from error
    except ValueError as error:
        raise InputError(f"JSON is malformed: {error}", hint=_HINT) from error


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MAX_DIGITS else float(digits)
