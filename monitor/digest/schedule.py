"""When a digest is due: once for each local date, also after a restart, a missed night and both clock changes."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from monitor.health.settings import WEEKDAYS, ClientSettings

LATE = 12 * 3600.0
"""A digest that is this late is not sent any more: the next one will say it all."""


@dataclass(frozen=True, slots=True)
class Due:
    """A digest that is to be composed on the reader's date `day`: about the day, or the seven days, before it."""

    kind: Literal["daily", "weekly"]
    day: date
    at: float

    @property
    def days(self) -> int:
        """How many days it is about."""
        return 7 if self.kind == "weekly" else 1

    def span(self, back: int = 0) -> tuple[date, date]:
        """First and last day that it is about; `back` days earlier to compare."""
        last = self.day - timedelta(days=1 + back)
        return last - timedelta(days=self.days - 1), last


def due(settings: ClientSettings, now: float) -> list[Due]:
    """The digests whose time has come. Whether one is out already is for the store to say."""
    digest = settings.digest
    if not digest.to and not digest.slack:
        return []
    today = datetime.fromtimestamp(now, settings.zone).date()
    found = []
    for day in (today - timedelta(days=1), today):
        at = moment(day, settings)
        if at <= now < at + LATE:
            weekday = WEEKDAYS[day.weekday()]
            if weekday in digest.days:
                found.append(Due("daily", day, at))
            if weekday == digest.weekly:
                found.append(Due("weekly", day, at))
    return found


def moment(day: date, settings: ClientSettings) -> float:
    """When the digest of a local date goes out. A time that the clock change skips is taken right after it."""
    return _at(datetime.combine(day, settings.digest.clock_time), settings.zone)


def _at(local: datetime, zone: ZoneInfo) -> float:
    # fold=0 names the first of two equal times in autumn; in spring the skipped time is read with the old offset,
    # which is the same distance after the gap as the time was into it.
    return local.replace(tzinfo=zone, fold=0).timestamp()
