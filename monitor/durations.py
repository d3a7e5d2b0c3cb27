"""Lengths of time as people write them."""

import re
from typing import Any

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")


def parse_duration(value: Any) -> float:
    """Seconds from `90s`, `5m`, `1h30m`, `7d`; a bare number is refused, because its unit is a guess."""
    if isinstance(value, str):
        parts = _DURATION.findall(value)
        if parts and "".join(number + unit for number, unit in parts) == value:
            return sum(float(number) * _UNITS[unit] for number, unit in parts)
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
