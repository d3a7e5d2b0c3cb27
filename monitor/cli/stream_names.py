"""Arguments of commands: models, durations and times."""

from typing import Annotated

import typer

from monitor.config.units import parse_duration
from monitor.errors import InputError
from monitor.records import Stream
from monitor.times.reading import NoTimeError, read

StreamArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help="client/model or client/model/environment.")
]


def stream_of(text: str) -> Stream:
    """The stream of `client/model` or `client/model/environment`.

    Raises:
        InputError: the text does not have two or three parts.
    """
    parts = text.split("/")
    if len(parts) not in (2, 3) or not all(parts):
        raise InputError(f"'{text}' is not a model", hint="use client/model or client/model/environment")
    return Stream(*parts)


def seconds_of(text: str) -> float:
    """Seconds from a duration such as `2h`.

    Raises:
        InputError: it is not a duration.
    """
    try:
        return parse_duration(text)
    except ValueError as error:
        raise InputError(str(error)) from error


def moment(text: str) -> float:
    """Seconds since the epoch, from a time with its zone in any format of a record; a bare date is midnight UTC.

    Raises:
        InputError: it is not a time, or has no zone.
    """
    try:
        parsed = read(text)
    except NoTimeError as error:
        why = f": {error}" if str(error) else ""
        raise InputError(f"'{text}' is not a time{why}", hint="use 2026-11-20T08:00:00Z") from error
    if not parsed.zoned and ":" in text:
        raise InputError(f"'{text}' has no time zone", hint="end it with Z or an offset such as +01:00")
    return parsed.micros / 1e6
