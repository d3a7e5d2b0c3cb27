"""What a signal is: a function from a batch of calls to one number or yes/no per call, with its meaning."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import pyarrow as pa

from monitor.signals.batch import CallBatch


class Unit(StrEnum):
    """What the values of a signal are."""

    FLAG = "yes/no"
    RATIO = "ratio"
    CHARACTERS = "characters"
    WORDS = "words"
    TOKENS = "tokens"
    MILLISECONDS = "ms"
    NATS = "nats"
    MONEY = "currency"


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal. `measure` returns float64, or bool if the unit is `FLAG`; null where a call has nothing to measure.

    `needs` names the columns of the calls without which it is null. `languages` are those that its error was measured
    in; empty if it does not depend on the language. A leak is something in the answer that must not be there.
    """

    name: str
    unit: Unit
    needs: tuple[str, ...]
    help: str
    measure: Callable[[CallBatch], pa.Array]
    languages: tuple[str, ...] = ()
    is_leak: bool = False

    @property
    def is_flag(self) -> bool:
        """Whether the values are yes or no, so that its figure is a rate."""
        return self.unit is Unit.FLAG

    @property
    def type(self) -> pa.DataType:
        """The type of its column."""
        return pa.bool_() if self.is_flag else pa.float64()
