"""How models and moments are named on the command line."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from monitor.durations import parse_duration
from monitor.errors import InputError
from monitor.records import Stream

StreamArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help="client/model or client/model/environment.")
]


def stream_of(text: str) -> Stream:
    """The stream that is meant.

    Raises:
        InputError: the text has not two or three parts.
    """
    parts = text.split("/")
    if len(parts) not in (2, 3) or not all(parts):
        raise InputError(f"'{text}' names no model", hint="use client/model or client/model/environment")
    return Stream(*parts)


def seconds_of(text: str) -> float:
    """A length of time as somebody writes it at the command line.

    Raises:
        InputError: it is none.
    """
    try:
        return parse_duration(text)
    except ValueError as error:
        raise InputError(str(error)) from error


def moment(text: str) -> float:
    """Seconds since the epoch of an ISO 8601 time with its zone; a bare date is midnight UTC.

    Raises:
        InputError: it is neither.
    """
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"'{text}' is not a time", hint="use 2026-11-20T08:00:00Z") from error
    if when.tzinfo is None and "T" in text:
        raise InputError(f"'{text}' names no time zone", hint="end it with Z or +01:00")
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
