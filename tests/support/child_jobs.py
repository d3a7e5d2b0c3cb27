"""Jobs that behave and jobs that do not, for child processes."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from monitor.errors import InputError


def doubled(task: int) -> Iterator[int]:
    yield task * 2


def where(task: object) -> Iterator[tuple[int, int, set[str]]]:
    """Process, niceness, and which of the heavy packages are loaded."""
    yield os.getpid(), os.nice(0), {"pandas", "numpy", "pyarrow", "sqlalchemy"} & sys.modules.keys()


def misbehave(task: str) -> Iterator[str]:
    """Does what `task` says, and first makes the file that it names, if any."""
    task, _, mark = task.partition(" and make ")
    if mark:
        Path(mark).touch()
    if task == "raise":
        raise InputError("it was wrong", hint="put it right")
    if task == "raise later":
        yield "something"
        raise ValueError("too late")
    if task == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if task == "exit":
        sys.stderr.write("out of luck\n")
        os._exit(3)
    if task == "hang":
        time.sleep(600)
    if task == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    if task == "grow":
        kept = [bytearray(2**20) for _ in range(4096)]
        yield str(len(kept))
    if task == "print":
        print("this is no answer")
    yield f"{task} done"


class Unreadable:
    """Can be written, and not be read again."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return int, ("no number",)


def unreadable(task: str) -> Iterator[object]:
    yield Unreadable() if task == "bad" else task


def large(size: int) -> Iterator[bytes]:
    yield b"x" * size


def endless(task: object) -> Iterator[int]:
    number = 0
    while True:
        number += 1
        yield number


def told_and_hung(task: object) -> Iterator[int]:
    yield os.getpid()
    time.sleep(600)
