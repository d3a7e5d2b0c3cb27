"""Names of time zones in the configuration."""

from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator


def _checked(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        msg = f"{name!r} is not a time zone (use a name such as Europe/Berlin)"
        raise ValueError(msg) from error
    return name


TimeZone = Annotated[str, AfterValidator(_checked)]
"""A time zone by its IANA name."""
