"""Calls of libraries that cannot be cancelled: made in a thread of their own, and abandoned at a limit."""

import gc
import os
import resource
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

MOST_GROWTH = 1 << 30
"""Bytes by which the memory of the process may grow during one call."""
_LOOK_SECONDS = 0.1
_STATM = Path("/proc/self/statm")
_abandoned = threading.Event()


class CallTimeoutError(OSError):
    """The call took too long, or too much memory. Its thread may go on until the process ends."""


def within(seconds: float, call: Callable[[], T], *, limits_memory: bool = False) -> T:
    """The result of a call, or what it raises.

    With `limits_memory`, nothing else may run in this process meanwhile that takes much memory.

    Raises:
        CallTimeoutError: it did not end within `seconds`, or took more memory than `MOST_GROWTH`.
    """
    answer: list[T] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            answer.append(call())
        except BaseException as error:  # it goes to whoever called
            failure.append(error)

    before = resident()
    thread = threading.Thread(target=work, name="outside call", daemon=True)
    thread.start()
    ends = time.monotonic() + seconds
    while True:
        thread.join(max(0.0, min(_LOOK_SECONDS, ends - time.monotonic())))
        if not thread.is_alive():
            break
        if time.monotonic() >= ends:
            _abandoned.set()
            raise CallTimeoutError(f"no complete response within {seconds:g} s")
        if limits_memory and resident() - before > MOST_GROWTH:
            _abandoned.set()
            raise CallTimeoutError(f"the answer needs more than {MOST_GROWTH >> 20:,} MB of memory")
    if failure:
        raise failure[0]
    return answer[0]


def leave(code: int | str | None) -> None:
    """End the process. After an abandoned call it ends at once: libraries would wait for the call at the exit.

    Otherwise the interpreter searches nothing for garbage first: with all packages loaded, that is a fifth of the time
    of a command.
    """
    if _abandoned.is_set():
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))
    gc.freeze()
    sys.exit(code)


def resident() -> int:
    """Bytes of memory that the process uses; 0 where the system does not tell."""
    try:
        return int(_STATM.read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return 0
