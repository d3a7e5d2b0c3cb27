"""A command that predicts: items as JSON lines on its standard input, answers as JSON lines on its standard output.

It gets one deadline for all items and a limit for its output, in a process group of its own that ends with it.
"""

import contextlib
import os
import selectors
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, ClassVar

from monitor.config.units import format_duration
from monitor.errors import InputError
from monitor.visible import one_line

DEADLINE = 3600.0
MOST_BYTES = 1_000_000_000
_BLOCK, _LINES = 65_536, 100
_SHOWN = 500


@dataclass(frozen=True, slots=True)
class Command:
    """Runs `argv` without a shell. `seconds` are for all items together."""

    argv: Sequence[str]
    seconds: float = DEADLINE
    most_bytes: int = MOST_BYTES
    reads_lines: ClassVar[bool] = True

    def __call__(self, lines: Iterator[bytes], answers: Path) -> None:
        """Write the answers to a file.

        Raises:
            InputError: the command cannot be started, fails, takes too long, or writes too much.
        """
        try:
            with tempfile.TemporaryFile() as errors, answers.open("wb") as output:
                self._run(lines, output, errors)
        except OSError as error:
            raise InputError(f"the answers cannot be written: {error.strerror}") from error

    def _run(self, lines: Iterator[bytes], output: IO[bytes], errors: IO[bytes]) -> None:
        try:
            process = subprocess.Popen(  # noqa: S603 - the user's own command, without a shell
                list(self.argv),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        except OSError as error:
            raise InputError(f"the command {self._name} cannot be started: {error.strerror}") from error
        try:
            self._exchange(process, lines, output)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.returncode:
            message = f"the command {self._name} failed with exit code {process.returncode}"
            raise InputError(message, hint=_last_lines(errors))

    def __post_init__(self) -> None:
        if not self.argv or any("\0" in word for word in self.argv):
            raise InputError(
                "the command is empty, or contains a NUL character", hint="--command 'python predict.py'"
            )

    @property
    def _name(self) -> str:
        return one_line(self.argv[0])

    def _exchange(
        self, process: "subprocess.Popen[bytes]", lines: Iterator[bytes], output: IO[bytes]
    ) -> None:
        """Write lines and read answers, whichever the command is ready for; until it closes its output and ends."""
        assert process.stdin is not None
        assert process.stdout is not None
        end = time.monotonic() + self.seconds
        for stream in (process.stdin, process.stdout):
            os.set_blocking(stream.fileno(), False)
        waiting, written = b"", 0
        with selectors.DefaultSelector() as ready, process.stdin as given, process.stdout as answered:
            ready.register(given, selectors.EVENT_WRITE)
            ready.register(answered, selectors.EVENT_READ)
            while answered in (key.fileobj for key in ready.get_map().values()):
                for key, _ in ready.select(self._left(end)):
                    if key.fileobj is given:
                        waiting = waiting or b"".join(islice(lines, _LINES))
                        rest = _sent(given, waiting)
                        if rest is None or not waiting:
                            ready.unregister(given)
                            given.close()
                        waiting = rest or b""
                        continue
                    block = os.read(answered.fileno(), _BLOCK)
                    written += output.write(block)
                    if written > self.most_bytes:
                        raise InputError(
                            f"the command {self._name} wrote more than {self.most_bytes:,} bytes"
                        )
                    if not block:
                        ready.unregister(answered)
        try:
            process.wait(self._left(end))
        except subprocess.TimeoutExpired as error:
            raise self._late() from error

    def _left(self, end: float) -> float:
        left = end - time.monotonic()
        if left <= 0:
            raise self._late()
        return left

    def _late(self) -> InputError:
        return InputError(
            f"the command {self._name} took longer than {format_duration(round(self.seconds))}",
            hint="--within sets the time for all items, --most how many are replayed",
        )


def of_text(text: str, seconds: float) -> Command:
    """The command of a line, split into words as a shell does; nothing else of a shell applies.

    Raises:
        InputError: it cannot be split, or is empty.
    """
    try:
        return Command(shlex.split(text), seconds)
    except ValueError as error:
        raise InputError(f"--command cannot be split into words: {error}") from error


def _sent(stream: IO[bytes], block: bytes) -> bytes | None:
    """What could not be written yet; None if the command reads no more, which is its own business."""
    try:
        return block[os.write(stream.fileno(), block) :] if block else b""
    except BlockingIOError:
        return block
    except BrokenPipeError:
        return None


def _last_lines(errors: IO[bytes]) -> str:
    errors.seek(0, os.SEEK_END)
    errors.seek(max(0, errors.tell() - _SHOWN))
    return one_line(errors.read(_SHOWN).decode(errors="replace")) or "it wrote nothing to standard error"
