"""How commands speak: data on stdout, messages on stderr, exit codes that scripts can rely on."""

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from monitor.errors import InputError


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


def ask(question: str, default: str) -> str:
    """Ask the person at the terminal (on stderr: stdout is for data); an empty answer is the default."""
    sys.stderr.write(f"{question} [{default}]: ")
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise InputError("nobody answered", hint="give the answers as options, or --no-input")
    return line.strip() or default


def put(text: str) -> None:
    """Data (stdout)."""
    sys.stdout.write(text + "\n")


def put_json(data: object) -> None:
    """Data as JSON (stdout)."""
    put(json.dumps(data, indent=2, ensure_ascii=False))


@contextmanager
def bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr where that is a terminal; hands out `progress(done, of)`."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task(what, total=None)
        yield lambda done, of: shown.update(task, completed=done, total=of)


@contextmanager
def rows_bar(what: str) -> Iterator[Callable[[int, float], None]]:
    """A progress bar that also counts rows and how many there are a second; hands out `progress(rows, share done)`."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[rows]}"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task(what, total=1.0, rows="")
        began = time.monotonic()

        def progress(rows: int, share: float) -> None:
            rate = rows / max(time.monotonic() - began, 1e-3)
            shown.update(task, completed=share, rows=f"{rows:,} rows, {rate:,.0f}/s")

        yield progress


def put_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Data as a table that fits the terminal (stdout)."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    Console(soft_wrap=False).print(table)
