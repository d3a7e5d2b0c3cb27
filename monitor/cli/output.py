"""How commands speak: data on stdout, messages on stderr, exit codes that scripts can rely on."""

import json
import sys
from collections.abc import Iterable, Sequence
from enum import IntEnum

from rich.console import Console
from rich.markup import escape
from rich.table import Table


class Exit(IntEnum):
    """What a command's exit code means."""

    OK = 0
    FAILED = 1
    USAGE = 2
    INVALID_CONFIG = 3
    CANNOT_TELL = 4
    INTERRUPTED = 130


def say(message: str) -> None:
    """A message for the person at the terminal (stderr)."""
    sys.stderr.write(message + "\n")


def put(text: str) -> None:
    """Data (stdout)."""
    sys.stdout.write(text + "\n")


def put_json(data: object) -> None:
    """Data as JSON (stdout)."""
    put(json.dumps(data, indent=2, ensure_ascii=False))


def put_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Data as a table that fits the terminal (stdout)."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    Console(soft_wrap=False).print(table)
