"""Which stretch of time is shown: one of the usual ones, or any that an address names, as Grafana's links do."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from monitor.clock import iso
from monitor.durations import parse_duration
from monitor.errors import InputError
from monitor.records import Stream
from monitor.store import measurements
from monitor.web.figures import HOUR, SPANS, Sampler

FINE = 6 * HOUR
"""Up to this length base windows are shown, above it hours."""
LONGEST = 400 * 86400.0
_MILLISECONDS = 1e11
_RELATIVE = re.compile(r"now(?:-(\w+))?")


@dataclass(frozen=True, slots=True)
class Stretch:
    """`[start, end)` in seconds since the epoch, and the length of the windows to show (0: base windows).

    `key` names the usual stretch that it is, and is empty for any other.
    """

    start: float
    end: float
    window: int = HOUR
    key: str = ""

    @property
    def seconds(self) -> float:
        """Length."""
        return self.end - self.start

    @property
    def query(self) -> str:
        """What an address says to show this stretch."""
        return f"span={self.key}" if self.key else f"from={round(self.start)}&to={round(self.end)}"

    def moved(self, share: float) -> "Stretch":
        """The stretch earlier (below 0) or later by a share of its length."""
        return _free(self.start + share * self.seconds, self.end + share * self.seconds)

    def scaled(self, factor: float) -> "Stretch":
        """The stretch around the same middle, longer or shorter."""
        middle, half = (self.start + self.end) / 2, self.seconds * factor / 2
        return _free(middle - half, middle + half)

    def aligned(self, base: int) -> "Stretch":
        """The stretch widened to whole windows."""
        width = self.window or base
        start, end = math.floor(self.start / width) * width, math.ceil(self.end / width) * width
        return Stretch(start, max(end, start + width), self.window, self.key)


def usual(key: str, now: float) -> Stretch:
    """One of the usual stretches, up to now; the last day where there is none of this name."""
    span = next((span for span in SPANS if span.key == key), SPANS[1])
    return Stretch(now - span.seconds, now, span.window, span.key)


def chosen(asked: Mapping[str, Any], now: float, zone: ZoneInfo) -> Stretch:
    """What an address asks for: `from` and `to` where they are given, else the usual stretch named by `span`.

    Raises:
        InputError: a time that cannot be read, or a stretch that ends before it begins.
    """
    since, until = str(asked.get("from", "")), str(asked.get("to", ""))
    if not since and not until:
        return usual(str(asked.get("span", "")), now)
    end = moment(until, now, zone) if until else now
    start = moment(since, now, zone) if since else end - 24 * HOUR
    if not 0 < end - start <= LONGEST:
        raise InputError("`from` has to be before `to`, by 400 days at most", hint="from=now-7d&to=now")
    return _free(start, end)


def moment(text: str, now: float, zone: ZoneInfo) -> float:
    """A time from an address: seconds or milliseconds since the epoch, ISO 8601, `now` or `now-6h`.

    A time without a zone is the reader's.

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
        read = datetime.fromisoformat(text)
        found = read if read.tzinfo else read.replace(tzinfo=zone)
        return found.timestamp()
    except (ValueError, OverflowError) as error:
        hint = "use seconds since the epoch, 2026-11-23T08:00:00Z, now or now-6h"
        raise InputError(f"{text[:40]!r} is not a time", hint=hint) from error


def sampler(connection: Connection, stream: Stream, shown: Stretch, base: int) -> Sampler:
    """Series over the whole windows of a stretch; hours where base windows were never measured one by one."""
    fine = shown.aligned(base)
    if not shown.window and not measurements.has_any(connection, stream, base, fine.start, fine.end):
        shown = Stretch(shown.start, shown.end, HOUR, shown.key)
    whole = shown.aligned(base)
    return Sampler(connection, stream, whole.window or base, whole.start, whole.end)


def local(at: float, zone: ZoneInfo) -> str:
    """A time as a form's field wants it."""
    return datetime.fromtimestamp(at, zone).strftime("%Y-%m-%dT%H:%M")


def named(shown: Stretch) -> str:
    """A stretch in words, in UTC."""
    return f"{iso(shown.start)} to {iso(shown.end)}"


def _free(start: float, end: float) -> Stretch:
    return Stretch(start, end, 0 if end - start <= FINE else HOUR)
