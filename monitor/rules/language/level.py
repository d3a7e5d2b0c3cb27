"""Levels that values are compared with: a number (`5%`, `500ms`, `0.8`), a multiple (`2x baseline`, `0.5x last week`)
or an offset (`baseline - 3%`).
"""

import re
from dataclasses import dataclass

from monitor.config.units import DAY, parse_duration

BASELINE = "baseline"
PAST = {"yesterday": DAY, "last week": 7 * DAY}
"""References to the stream's own past, and their age in seconds."""

_REFERENCE = "|".join((BASELINE, *PAST))
_MULTIPLE = re.compile(rf"(\d+(?:\.\d+)?)\s*x\s+({_REFERENCE})")
_DISTANCE = re.compile(rf"({_REFERENCE})\s*([+-])\s*(\S+)")
_NUMBER = re.compile(r"([+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)(\s*%)?")


@dataclass(frozen=True, slots=True)
class Level:
    """`factor` times a reference, plus `offset`; without a reference it is `offset`."""

    offset: float = 0.0
    factor: float = 0.0
    reference: str = ""

    def resolve(self, reference: float | None) -> float | None:
        """The limit as a number; None if the reference is not known."""
        if not self.reference:
            return self.offset
        return None if reference is None else self.factor * reference + self.offset

    def __str__(self) -> str:
        if not self.reference:
            return f"{self.offset:g}"
        if not self.offset:
            return f"{self.factor:g}x {self.reference}"
        return f"{self.reference} {'+' if self.offset > 0 else '-'} {abs(self.offset):g}"


def parse_level(value: object) -> Level:
    """Parse a level of a rule file.

    Raises:
        ValueError: it has none of these forms.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Level(offset=float(value))
    text = str(value).strip()
    if multiple := _MULTIPLE.fullmatch(text):
        return Level(factor=float(multiple[1]), reference=multiple[2])
    if distance := _DISTANCE.fullmatch(text):
        offset = parse_number(distance[3]) * (1 if distance[2] == "+" else -1)
        return Level(factor=1.0, reference=distance[1], offset=offset)
    return Level(offset=parse_number(text))


def parse_number(value: object) -> float:
    """Parse a plain number, a percentage (`5%` is 0.05) or a duration in seconds (`500ms` is 0.5).

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    text = str(value).strip()
    if number := _NUMBER.fullmatch(text):
        return float(number[1]) / (100 if number[2] else 1)
    try:
        return parse_duration(text)
    except ValueError:
        msg = f"{value!r} is not a level (use 5%, 0.8, 500ms, 2x baseline, 0.5x last week, baseline - 3%)"
        raise ValueError(msg) from None
