"""What a room's section of the configuration is made of: a strict pydantic model, durations, sizes, secrets."""

import re
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, SecretStr

from monitor.config.units import LONGEST_DURATION, parse_duration

LARGEST_SIZE = 2**63

_SIZES = {"": 1, "kB": 1000, "MB": 1000**2, "GB": 1000**3, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(kB|MB|GB|KiB|MiB|GiB)?")


def parse_size(value: Any) -> int:
    """Bytes from `500 kB`, `32MiB` or a whole number."""
    size: float = -1
    if isinstance(value, int) and not isinstance(value, bool):
        size = value
    elif isinstance(value, str) and (match := _SIZE.fullmatch(value)) is not None:
        size = float(match[1]) * _SIZES[match[2] or ""]
    if not 0 <= size < LARGEST_SIZE:
        msg = f"{str(value)[:40]!r} is not a size (use 500kB, 32MiB, 10GB)"
        raise ValueError(msg)
    return int(size)


def read_duration(value: Any) -> float:
    """Seconds from a text, or from a number with a decimal point."""
    if not isinstance(value, float):
        return parse_duration(value)
    if not 0 <= value <= LONGEST_DURATION:
        msg = f"{value!r} is not a duration (use 30s, 5m, 24h, 7d)"
        raise ValueError(msg)
    return value


def no_flag(value: Any) -> Any:
    """The value, unless it is true or false, which pydantic would take for 1 and 0. A text may be a number: variables
    are texts.
    """
    if isinstance(value, bool):
        msg = f"{str(value).lower()} is not a number"
        raise ValueError(msg)
    return value


WholeNumber = Annotated[int, BeforeValidator(no_flag)]
RealNumber = Annotated[float, BeforeValidator(no_flag)]


class Written(Enum):
    """How a value is written in a configuration file. `full.yaml` is made from the defaults with it, and relative
    paths are resolved.
    """

    DURATION = "duration"
    SIZE = "size"
    TIME_OF_DAY = "time of day"
    PATH = "path"
    DATABASE = "database"


Duration = Annotated[
    float,
    BeforeValidator(read_duration),
    Written.DURATION,
]
"""Seconds; written as `30s`, `5m`, `24h`, `7d`."""

Size = Annotated[int, BeforeValidator(parse_size), Written.SIZE]
"""Bytes; written as `500kB`, `32MiB`."""

_TIME_OF_DAY = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)|24:00")


def parse_time_of_day(value: Any) -> int:
    """Minutes since midnight from `09:00`; `24:00` is the end of the day.

    Bare numbers are refused: nobody can tell whether 9 is an hour or a minute.
    """
    if not isinstance(value, str) or _TIME_OF_DAY.fullmatch(value) is None:
        msg = f'{value!r} is not a time of day (use "09:00")'
        raise ValueError(msg)
    hours, minutes = value.split(":")
    return int(hours) * 60 + int(minutes)


def format_time_of_day(minutes: int) -> str:
    """`540` as `09:00`: what `parse_time_of_day` reads back."""
    return f"{minutes // 60:02}:{minutes % 60:02}"


TimeOfDay = Annotated[int, BeforeValidator(parse_time_of_day), Written.TIME_OF_DAY]
"""Minutes since local midnight; written as `09:00`."""

FilePath = Annotated[Path, Written.PATH]
FileName = Annotated[str, Written.PATH]
"""A file or folder. A relative one is relative to the folder of the configuration file."""

Secret = SecretStr
"""A text that never prints itself."""


class Section(BaseModel):
    """One room's part of the configuration: unknown keys are mistakes, values do not change.

    What checks it is made with the section that it stands in, or when it is first used: made for each section, it takes
    a daemon 1.5 MB more.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


def format_size(size: int) -> str:
    """`32000000` as `32MB`: the shortest text that `parse_size` reads back."""
    for unit in ("GB", "MB", "kB"):
        if size and size % _SIZES[unit] == 0:
            return f"{size // _SIZES[unit]}{unit}"
    return str(size)
