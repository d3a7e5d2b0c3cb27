"""One expectation: what each row should be like, how many may be otherwise, and how severe it is."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from typing import Any

from monitor.config.units import format_duration


class Check(StrEnum):
    """What is expected of a column, or of the rows."""

    PRESENT = "present"
    """The value is there."""
    TYPE = "type"
    """A value that is there is a `number`, an `integer`, a `boolean` or a `text`."""
    RANGE = "range"
    """A number lies between `least` and `most`, inclusive; either may be left out."""
    ALLOWED = "allowed"
    """The value is one of `values`."""
    PATTERN = "pattern"
    """The whole text matches `regex` (RE2)."""
    NO_PATTERN = "no_pattern"
    """The whole text does not match `regex` (RE2)."""
    LENGTH = "length"
    """The text has `least` to `most` characters."""
    UNIQUE = "unique"
    """No other row of the window has the same value, nor the same of all columns that are `together_with` it."""
    INCREASING = "increasing"
    """The value is at least that of the row before it, in the order in which rows arrived."""
    FRESH = "fresh"
    """A time is at most `within` seconds older than the row."""
    CONDITION = "condition"
    """An expression of the row holds, such as `features.start <= features.end`."""
    ROWS = "rows"
    """An hour has `least` to `most` rows."""


OF_WINDOWS = frozenset((Check.ROWS,))
"""Checks of a window, not of its rows."""


class Tier(StrEnum):
    """The severity of an expectation, which is that of its alert."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Expectation:
    """`column` is named as in a batch (`features.amount`); empty for conditions and rows. `tolerated` is the share of
    rows that may violate it (0 to 1).
    """

    check: Check
    column: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    tolerated: float = 0.0
    tier: Tier = Tier.WARNING

    @property
    def id(self) -> str:
        """Identifies what is counted: another range has other counts, another severity has not."""
        content = json.dumps([self.check.value, self.column, dict(self.arguments)], sort_keys=True)
        return blake2b(content.encode(), digest_size=6).hexdigest()

    @property
    def columns(self) -> list[str]:
        """The columns that it reads; of a condition, none."""
        return [name for name in (self.column, *self.arguments.get("together_with", ())) if name]

    @property
    def about(self) -> str:
        """The column as people name it: `amount` for `features.amount`, `rows` for the rows themselves."""
        return self.column.removeprefix("features.") or "rows"

    @property
    def words(self) -> str:
        """`range 0 to 10`, `allowed a, b`: what is expected, short enough for a label."""
        given = self.arguments
        match self.check:
            case Check.RANGE | Check.LENGTH | Check.ROWS:
                least, most = (_written(given.get(name)) for name in ("least", "most"))
                bounds = (
                    f"{least} to {most}" if least and most else f"from {least}" if least else f"up to {most}"
                )
                return f"{self.check} {bounds}"
            case Check.ALLOWED:
                text = ", ".join(_written(value) for value in given["values"]) or "no value"
            case Check.UNIQUE if "together_with" in given:
                others = (name.removeprefix("features.") for name in given["together_with"])
                text = f"together with {', '.join(others)}"
            case Check.TYPE:
                text = given["type"]
            case Check.FRESH:
                text = f"within {format_duration(given['within'])}"
            case Check.PATTERN | Check.NO_PATTERN:
                text = given["regex"]
            case Check.CONDITION:
                text = given["expression"]
            case _:
                return self.check.value
        text = f"{self.check} {text}"
        return text if len(text) <= MOST_WORDS else f"{text[: MOST_WORDS - 1]}…"


MOST_WORDS = 80
"""Characters of a label."""


def _written(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.10g}" if isinstance(value, int | float) else str(value)


def as_json(some: list[Expectation]) -> str:
    """As text for the store."""
    rows = [[e.check.value, e.column, dict(e.arguments), e.tolerated, e.tier.value] for e in some]
    return json.dumps(rows, sort_keys=True)


def of_json(text: str) -> list[Expectation]:
    """The inverse of `as_json`.

    Raises:
        ValueError: the text is none of its results.
    """
    try:
        return [
            Expectation(Check(check), str(column), dict(arguments), float(tolerated), Tier(tier))
            for check, column, arguments, tolerated, tier in json.loads(text)
        ]
    except TypeError as error:
        raise ValueError(f"no list of expectations: {error}") from error
