"""Standard output and standard error as every command needs them: any text can be written in any encoding, and what
cannot be written at all is one error, told apart from everything else that may go wrong.
"""

import contextlib
import errno
import os
import sys
from typing import Any, TextIO


class NotWrittenError(OSError):
    """The output is full or closed, or nobody reads it any more. Libraries know it as no error of theirs."""

    nobody_reads = False
    """Whoever read our lines has seen enough: nothing to complain about."""


class Output:
    """A text stream that shows what its encoding does not have as `?`; None stands for one that is closed."""

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
        if name == "buffer":  # nobody writes past the two above
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
    """Replace both streams. A closed one stays closed: no file that is opened later takes its descriptor."""
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
    """Discard what could not be written, so that the interpreter does not retry at exit."""
    hole = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(hole, number)
