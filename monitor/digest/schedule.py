"""When a digest is due: once per local date, also after restarts, downtime and daylight-saving changes."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from monitor.config.units import HOUR
from monitor.health.settings import WEEKDAYS, ClientSettings

LATE = 12.0 * HOUR
"""Seconds after which a late digest is skipped; the next one covers its content."""


@dataclass(frozen=True, slots=True)
class Due:
    """A digest due on the local date `day`, about the day (daily) or the seven days (weekly) before it."""

    kind: Literal["daily", "weekly"]
    day: date
    at: float

    @property
    def days(self) -> int:
        """Number of days that it covers."""
        return 7 if self.kind == "weekly" else 1

    def span(self, back: int = 0) -> tuple[date, date]:
        """First and last day that it covers, shifted `back` days into the past for comparison."""
        last = self.day - timedelta(days=1 + back)
        return last - timedelta(days=self.days - 1), last


def due(settings: ClientSettings, now: float) -> list[Due]:
    """The digests that are due, including those already sent (the store has them)."""
    digest = settings.digest
    if not digest.to and not digest.slack:
        return []
    today = datetime.fromtimestamp(now, settings.zone).date()
    digests = []
    for day in (today - timedelta(days=1), today):
        at = moment(day, settings)
        if at <= now < at + LATE:
            weekday = WEEKDAYS[day.weekday()]
            if weekday in digest.days:
                digests.append(Due("daily", day, at))
            if weekday == digest.weekly:
                digests.append(Due("weekly", day, at))
    return digests


def moment(day: date, settings: ClientSettings) -> float:
    """When the digest of a local date is sent. A time that daylight saving skips is moved behind the gap."""
    return _at(datetime.combine(day, settings.digest.clock_time), settings.zone)


def _at(local: datetime, zone: ZoneInfo) -> float:
    # fold=0 names the first of two equal times in autumn; in spring the skipped time is read with the old offset,
    # which is the same distance after the gap as the time was into it.
    return local.replace(tzinfo=zone, fold=0).timestamp()
