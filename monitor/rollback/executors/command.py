"""A fixed command: no shell, an environment of listed variables, a deadline, and a limit on its output."""

import os
import shlex
import signal
import subprocess
import threading
from contextlib import suppress
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from monitor.config.sections import Duration
from monitor.rollback.executors.executor import Executor, ExecutorError, ExecutorSettings, ManualStep
from monitor.rollback.executors.slots import check_slots, filled, has_slot
from monitor.rollback.order import Order
from monitor.visible import one_line

MOST_OUTPUT = 4096
"""Bytes of the output that are kept: the last ones."""


class CommandSettings(ExecutorSettings):
    """A fixed command on the daemon's machine."""

    freezes: ClassVar[bool] = True
    rights: ClassVar[str] = "Whatever the command needs; it runs as the user of the daemon."

    kind: Literal["command"] = "command"
    """A fixed command."""
    argv: tuple[str, ...] = Field(min_length=1)
    """The program and its arguments, without a shell. `{client}`, `{model}`, `{environment}`, `{version}`, `{other}`,
    `{action}` (rollback or freeze) and `{id}` are filled in, except in the name of the program."""
    variables: tuple[str, ...] = ("PATH", "HOME")
    """Variables of the daemon's environment that the command gets. It gets no others."""
    timeout: Duration = Field(default=300.0, gt=0, le=3600)
    """Deadline. After it, the command and what it has started are killed."""

    @field_validator("argv")
    @classmethod
    def _has_known_slots(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if has_slot(value[0]) or not value[0].strip():
            msg = f"the program {value[0]!r} must be a fixed name"
            raise ValueError(msg)
        check_slots(value)
        return value

    def make(self) -> Executor:
        """The command."""
        return CommandExecutor(self)

    def describe(self, order: Order) -> str:
        """The command line."""
        return f"run {shlex.join(filled(self.argv, order))}"

    def manual(self, order: Order) -> tuple[ManualStep, ...]:
        """The same command."""
        try:
            line = filled(self.argv, order)
        except ExecutorError:
            line = list(self.argv)
        return (ManualStep("Run the command.", shlex.join(line)),)


class CommandExecutor:
    """Runs the command in a process group of its own."""

    def __init__(self, settings: CommandSettings) -> None:
        self._settings = settings
        self.seconds = settings.timeout

    def execute(self, order: Order) -> str:
        """Run it. Exit status 0 is an acceptance; after any other, it is not known what was done."""
        process = self._start(filled(self._settings.argv, order))
        output = _Tail(process)
        try:
            status = process.wait(self.seconds)
        except subprocess.TimeoutExpired as error:
            _kill(process)
            msg = f"the command did not end within {self.seconds:g} s and was killed: {output.text()}"
            raise ExecutorError(msg, is_certain=False) from error
        finally:
            _kill(process)
        message = f"the command ended with status {status}: {output.text()}".rstrip(": ")
        if status:
            raise ExecutorError(message, is_certain=False, code=status)
        return message

    def _start(self, argv: list[str]) -> "subprocess.Popen[bytes]":
        variables = {name: os.environ[name] for name in self._settings.variables if name in os.environ}
        try:
            return subprocess.Popen(  # noqa: S603 - a fixed argv of the configuration, without a shell
                argv,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise ExecutorError(f"the command cannot be started: {error}", is_certain=True) from error


class _Tail:
    """Reads the output of a process to its end, and keeps the last bytes."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None
        self._pipe, self._kept = process.stdout, b""
        self._reader = threading.Thread(target=self._read, name="rollback-output", daemon=True)
        self._reader.start()

    def text(self) -> str:
        """The last of it as one printable line, when the process has ended."""
        self._reader.join(1.0)
        return one_line(self._kept.decode("utf-8", "replace"))

    def _read(self) -> None:
        with suppress(OSError, ValueError), self._pipe:
            while part := self._pipe.read1(65_536):  # type: ignore[attr-defined]
                self._kept = (self._kept + part)[-MOST_OUTPUT:]


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """Kill what is left of the process group."""
    with suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
