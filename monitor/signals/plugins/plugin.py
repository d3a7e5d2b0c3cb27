"""A function of the user as a signal. It runs in a process of its own, so that a fault in it stops nothing else.

A plug-in that raises, hangs beyond its deadline, dies, or returns another number of values is set aside for a while,
and the reason is told.
"""

import math
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from monitor.errors import WatchkeeperError
from monitor.signals.batch import CallBatch
from monitor.signals.plugins.plugin_names import name_of, target_of
from monitor.signals.plugins.worker import ANSWER, LENGTH
from monitor.signals.signal import Signal, Unit
from monitor.visible import counted

T = TypeVar("T")
DEADLINE = 2.0
"""Seconds that a plug-in may take for one batch of calls."""
START = 120.0
"""Seconds in which its process has to start and load the function. Until then, it measures nothing."""
MOST_NUMBERS = 8_192
"""Of a vector."""
SET_ASIDE, LONGEST_SET_ASIDE = 60.0, 3600.0
"""Seconds for which a plug-in that failed is not asked: twice as long after each failure in a row."""
_AS_LOGGED = pa.float32()
"""The numbers of vectors in the log."""
_MOST_BYTES = 2**28
_CHUNK = 2**16


class PluginError(WatchkeeperError):
    """A plug-in did not answer as it should."""


class Plugin:
    """One plug-in: `target` is `package:function`, which gets a table of calls and returns a value for each of them.

    `of` is what errors call it.
    """

    def __init__(
        self,
        name: str,
        target: str,
        *,
        deadline: float = DEADLINE,
        of: str = "",
        vectors: pa.DataType = _AS_LOGGED,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self.target = name_of(name), target_of(target)
        self._called = of or f"signal '{name}'"
        self._deadline, self._clock, self._vectors = deadline, clock, vectors
        self._process: subprocess.Popen[bytes] | None = None
        self._is_ready, self._began = False, 0.0
        self._failures, self._again_at, self._reason = 0, -float("inf"), ""
        self._lock = threading.Lock()

    def signal(self, unit: Unit = Unit.RATIO) -> Signal:
        """The plug-in as a signal. A function that returns true and false needs the unit `FLAG`."""
        return Signal(self.name, unit, ("output",), f"Computed by {self.target}.", self._measured_as(unit))

    def stop(self) -> None:
        """End its process."""
        with self._lock:
            self._end()

    def is_ready(self, patience: float = 0.0) -> bool:
        """Start its process if it does not run, and tell whether the function is loaded.

        Raises:
            PluginError: it cannot be loaded.
        """
        with self._lock:
            return self._guarded(lambda: self._has_started(self._clock() + patience))

    def values(self, calls: pa.Table) -> pa.Array:
        """What the plug-in returns for calls; all null while its process starts.

        Raises:
            PluginError: it failed, or it has failed a short while ago.
        """
        with self._lock:
            if self._clock() < self._again_at:
                raise PluginError(
                    f"{self._called} is set aside: {self._reason}", hint="it is retried automatically"
                )
            return self._guarded(lambda: self._asked(calls))

    def _guarded(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except (PluginError, OSError, ValueError, pa.ArrowException) as error:
            self._end()
            wait = min(SET_ASIDE * 2.0 ** min(self._failures, 16), LONGEST_SET_ASIDE)
            self._failures += 1
            self._again_at, self._reason = self._clock() + wait, str(error)
            raise PluginError(
                f"{self._called} ({self.target}): {error}", hint="fix the function; calls are kept"
            ) from error

    def as_returned(self) -> Signal:
        """The plug-in as a signal of the type that its function returns: true and false are flags."""
        return Signal(
            self.name,
            Unit.RATIO,
            ("output",),
            f"Computed by {self.target}.",
            lambda batch: self.values(batch.calls.table),
        )

    def _measured_as(self, unit: Unit) -> Callable[[CallBatch], pa.Array]:
        kind = pa.bool_() if unit is Unit.FLAG else pa.float64()

        def measure(batch: CallBatch) -> pa.Array:
            if not len(batch):
                return pa.nulls(0, kind)
            values = self.values(batch.calls.table)
            return values if values.type == kind else values.cast(kind)

        return measure

    def _asked(self, calls: pa.Table) -> pa.Array:
        if not self._has_started(self._clock()):
            return pa.nulls(calls.num_rows, pa.float64())
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, calls.schema) as stream:
            stream.write_table(calls)
        request, until = bytes(sink.getvalue()), self._clock() + self._deadline
        assert self._process is not None
        self._send(self._process, LENGTH.pack(len(request)) + request, until)
        answer = self._answer(self._process, until)
        returned = pa.ipc.open_stream(answer).read_all().column(0).combine_chunks()
        values = _checked(returned, calls.num_rows, self._vectors)
        self._failures = 0
        return values

    def _answer(self, process: subprocess.Popen[bytes], until: float) -> bytes:
        is_good, size = ANSWER.unpack(self._receive(process, ANSWER.size, until))
        if size > _MOST_BYTES:
            raise ValueError(f"its answer has {size:,} bytes")
        answer = self._receive(process, size, until)
        if not is_good:
            raise ValueError(answer.decode(errors="replace"))
        return answer

    def _has_started(self, until: float) -> bool:
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._process, self._began = _begun(self.target), self._clock()
        if not self._is_ready:
            assert self._process.stdout is not None
            left = max(until - self._clock(), 0.0)
            if select.select([self._process.stdout], [], [], left)[0]:
                self._answer(self._process, self._clock() + self._deadline)
                self._is_ready = True
            elif self._clock() - self._began > START:
                raise ValueError(f"it was not loaded within {START:g} s")
        return self._is_ready

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
        process, self._process, self._is_ready = self._process, None, False
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()


def _begun(target: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "monitor.signals.plugins.worker", target]
    process = subprocess.Popen(  # noqa: S603 - our own module
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        os.set_blocking(pipe.fileno(), False)
    return process


def _checked(values: pa.Array, rows: int, vectors: pa.DataType = _AS_LOGGED) -> pa.Array:
    if len(values) != rows:
        raise ValueError(f"it returned {counted(len(values), 'value')} for {counted(rows, 'call')}")
    if pa.types.is_null(values.type):
        return pa.nulls(rows, pa.float64())
    if pa.types.is_boolean(values.type):
        return values
    if pa.types.is_list(values.type):
        return _checked_vectors(values, vectors)
    if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
        raise ValueError(f"it returned values of type {values.type}, not numbers")
    numbers = values.cast(pa.float64())
    return pc.if_else(pc.is_finite(numbers), numbers, None)


def _checked_vectors(values: pa.ListArray, numbers: pa.DataType) -> pa.ListArray:
    """Vectors of numbers of a type; one with a number that is none, or that is too long, is not measured."""
    kind = values.type.value_type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise ValueError(f"it returned values of type {values.type}, not numbers")
    rows = [
        one and (one if len(one) <= MOST_NUMBERS and all(map(_is_finite, one)) else None)
        for one in values.to_pylist()
    ]
    return pa.array([row or None for row in rows], pa.list_(numbers))


def _is_finite(number: float | None) -> bool:
    return number is not None and math.isfinite(number)
