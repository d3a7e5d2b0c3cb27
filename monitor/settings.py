"""What a room's section of the configuration is made of: a strict pydantic model, durations, sizes, secrets."""

import re
from enum import Enum
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, SecretStr

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_SIZES = {"": 1, "kB": 1000, "MB": 1000**2, "GB": 1000**3, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(kB|MB|GB|KiB|MiB|GiB)?")


def parse_duration(value: Any) -> float:
    """Seconds from `90s`, `5m`, `1h30m`, `7d`; a bare number is refused, because its unit is a guess."""
    if isinstance(value, str):
        parts = _DURATION.findall(value)
        if parts and "".join(number + unit for number, unit in parts) == value:
            return sum(float(number) * _UNITS[unit] for number, unit in parts)
    msg = f"{value!r} is not a duration (use 30s, 5m, 24h, 7d)"
    raise ValueError(msg)


def parse_size(value: Any) -> int:
    """Bytes from `500 kB`, `32MiB` or a whole number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        msg = f"{value!r} is not a size (use 500kB, 32MiB, 10GB)"
        raise ValueError(msg)
    return int(float(match[1]) * _SIZES[match[2] or ""])


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


class Written(Enum):
    """How a number is written in a configuration file: lets `full.yaml` be made from the defaults."""

    DURATION = "duration"
    SIZE = "size"


Duration = Annotated[
    float,
    BeforeValidator(lambda value: value if isinstance(value, float) else parse_duration(value)),
    Written.DURATION,
]
"""Seconds; written as `30s`, `5m`, `24h`, `7d`."""

Size = Annotated[int, BeforeValidator(parse_size), Written.SIZE]
"""Bytes; written as `500kB`, `32MiB`."""

Secret = SecretStr
"""A text that never prints itself."""


class Section(BaseModel):
    """One room's part of the configuration: unknown keys are mistakes, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def format_size(size: int) -> str:
    """`32000000` as `32MB`: the shortest text that `parse_size` reads back."""
    for unit in ("GB", "MB", "kB"):
        if size and size % _SIZES[unit] == 0:
            return f"{size // _SIZES[unit]}{unit}"
    return str(size)
