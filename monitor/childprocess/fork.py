"""Runs a function in a forked process, which returns the memory that the function takes.

For the start of a process only, before it has threads: the fork would copy their locks, but not the threads.
"""

import ctypes
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any

from monitor.childprocess.work import Failed

_PR_SET_PDEATHSIG = 1


def in_fork(work: Callable[[], Any]) -> Any:
    """The pickled result of `work`, or `Failed` if it raises or its process dies.

    The fork is killed if this process ends, or if the wait is interrupted.
    """
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _run(work, writing, parent)
    os.close(writing)
    try:
        with os.fdopen(reading, "rb") as answer:
            packed = answer.read()
    except BaseException:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code == 0 and packed:
        return pickle.loads(packed)  # noqa: S301 - from the copy of this process
    if code < 0:
        return Failed(f"its process was killed by {signal.Signals(-code).name}")
    return Failed(f"its process exited with status {code}")


def _run(work: Callable[[], Any], writing: int, parent: int) -> None:
    """Run `work` in the fork, and exit without flushing or closing anything of the parent."""
    code = 1
    try:
        for ending in (signal.SIGINT, signal.SIGTERM):
            signal.signal(ending, signal.SIG_DFL)
        prctl = getattr(ctypes.CDLL(None), "prctl", None)
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == parent:
            with os.fdopen(writing, "wb") as answer:
                answer.write(pickle.dumps(work(), pickle.HIGHEST_PROTOCOL))
            code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)
