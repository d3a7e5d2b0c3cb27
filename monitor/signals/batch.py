"""The calls of one measurement, with what several signals derive from them: each is computed once."""

from collections.abc import Callable
from typing import TypeVar, cast

import pyarrow as pa
import pyarrow.compute as pc

from monitor.signals.calls import Calls, Registered

T = TypeVar("T")


class CallBatch:
    """Calls, what is registered for their client, and intermediate results by the function that computes them."""

    def __init__(self, calls: Calls, registered: Registered) -> None:
        self.calls, self.registered = calls, registered
        self._results: dict[Callable[..., object], object] = {}
        self._columns: dict[str, pa.Array] = {}

    def __len__(self) -> int:
        return len(self.calls)

    def of(self, derive: Callable[["CallBatch"], T]) -> T:
        """What `derive` returns for this batch, computed at the first call."""
        if derive not in self._results:
            self._results[derive] = derive(self)
        return cast("T", self._results[derive])

    def column(self, name: str) -> pa.Array:
        """A column of the calls as it was sent."""
        if name not in self._columns:
            self._columns[name] = self.calls.column(name)
        return self._columns[name]


def without_empty(texts: pa.StringArray) -> pa.StringArray:
    """The texts; one with nothing but white space is null, as there is nothing to measure."""
    is_empty = pc.fill_null(pc.equal(pc.utf8_trim_whitespace(texts), ""), False)
    return pc.if_else(is_empty, pa.scalar(None, texts.type), texts)


def answers(batch: CallBatch) -> pa.StringArray:
    """The answers that have any text."""
    return without_empty(batch.column("output"))


def inputs(batch: CallBatch) -> pa.StringArray:
    """The inputs that have any text."""
    return without_empty(batch.column("input"))
