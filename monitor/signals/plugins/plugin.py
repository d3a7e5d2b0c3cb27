"""A function of somebody else as a signal: it runs in a process of its own, and what it does there stops nobody.

A plug-in that raises, hangs beyond its deadline, dies, or returns another number of values is set aside for a while,
and the reason is told.
"""

import os
import re
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from monitor.errors import InputError, WatchkeeperError
from monitor.signals.batch import Batch
from monitor.signals.plugins.worker import ANSWER, LENGTH
from monitor.signals.signal import Signal, Unit

DEADLINE = 10.0
"""Seconds that a plug-in may take for one batch of calls, its start included."""
SET_ASIDE = 60.0
"""Seconds for which a plug-in that failed is not asked."""
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_MOST_BYTES = 2**28
_CHUNK = 2**16


class PluginError(WatchkeeperError):
    """A plug-in did not answer as it should."""


class Plugin:
    """One plug-in: `target` is `package:function`, which gets a table of calls and returns a value for each of them."""

    def __init__(
        self,
        name: str,
        target: str,
        *,
        deadline: float = DEADLINE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Check the names.

        Raises:
            InputError: the name or the target cannot be one.
        """
        if not _NAME.fullmatch(name):
            raise InputError(
                f"'{name}' cannot be the name of a signal",
                hint="use lower-case letters, digits and underscores",
            )
        if not _TARGET.fullmatch(target):
            raise InputError(
                f"signal '{name}': '{target}' names no function", hint="write it as package.module:function"
            )
        self.name, self.target = name, target
        self._deadline, self._clock = deadline, clock
        self._process: subprocess.Popen[bytes] | None = None
        self._failed_at, self._reason = -float("inf"), ""
        self._lock = threading.Lock()

    def signal(self, unit: Unit = Unit.RATIO) -> Signal:
        """The plug-in as a signal."""
        needs = ("output",)
        return Signal(self.name, unit, needs, f"Computed by {self.target}.", self._measured_as(unit))

    def stop(self) -> None:
        """End its process."""
        with self._lock:
            self._end()

    def values(self, calls: pa.Table) -> pa.Array:
        """What the plug-in returns for calls.

        Raises:
            PluginError: it failed, or it has failed within the last minute.
        """
        with self._lock:
            now = self._clock()
            if now - self._failed_at < SET_ASIDE:
                raise PluginError(
                    f"signal '{self.name}' is set aside: {self._reason}",
                    hint=f"it is tried again after {SET_ASIDE:.0f} seconds",
                )
            try:
                return self._asked(calls, now + self._deadline)
            except (PluginError, OSError, ValueError, pa.ArrowException) as error:
                self._end()
                self._failed_at, self._reason = self._clock(), str(error)
                raise PluginError(
                    f"signal '{self.name}' ({self.target}): {error}", hint="mend the function; calls are kept"
                ) from error

    def _measured_as(self, unit: Unit) -> Callable[[Batch], pa.Array]:
        kind = pa.bool_() if unit is Unit.FLAG else pa.float64()

        def measure(batch: Batch) -> pa.Array:
            if not len(batch):
                return pa.nulls(0, kind)
            values = self.values(batch.calls.table)
            return values if values.type == kind else values.cast(kind)

        return measure

    def _asked(self, calls: pa.Table, until: float) -> pa.Array:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, calls.schema) as stream:
            stream.write_table(calls)
        request = bytes(sink.getvalue())
        process = self._started()
        self._send(process, LENGTH.pack(len(request)) + request, until)
        is_good, size = ANSWER.unpack(self._receive(process, ANSWER.size, until))
        if size > _MOST_BYTES:
            raise ValueError(f"its answer has {size:,} bytes")
        answer = self._receive(process, size, until)
        if not is_good:
            raise ValueError(answer.decode(errors="replace"))
        return _checked(pa.ipc.open_stream(answer).read_all().column(0).combine_chunks(), calls.num_rows)

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._end()
            command = [sys.executable, "-m", "monitor.signals.plugins.worker", self.target]
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            for pipe in (self._process.stdin, self._process.stdout):
                assert pipe is not None
                os.set_blocking(pipe.fileno(), False)
        return self._process

    def _send(self, process: subprocess.Popen[bytes], data: bytes, until: float) -> None:
        assert process.stdin is not None
        pipe, left = process.stdin.fileno(), memoryview(data)
        while left:
            self._wait(writing=pipe, until=until)
            left = left[os.write(pipe, left[:_CHUNK]) :]

    def _receive(self, process: subprocess.Popen[bytes], size: int, until: float) -> bytes:
        assert process.stdout is not None
        pipe, parts = process.stdout.fileno(), bytearray()
        while len(parts) < size:
            self._wait(reading=pipe, until=until)
            part = os.read(pipe, min(_CHUNK, size - len(parts)))
            if not part:
                raise ValueError("its process ended")
            parts += part
        return bytes(parts)

    def _wait(self, *, until: float, reading: int | None = None, writing: int | None = None) -> None:
        left = until - self._clock()
        readers = [] if reading is None else [reading]
        writers = [] if writing is None else [writing]
        if left <= 0 or not any(select.select(readers, writers, [], left)):
            raise ValueError(f"it did not answer within {self._deadline:g} s")

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()


def _checked(values: pa.Array, rows: int) -> pa.Array:
    if len(values) != rows:
        raise ValueError(f"it returned {len(values)} values for {rows} calls")
    if pa.types.is_null(values.type):
        return pa.nulls(rows, pa.float64())
    if pa.types.is_boolean(values.type):
        return values
    if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
        raise ValueError(f"it returned values of type {values.type}, not numbers")
    numbers = values.cast(pa.float64())
    return pc.if_else(pc.is_finite(numbers), numbers, None)
