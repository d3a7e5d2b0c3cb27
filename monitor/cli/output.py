"""How commands speak: data on stdout, messages on stderr, exit codes that scripts can rely on."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum

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
    if not sys.stderr.isatty():
        yield lambda _done, _of: None
        return
    from monitor.cli import terminal

    with terminal.bar(what) as progress:
        yield progress


@contextmanager
def rows_bar(what: str) -> Iterator[Callable[[int, float], None]]:
    """A progress bar that also counts rows and how many there are a second; hands out `progress(rows, share done)`."""
    if not sys.stderr.isatty():
        yield lambda _rows, _share: None
        return
    from monitor.cli import terminal

    with terminal.rows_bar(what) as progress:
        yield progress


def put_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Data as a table that fits the terminal (stdout)."""
    from monitor.cli import terminal

    terminal.put_table(columns, rows)
