"""How a model is named on the command line: client/model, or client/model/environment."""

from typing import Annotated

import typer

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
