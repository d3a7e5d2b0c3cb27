"""Lengths of time, and how people write them and numbers."""

import re
from typing import Any

MINUTE, HOUR, DAY, WEEK = 60, 3600, 86_400, 604_800
"""Seconds."""
LONGEST_DURATION = 36_525 * DAY
"""A hundred years. Times further away are no dates any more."""
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")


def parse_duration(value: Any) -> float:
    """Seconds from `90s`, `5m`, `1h30m`, `7d`; a bare number is refused, because its unit is a guess."""
    if isinstance(value, str):
        parts = _DURATION.findall(value)
        if parts and "".join(number + unit for number, unit in parts) == value:
            seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
            if seconds > LONGEST_DURATION:
                msg = f"{value[:40]!r} is longer than {LONGEST_DURATION // DAY:,} days"
                raise ValueError(msg)
            return seconds
    msg = f"{value!r} is not a duration (use 30s, 5m, 24h, 7d)"
    raise ValueError(msg)


def format_duration(seconds: float) -> str:
    """`90` as `1m30s`: the shortest text that `parse_duration` reads back."""
    if seconds <= 0:
        return "0s"
    rest, parts = seconds, []
    for unit in ("d", "h", "m", "s"):
        count, rest = divmod(rest, _UNITS[unit])
        if count:
            parts.append(f"{int(count)}{unit}")
    return "".join(parts) or f"{round(seconds * 1000)}ms"


def format_number(value: float, digits: int = 3) -> str:
    """A number with that many significant digits: `0.0417`, `12.5`, `1,250`; never `1.2e+03`, unless it is huge."""
    text = f"{value:.{digits}g}"
    return f"{value:,.0f}" if "e+" in text and abs(value) < 1e15 else text


def format_signed(value: float, digits: int = 3) -> str:
    """The same with its sign: `+1.5`, `-0.2`."""
    return ("" if value < 0 else "+") + format_number(value, digits)
