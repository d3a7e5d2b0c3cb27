"""The displayed time range: a preset, or any range in the URL, as in links from Grafana."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from monitor.clock import iso
from monitor.config.units import DAY, HOUR, parse_duration
from monitor.errors import InputError
from monitor.records import Stream
from monitor.store import measurements
from monitor.times.reading import read
from monitor.web.pages.charts.series import ENGINEERS_SPANS, SPANS, STEPS, Sampler

FINE = 6 * HOUR
"""Up to this length, base windows are shown; above it, hours."""
MAX_SECONDS = 400.0 * DAY
_MILLISECONDS = 1e11
_RELATIVE = re.compile(r"now(?:-(\w+))?")


@dataclass(frozen=True, slots=True)
class TimeRange:
    """`[start, end)` in seconds since the epoch, and the length of the displayed windows (0: base windows).

    `key` is the name of a preset, and empty for other ranges.
    """

    start: float
    end: float
    window: int = HOUR
    key: str = ""

    @property
    def seconds(self) -> float:
        """The length."""
        return self.end - self.start

    @property
    def query(self) -> str:
        """The URL parameters of this range."""
        return f"span={self.key}" if self.key else f"from={round(self.start)}&to={round(self.end)}"

    def moved(self, share: float) -> "TimeRange":
        """The range moved by a share of its length; negative is earlier."""
        return _free(self.start + share * self.seconds, self.end + share * self.seconds)

    def scaled(self, factor: float) -> "TimeRange":
        """The range around the same middle, longer or shorter."""
        middle, half = (self.start + self.end) / 2, self.seconds * factor / 2
        return _free(middle - half, middle + half)

    def aligned(self, base: int) -> "TimeRange":
        """The range extended to whole windows."""
        width = self.window or base
        start, end = math.floor(self.start / width) * width, math.ceil(self.end / width) * width
        return TimeRange(start, max(end, start + width), self.window, self.key)


_LATEST = 253_000_000_000.0
"""Seconds since the epoch, in the year 9987."""


def usual(key: str, now: float) -> TimeRange:
    """A preset, ending now; the last day if the name is unknown."""
    span = next((span for span in ENGINEERS_SPANS if span.key == key), SPANS[1])
    return TimeRange(now - span.seconds, now, span.window, span.key)


def time_range_of(parameters: Mapping[str, Any], now: float, zone: ZoneInfo) -> TimeRange:
    """The requested range: `from` and `to` if given, else the preset named by `span`.

    Raises:
        InputError: a time is invalid, or the range ends before it starts.
    """
    since, until = str(parameters.get("from", "")), str(parameters.get("to", ""))
    if not since and not until:
        return usual(str(parameters.get("span", "")), now)
    end = moment(until, now, zone) if until else now
    start = moment(since, now, zone) if since else end - 24 * HOUR
    if start < 0 or end > _LATEST:  # calendars of other zones end a day away
        raise InputError("a time is outside of 1970 to 9990", hint="from=now-7d&to=now")
    if not 0 < end - start <= MAX_SECONDS:
        raise InputError("`from` must be before `to`, by at most 400 days", hint="from=now-7d&to=now")
    return _free(start, end)


def moment(text: str, now: float, zone: ZoneInfo) -> float:
    """Parse a time of a URL: seconds or milliseconds since the epoch, a time as in a record, `now` or `now-6h`.

    Times without a zone are in the reader's zone.

    Raises:
        InputError: it is none of these.
    """
    relative = _RELATIVE.fullmatch(text)
    try:
        if relative:
            return now - (parse_duration(relative[1]) if relative[1] else 0.0)
        if re.fullmatch(r"[0-9]{1,13}(\.[0-9]+)?", text):
            number = float(text)
            return number / 1000 if number >= _MILLISECONDS else number
        if text.isdecimal():
            raise ValueError(text)
        parsed = read(text)
        local_time = datetime(1970, 1, 1) + timedelta(microseconds=parsed.micros)  # noqa: DTZ001 - local time
        return parsed.micros / 1e6 if parsed.zoned else local_time.replace(tzinfo=zone).timestamp()
    except (ValueError, OverflowError) as error:
        hint = "use seconds since the epoch, 2026-11-23T08:00:00Z, now or now-6h"
        raise InputError(f"{text[:40]!r} is not a time", hint=hint) from error


def sampler(
    connection: Connection, stream: Stream, shown: TimeRange, base: int, most: int = STEPS
) -> Sampler:
    """Series over the whole windows of a range; hours if base windows were not measured separately."""
    base_range = shown.aligned(base)
    if not shown.window and not measurements.has_any(
        connection, stream, base, base_range.start, base_range.end
    ):
        shown = TimeRange(shown.start, shown.end, HOUR, shown.key)
    aligned = shown.aligned(base)
    return Sampler(connection, stream, aligned.window or base, aligned.start, aligned.end, most)


def local(at: float, zone: ZoneInfo) -> str:
    """A time as the value of a form field."""
    return datetime.fromtimestamp(at, zone).strftime("%Y-%m-%dT%H:%M")


def named(shown: TimeRange) -> str:
    """A range in words, in UTC."""
    return f"{iso(shown.start)} to {iso(shown.end)}"


def _free(start: float, end: float) -> TimeRange:
    return TimeRange(start, end, 0 if end - start <= FINE else HOUR)
