"""Runs jobs in child processes or in this process."""

import logging
import os
import pickle
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import IO, Any, Protocol

from monitor.childprocess.attempts import Attempts
from monitor.childprocess.work import LENGTH, Failed, Job, TaskMessage, WorkOrder, results
from monitor.config.units import format_duration
from monitor.runtime.faults import Faults

log = logging.getLogger(__name__)

AT_ONCE = 2
"""The largest number of concurrent child processes; further jobs wait."""
MEMORY = 4 * 2**30
PATIENCE = 1800.0
"""Time limit of one task, in seconds."""
PART = "job"
REPORTED_FROM = 3
"""The number of failures in a row from which a task is reported as a fault."""
_CHILD = "monitor.childprocess.child"
_MOST_DEATHS = 3
"""After this many dead children, the rest of a call's tasks is left for the next call."""
_MOST_BYTES = 2**28
"""The largest result in bytes."""
_LOOK = 0.5
"""Seconds between checks of the time while a child returns nothing."""
_READ = 2**16
"""The capacity of a pipe in bytes."""
_SHOWN = 2000


class Runner(Protocol):
    """Runs a job for several tasks, each with a name."""

    def each(self, job: Job, tasks: Mapping[str, Any], now: float) -> Iterator[tuple[str, Any]]:
        """Yield (task name, result) as results arrive; the last result of a failed task is `Failed`.

        A task that failed before is skipped until it may be retried. Closing the iterator ends the job.
        """

    def stop(self) -> None:
        """End running jobs, and start no more."""


class Here:
    """Runs jobs in this process: for commands, and for a store in memory."""

    def each(self, job: Job, tasks: Mapping[str, Any], now: float) -> Iterator[tuple[str, Any]]:
        """See `Runner`; no task is skipped."""
        del now
        for name, task in tasks.items():
            for result in results(job, task):
                yield name, result

    def stop(self) -> None:
        """Do nothing: no job runs in the background."""


class ChildProcesses:
    """Runs jobs in child processes, one for all tasks of a call.

    If a child crashes, is killed or hangs, its current task fails, and another child continues with the rest. A task
    that failed `REPORTED_FROM` times in a row is reported to `faults`.
    """

    def __init__(
        self,
        faults: Faults,
        memory: int = MEMORY,
        patience: float = PATIENCE,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._faults = faults
        self._memory, self._patience, self._elapsed = memory, patience, elapsed
        self._slots = threading.BoundedSemaphore(AT_ONCE)
        self._attempts = Attempts()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def each(self, job: Job, tasks: Mapping[str, Any], now: float) -> Iterator[tuple[str, Any]]:
        """See `Runner`."""
        left = [(name, task) for name, task in tasks.items() if self._attempts.is_due(name, now)]
        deaths = 0
        while left and deaths < _MOST_DEATHS and self._take_slot():
            try:
                done = yield from self._work(job, left, now)
            finally:
                self._slots.release()
            deaths += 1
            left = left[done:]

    def stop(self) -> None:
        """See `Runner`; returns at once."""
        self._stopped.set()
        with self._lock:
            for process in self._running:
                process.kill()

    def pids(self) -> list[int]:
        """The running child processes."""
        with self._lock:
            return [process.pid for process in self._running]

    def _take_slot(self) -> bool:
        while not self._stopped.is_set():
            if self._slots.acquire(timeout=0.5):
                return True
        return False

    def _work(
        self, job: Job, tasks: Sequence[tuple[str, Any]], now: float
    ) -> Generator[tuple[str, Any], None, int]:
        """Run tasks in one child; the number of tasks that are done."""
        over, failed = 0, False
        try:
            child = _Child(job, [task for _, task in tasks], self._memory, self._elapsed)
        except (OSError, MemoryError, RuntimeError) as error:  # a full disk, or no further process or file
            yield (
                tasks[0][0],
                self._noted(tasks[0][0], Failed(f"its process could not be started: {error}"), now),
            )
            return 1
        with child:
            if not self._keep(child):
                return len(tasks)
            try:
                for answer in child.answers(self._patience):
                    name = tasks[answer.place][0]
                    if answer.began:
                        failed = False
                    elif not answer.ended:
                        failed = failed or isinstance(answer.result, Failed)
                        yield name, self._noted(name, answer.result, now)
                    else:
                        over = answer.place + 1
                        if not failed:
                            self._attempts.worked(name)
                            self._faults.resolve(PART, name)
            finally:
                self._forget(child)
            if over == len(tasks) or self._stopped.is_set():
                return len(tasks)
            name = tasks[over][0]
            yield name, self._noted(name, Failed(child.last_words()), now)
        return over + 1

    def _noted(self, name: str, result: Any, now: float) -> Any:
        if isinstance(result, Failed):
            failing = self._attempts.failed(name, result.reason, now)
            wait = failing.again_at - now
            log.warning("%s failed and will be retried in %s: %s", name, format_duration(wait), result.reason)
            if failing.times >= REPORTED_FROM:
                self._faults.report(PART, name, result.reason, lasts=2 * wait)
        return result

    def _keep(self, child: "_Child") -> bool:
        """Register a child, so that `stop` kills it; False if the runner was stopped before."""
        with self._lock:
            if not self._stopped.is_set():
                self._running.add(child.process)
                return True
        return False

    def _forget(self, child: "_Child") -> None:
        with self._lock:
            self._running.discard(child.process)


class _Child:
    """One child process, from its start to its end."""

    def __init__(self, job: Job, tasks: Sequence[Any], memory: int, elapsed: Callable[[], float]) -> None:
        self._ended = ""
        self._elapsed = elapsed
        self._until = 0.0
        with ExitStack() as opened:
            self._stderr: IO[bytes] = opened.enter_context(tempfile.TemporaryFile())
            with tempfile.TemporaryFile() as order:  # a pipe would block if the child did not read
                order.write(LENGTH.pack(memory) + LENGTH.pack(os.getpid()))
                pickle.dump(WorkOrder(job, tuple(tasks)), order, pickle.HIGHEST_PROTOCOL)
                order.seek(0)
                self.process = subprocess.Popen(  # noqa: S603 - our own module
                    [sys.executable, "-m", _CHILD],
                    stdin=order,
                    stdout=subprocess.PIPE,
                    stderr=self._stderr,
                    bufsize=0,
                    start_new_session=True,
                )
            opened.pop_all()  # closed by __exit__

    def __enter__(self) -> "_Child":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._stderr.close()

    def answers(self, patience: float) -> Iterator[TaskMessage]:
        """The messages of the child, until it ends or exceeds `patience` seconds for one task."""
        self._until = self._elapsed() + patience
        for packed in self._packed():
            try:
                answer = pickle.loads(packed)  # noqa: S301 - from the child that was started here
            except Exception as error:  # its result cannot be built here
                answer, self._ended = None, f"its answer cannot be read: {type(error).__name__}: {error}"
            if not isinstance(answer, TaskMessage):
                self._ended = self._ended or "its answer is invalid"
                return
            if answer.began:
                self._until = self._elapsed() + patience
            elif not answer.ended and self._is_late():
                return
            yield answer

    def _is_late(self) -> bool:
        if self._elapsed() < self._until:
            return False
        self._ended = "it exceeded its time limit"
        return True

    def _packed(self) -> Iterator[bytes]:
        assert self.process.stdout is not None
        descriptor, waiting = self.process.stdout.fileno(), bytearray()
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        while True:
            while not poll.poll(_LOOK * 1000):
                if self._is_late():
                    return
            if not (read := os.read(descriptor, _READ)):
                return
            waiting += read
            while len(waiting) >= LENGTH.size:
                size = LENGTH.unpack_from(waiting)[0]
                if size > _MOST_BYTES:
                    self._ended = f"its answer has {size:,} bytes, more than {_MOST_BYTES:,}"
                    return
                end = LENGTH.size + size
                if len(waiting) < end:
                    break
                answer = bytes(waiting[LENGTH.size : end])
                del waiting[:end]
                yield answer

    def last_words(self) -> str:
        """Why the child ended before its work was done."""
        if not self._ended:
            self.process.wait()
        code = self.process.poll()
        self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, self._stderr.tell() - _SHOWN))
        output = self._stderr.read().decode("utf-8", "replace").strip()
        if output:
            log.warning("output of a child process: %s", output)
        if self._ended or code is None:
            return self._ended
        if code < 0:
            return f"its process was killed by {signal.Signals(-code).name}"
        return f"its process exited with status {code}: {(output.splitlines() or ['no output'])[-1]}"
