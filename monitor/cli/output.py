"""Output of commands: data on stdout, messages on stderr, and stable exit codes."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum

from monitor.errors import InputError
from monitor.visible import JOINERS, visible


class Exit(IntEnum):
    """The meanings of exit codes."""

    OK = 0
    FAILED = 1
    USAGE = 2
    INVALID_CONFIG = 3
    CANNOT_TELL = 4
    NOT_WRITTEN = 5
    INTERRUPTED = 130


_KEPT = "\n\t" + JOINERS
"""Characters of a text that are written as they are, although Python counts them as unprintable."""


def say(message: str) -> None:
    """Print a message to stderr; what steers a terminal is escaped."""
    sys.stderr.write(visible(message, keep=_KEPT) + "\n")


def ask(question: str, default: str) -> str:
    """Ask a question on stderr (stdout is for data); an empty answer takes the default."""
    sys.stderr.write(f"{question} [{default}]: ")
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise InputError("no answer on standard input", hint="pass the answers as options, or use --no-input")
    return line.strip() or default


def put(text: str) -> None:
    """Write a text to stdout; what steers a terminal is escaped."""
    sys.stdout.write(visible(text, keep=_KEPT) + "\n")


def put_file(text: str) -> None:
    """Write the content of a file to stdout, unchanged."""
    sys.stdout.write(text + "\n")


def put_line(text: str) -> None:
    """Write one line to stdout: line breaks are escaped, too."""
    put(visible(text, keep="\t" + JOINERS))


def put_json(data: object) -> None:
    """Write data as JSON to stdout; in ASCII unless the encoding is UTF-8, so that it can always be written."""
    is_unicode = (sys.stdout.encoding or "").lower().replace("_", "-") in ("utf-8", "utf8")
    text = json.dumps(data, indent=2, ensure_ascii=not is_unicode)
    put_file("".join(one if one.isprintable() or one == "\n" else json.dumps(one)[1:-1] for one in text))


@contextmanager
def bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr if it is a terminal; yields `progress(done, of)`."""
    if not sys.stderr.isatty():
        yield lambda _done, _of: None
        return
    from monitor.cli import terminal

    with terminal.bar(what) as progress:
        yield progress


@contextmanager
def rows_bar(what: str) -> Iterator[Callable[[int, float], None]]:
    """A progress bar with rows and rows per second; yields `progress(rows, share done)`."""
    if not sys.stderr.isatty():
        yield lambda _rows, _share: None
        return
    from monitor.cli import terminal

    with terminal.rows_bar(what) as progress:
        yield progress


def put_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write data as a table that fits the terminal to stdout."""
    from monitor.cli import terminal

    terminal.put_table(columns, rows)
