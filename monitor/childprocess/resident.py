"""A child process that stays: it answers requests one after the other, and ends when it has nothing to do.

Started at the first request. Its memory is limited, and each request has a deadline. While it works on a request, it
may ask its parent, which answers in the thread that waits for the result.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from monitor.childprocess.messages import LENGTH, Maker, MessageKind, Setup, packed
from monitor.childprocess.pipes import Pipes

_CHILD = "monitor.childprocess.resident_child"
_STOP_WITHIN = 5.0
NICE = 5
"""Somebody waits for the answer, so it is less nice than jobs in the background."""


class ChildFailedError(Exception):
    """The child did not answer a request: it died, took too long, or cannot be started. The message is the reason."""


class _IdleError(Exception):
    """The child had ended before it read the request."""


class Resident:
    """One child process for requests of one kind. Safe to use from several threads: requests take turns.

    `make(setup, ask)`, a module-level function, is called in the child at its start, and returns the function that
    answers requests: `answer(request, body)` yields results. `ask(question)` in the child returns what the parent
    answers.
    """

    def __init__(
        self,
        make: Maker,
        setup: object,
        *,
        memory: int,
        patience: float,
        idle: float,
        niceness: int = NICE,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._setup = Setup(make, setup, memory, idle, os.getpid(), niceness)
        self._patience, self._elapsed = patience, elapsed
        self._turn = threading.Lock()
        self._child: _Child | None = None
        self._is_stopped = False

    @property
    def pid(self) -> int | None:
        """The running process, if any."""
        child = self._child
        return None if child is None or child.process.poll() is not None else child.process.pid

    def call(self, request: object, body: Sequence[bytes], answer: Callable[[Any], Any]) -> list[Any]:
        """The results for one request. `body` is sent as it is; `answer` is called with each question of the child.

        Raises:
            ChildFailedError: the child did not complete the request; another one will be started for the next.
        """
        with self._turn:
            until = self._elapsed() + self._patience
            while True:
                child, is_new = self._started()
                try:
                    return child.call(request, body, answer, until)
                except _IdleError:
                    self._end()
                    if is_new:
                        raise ChildFailedError("its process could not be started") from None
                except (ChildFailedError, OSError, EOFError, ValueError) as error:
                    reason = child.reason(error)
                    self._end()
                    raise ChildFailedError(reason) from error
                except BaseException:  # the child may still write a result
                    self._end()
                    raise

    def stop(self) -> None:
        """End the child, also during a request, and start no more."""
        self._is_stopped = True
        if (child := self._child) is not None:
            child.process.kill()
        if self._turn.acquire(timeout=_STOP_WITHIN):
            try:
                self._end()
            finally:
                self._turn.release()

    def _started(self) -> tuple["_Child", bool]:
        is_new = self._child is None
        if self._child is None and not self._is_stopped:
            try:
                self._child = _Child(self._setup, self._elapsed)
            except (OSError, MemoryError, RuntimeError) as error:
                raise ChildFailedError(f"its process could not be started: {error}") from error
        if self._child is None or self._is_stopped:
            raise ChildFailedError("the daemon is stopping")
        return self._child, is_new

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end()


class _Child:
    def __init__(self, setup: Setup, elapsed: Callable[[], float]) -> None:
        self._pipes = Pipes(elapsed)
        self._setup: Setup | None = setup
        self.process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", _CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            process_group=0,  # a session of its own would compare its priority with no other process
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._pipes.use(self.process.stdin.fileno(), self.process.stdout.fileno())

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()

    def call(
        self, request: object, body: Sequence[bytes], answer: Callable[[Any], Any], until: float
    ) -> list[Any]:
        try:
            if self._setup is not None:
                memory, parent = LENGTH.pack(self._setup.memory), LENGTH.pack(self._setup.parent)
                self._pipes.send((memory, parent, packed(self._setup)), until)
                self._setup = None
            self._pipes.send((packed((request, sum(map(len, body)))), *body), until)
        except BrokenPipeError as error:
            raise self._ending(error) from error
        results: list[Any] = []
        try:
            message = self._pipes.receive(until)
        except EOFError as error:
            raise self._ending(error) from error
        while message.kind is not MessageKind.END:
            if message.kind is MessageKind.QUESTION:
                self._pipes.send((packed(answer(message.value)),), until)
            elif message.kind is MessageKind.FAILED:
                raise ChildFailedError(message.value)
            else:
                results.append(message.value)
            message = self._pipes.receive(until)
        return results

    def reason(self, error: Exception) -> str:
        """Why a request was not answered."""
        if isinstance(error, TimeoutError):
            return "it took too long"
        if isinstance(error, ChildFailedError):
            return str(error)
        code = self._exit_code()
        if code is None:
            return f"its process cannot be reached: {error}"
        return f"its process was killed by {signal.Signals(-code).name}" if code < 0 else "its process failed"

    def _ending(self, error: Exception) -> Exception:
        """The error for a request that was not begun."""
        return _IdleError() if self._exit_code() == 0 else error

    def _exit_code(self) -> int | None:
        try:
            return self.process.wait(1.0)
        except subprocess.TimeoutExpired:
            return None
