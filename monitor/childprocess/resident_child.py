"""The process of `Resident`, `python -m monitor.childprocess.resident_child`: answers requests until it is idle.

Prints of what it runs go to standard error.
"""

import os
import pickle
import select
import sys
from typing import Any, BinaryIO

from monitor.childprocess.child import limit_process
from monitor.childprocess.messages import LENGTH, ChildMessage, MessageKind, Setup, packed
from monitor.runtime.cpu_tuning import lower_priority, tune_process
from monitor.runtime.imports import load_less, without_pandas

_OUT_OF_MEMORY = "it needs more memory than one request may take"


def main() -> None:
    """Serve the parent at the other end of standard input."""
    load_less()
    tune_process()
    without_pandas()
    parent = _Parent(sys.stdin.fileno(), os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)
    memory, pid = parent.number(), parent.number()
    limit_process(pid, memory, 0)
    setup = parent.read()
    assert isinstance(setup, Setup)
    lower_priority(setup.niceness)
    answer = setup.make(setup.setup, parent.ask)
    while parent.has_request(setup.idle):
        request, size = parent.read()
        body = parent.exactly(size)
        try:
            for result in answer(request, body):
                parent.put(MessageKind.RESULT, result)
            parent.put(MessageKind.END)
        except MemoryError:
            parent.put(MessageKind.FAILED, _OUT_OF_MEMORY)
        del body


class _Parent:
    def __init__(self, reading: int, writer: BinaryIO) -> None:
        self._reading, self._writer = (
            reading,
            writer,
        )  # read without a buffer, so that `select` tells what is left

    def has_request(self, idle: float) -> bool:
        """Whether a request arrives within `idle` seconds."""
        return bool(select.select([self._reading], [], [], idle)[0])

    def read(self) -> Any:
        return pickle.loads(self.exactly(self.number()))  # noqa: S301 - from the daemon that started this process

    def number(self) -> int:
        return int(LENGTH.unpack(self.exactly(LENGTH.size))[0])

    def exactly(self, size: int) -> bytes:
        content = bytearray(size)
        left = memoryview(content)
        while left:
            read = os.readv(self._reading, [left])
            if not read:
                sys.exit(0)
            left = left[read:]
        return bytes(content)

    def put(self, kind: MessageKind, value: object = None) -> None:
        self._writer.write(packed(ChildMessage(kind, value)))
        self._writer.flush()

    def ask(self, question: object) -> Any:
        """The answer of the parent; an exception is raised here."""
        self.put(MessageKind.QUESTION, question)
        answer = self.read()
        if isinstance(answer, Exception):
            raise answer
        return answer


if __name__ == "__main__":
    main()
