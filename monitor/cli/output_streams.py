"""Standard output and standard error of commands: any text can be written in any encoding, and failed output is one
distinct error.
"""

import contextlib
import errno
import os
import sys
from typing import Any, TextIO


class NotWrittenError(OSError):
    """The output is full or closed, or its reader has ended. It is no error of a library."""

    nobody_reads = False
    """Whether the reader has ended, which is not an error."""


class Output:
    """A text stream that replaces characters outside its encoding by `?`; None represents a closed stream."""

    def __init__(self, stream: TextIO | None, name: str) -> None:
        self._stream = stream
        self._name = name
        if stream is not None:
            with contextlib.suppress(AttributeError, ValueError):
                stream.reconfigure(errors="replace")  # type: ignore[attr-defined]

    def write(self, text: str) -> int:
        """Write a text.

        Raises:
            NotWrittenError: it cannot be written.
        """
        if self._stream is None:
            raise self._failed("it is closed")
        try:
            return self._stream.write(text)
        except OSError as error:
            raise self._failed(error.strerror or str(error), error.errno == errno.EPIPE) from error

    def flush(self) -> None:
        """Flush the stream.

        Raises:
            NotWrittenError: it cannot be written.
        """
        try:
            if self._stream is not None:
                self._stream.flush()
        except OSError as error:
            raise self._failed(error.strerror or str(error), error.errno == errno.EPIPE) from error

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":  # all output goes through `write` and `flush`
            raise AttributeError(name)
        return getattr(self._stream, name)

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._stream is not None and self._stream.isatty()

    def _failed(self, why: str, nobody_reads: bool = False) -> NotWrittenError:
        error = NotWrittenError(errno.EIO, f"{self._name} cannot be written: {why}")
        error.nobody_reads = nobody_reads
        return error


def prepare() -> None:
    """Replace both streams. A closed one stays closed, so that no file opened later gets its descriptor."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = Output(sys.stdout, "standard output")
    sys.stderr = Output(sys.stderr, "standard error")
    with contextlib.suppress(AttributeError, ValueError):
        sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]


def flush() -> None:
    """Flush both streams.

    Raises:
        NotWrittenError: one of them cannot be written.
    """
    try:
        sys.stdout.flush()
    finally:
        sys.stderr.flush()


def give_up() -> None:
    """Discard output that could not be written, so that the interpreter does not retry it at exit."""
    hole = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(hole, number)
