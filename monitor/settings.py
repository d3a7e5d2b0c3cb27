"""What a room's section of the configuration is made of: a strict pydantic model, durations, sizes, secrets."""

import re
from enum import Enum
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, SecretStr

from monitor.durations import parse_duration

_SIZES = {"": 1, "kB": 1000, "MB": 1000**2, "GB": 1000**3, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(kB|MB|GB|KiB|MiB|GiB)?")


def parse_size(value: Any) -> int:
    """Bytes from `500 kB`, `32MiB` or a whole number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        msg = f"{value!r} is not a size (use 500kB, 32MiB, 10GB)"
        raise ValueError(msg)
    return int(float(match[1]) * _SIZES[match[2] or ""])


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
