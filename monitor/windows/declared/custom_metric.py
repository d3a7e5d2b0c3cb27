"""An own metric: its expression, its meaning, and the names of its counts in a profile."""

from dataclasses import dataclass
from functools import lru_cache

import msgspec

from monitor.expressions.expression import Expression, compile_expression
from monitor.records import Better

KIND = "metric"
"""The kind of its definitions in the store."""


class _Stored(msgspec.Struct):
    expression: str
    unit: str = ""
    better: Better = Better.NONE


@dataclass(frozen=True, slots=True)
class CustomMetric:
    """`unit` is `share` or any text; `better` the direction in which it improves."""

    name: str
    expression: Expression
    unit: str = ""
    better: Better = Better.NONE

    @property
    def tally(self) -> str:
        """The name of its tally in a profile. Another expression has another one: their counts never mix."""
        return f"own:{self.name}@{self.expression.digest}"

    def total(self, one: int) -> str:
        """The name of one of its sums."""
        return f"{self.tally}:{one}"

    def product(self, one: int, other: int) -> str:
        """The name of the sum of products of two terms."""
        return f"{self.tally}:{min(one, other)}*{max(one, other)}"

    @property
    def is_built_in(self) -> bool:
        """Whether it belongs to a kind of task, such as forecasts, and is none of one's own: those have no dot."""
        return "." in self.name

    def stored(self) -> str:
        """As text for the store."""
        return msgspec.json.encode(_Stored(self.expression.text, self.unit, self.better)).decode()


@lru_cache(maxsize=4096)
def of_stored(name: str, text: str) -> CustomMetric:
    """The inverse of `CustomMetric.stored`.

    Raises:
        ValueError: the text is none of its results.
    """
    read = msgspec.json.decode(text, type=_Stored)
    return CustomMetric(name, compile_expression(read.expression), read.unit, read.better)
