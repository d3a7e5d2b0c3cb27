"""The child process, `python -m monitor.childprocess.child`: reads an order and returns results task by task.

It limits its memory before it imports what the job needs. The kernel kills it first when memory runs out, and when its
parent ends.
"""

import contextlib
import ctypes
import os
import pickle
import resource
import signal
import sys
from pathlib import Path
from typing import BinaryIO

from monitor.childprocess.work import LENGTH, TaskMessage, WorkOrder, results
from monitor.runtime.cpu_tuning import lower_priority, tune_process
from monitor.runtime.imports import load_less, without_pandas

_NICE = 10
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Read the order from standard input and run it; prints of the job go to standard error."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    load_less()
    tune_process()
    without_pandas()
    size, parent = (LENGTH.unpack(sys.stdin.buffer.read(LENGTH.size))[0] for _ in range(2))
    limit_process(parent, size)
    order = pickle.load(sys.stdin.buffer)  # noqa: S301 - written by the daemon that started this process
    assert isinstance(order, WorkOrder)
    for place, task in enumerate(order.tasks):
        _put(answers, TaskMessage(place, began=True))
        for result in results(order.job, task):
            _put(answers, TaskMessage(place, result=result))
        _put(answers, TaskMessage(place, ended=True))


def limit_process(parent: int, memory: int, niceness: int = _NICE) -> None:
    """Limit this process to so many bytes and to low priority, and have it end with the process `parent`."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent ended before prctl took effect
        sys.exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    lower_priority(niceness)
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    with contextlib.suppress(OSError):  # missing or forbidden on some systems
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _put(answers: BinaryIO, answer: TaskMessage) -> None:
    packed = pickle.dumps(answer, pickle.HIGHEST_PROTOCOL)
    for part in (LENGTH.pack(len(packed)), packed):
        left = memoryview(part)
        while left:
            left = left[answers.write(left) :]


if __name__ == "__main__":
    main()
