"""How many predictions a second a model has had in its busiest hour."""

import datetime
from dataclasses import dataclass

from sqlalchemy import Connection

from monitor.config.units import DAY, HOUR
from monitor.records import Stream
from monitor.store import profiles

_DAYS = 28


@dataclass(frozen=True, slots=True)
class BusiestHour:
    """The busiest hour of the last four weeks: `rate` predictions a second; `at` is its start in epoch seconds."""

    rate: float
    at: float

    @property
    def text(self) -> str:
        """`Thursday, 14:00 UTC`."""
        return f"{datetime.datetime.fromtimestamp(self.at, datetime.UTC):%A, %Y-%m-%d %H:00} UTC"


def peak(connection: Connection, stream: Stream, base: int, now: float) -> BusiestHour | None:
    """The busiest full hour before `now`; None without windows. `base` is the length of a base window."""
    end = int(now // HOUR * HOUR)
    best: BusiestHour | None = None
    length = max(base, HOUR)
    for start in range(end - _DAYS * DAY, end, length):
        rows = profiles.rows_within(connection, stream, base, start, start + length)
        if rows and (best is None or rows / length > best.rate):
            best = BusiestHour(rows / length, start)
    return best
