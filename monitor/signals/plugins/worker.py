"""The process of one plug-in, `python -m monitor.signals.plugins.worker PACKAGE:FUNCTION`.

First calls `prepare` of the function's module, if it has one, and says whether all could be loaded. Then it reads calls
as Arrow streams from standard input, each after its length in eight bytes. An answer is a byte that tells whether it
worked, a length, and an Arrow stream with one column or the reason. Prints of the plug-in go to standard error.
"""

import ctypes
import importlib
import os
import signal
import struct
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

import pyarrow as pa

LENGTH = struct.Struct("<Q")
ANSWER = struct.Struct("<?Q")
_SHOWN = 500
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Answer until standard input ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    requests = sys.stdin.buffer
    try:
        function = _loaded(sys.argv[1])
    except Exception as error:
        _put(answers, False, _reason(error))
        return
    _put(answers, True, b"")
    while head := requests.read(LENGTH.size):
        request = requests.read(LENGTH.unpack(head)[0])
        try:
            answer, is_good = _measured(function, pa.ipc.open_stream(request).read_all()), True
        except Exception as error:
            answer, is_good = _reason(error), False
        _put(answers, is_good, answer)


def _reason(error: Exception) -> bytes:
    return f"{type(error).__name__}: {error}"[:_SHOWN].encode(errors="replace")


def _loaded(target: str) -> Callable[[pa.Table], Any]:
    module, _, name = target.partition(":")
    loaded = importlib.import_module(module)
    function = getattr(loaded, name)
    if not callable(function):
        msg = f"{target} is not a function"
        raise TypeError(msg)
    pa.array([None], from_pandas=True)  # loads pandas, which takes a second, before calls wait for it
    prepare = getattr(loaded, "prepare", None)
    if callable(prepare):
        prepare()
    return function  # type: ignore[no-any-return]


def _measured(function: Callable[[pa.Table], Any], calls: pa.Table) -> bytes:
    values = function(calls)
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if not isinstance(values, pa.Array):
        values = pa.array(list(values), from_pandas=True)
    table = pa.table({"values": values})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


def _put(answers: BinaryIO, is_good: bool, answer: bytes) -> None:
    answers.write(ANSWER.pack(is_good, len(answer)) + answer)
    answers.flush()


if __name__ == "__main__":
    main()
