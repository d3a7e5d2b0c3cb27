"""The weeks and months that service reports are about, and when a report is due."""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from monitor.config.units import DAY
from monitor.digest.schedule import moment
from monitor.errors import InputError
from monitor.health import wording
from monitor.health.daily_summary import bounds
from monitor.health.settings import ClientSettings

PeriodKind = Literal["weekly", "monthly"]
LATE = 7 * DAY
"""Seconds after which a late report is not sent any more; it can still be opened on the page."""
TREND = 12
"""Periods of a trend."""
_MONTH, _WEEK = re.compile(r"(\d{4})-(\d{2})"), re.compile(r"(\d{4})-W(\d{2})")


@dataclass(frozen=True, slots=True)
class Period:
    """A calendar month, or an ISO week from Monday on, of local dates."""

    kind: PeriodKind
    first: date

    @property
    def last(self) -> date:
        """The last day."""
        return self.following().first - timedelta(days=1)

    @property
    def key(self) -> str:
        """`2026-10` or `2026-W43`."""
        year, week, _ = self.first.isocalendar()
        return f"{self.first:%Y-%m}" if self.kind == "monthly" else f"{year:04d}-W{week:02d}"

    @property
    def title(self) -> str:
        """`October 2026` or `week 43 of 2026`."""
        year, week, _ = self.first.isocalendar()
        return f"{self.first:%B %Y}" if self.kind == "monthly" else f"week {week} of {year}"

    @property
    def short(self) -> str:
        """`Oct` or `W43`, as the head of a column."""
        return f"{self.first:%b}" if self.kind == "monthly" else f"W{self.first.isocalendar().week}"

    @property
    def dates(self) -> str:
        """`Thu 1 Oct to Sat 31 Oct 2026`."""
        return f"{wording.date_words(self.first)} to {wording.date_words(self.last)} {self.last.year}"

    def following(self) -> "Period":
        """The next one."""
        if self.kind == "weekly":
            return Period("weekly", self.first + timedelta(days=7))
        return Period("monthly", (self.first + timedelta(days=31)).replace(day=1))

    def previous(self) -> "Period":
        """The one before."""
        back = self.first - timedelta(days=7 if self.kind == "weekly" else 1)
        return Period(self.kind, back if self.kind == "weekly" else back.replace(day=1))

    def trend(self) -> list["Period"]:
        """The last `TREND` periods up to this one, oldest first."""
        periods = [self]
        while len(periods) < TREND:
            periods.append(periods[-1].previous())
        return periods[::-1]

    def span(self, settings: ClientSettings) -> tuple[float, float]:
        """Its start and end in seconds since the epoch, at the client's midnight."""
        return bounds(self.first, settings.zone)[0], bounds(self.last, settings.zone)[1]


def containing(kind: PeriodKind, day: date) -> Period:
    """The period that a day belongs to."""
    first = day.replace(day=1) if kind == "monthly" else day - timedelta(days=day.weekday())
    return Period(kind, first)


def parse(text: str) -> Period:
    """A period by its key.

    Raises:
        InputError: it is neither a month nor an ISO week.
    """
    wrong = InputError(
        f"'{text[:40]}' is not a period", hint="use 2026-10 for a month, or 2026-W43 for a week"
    )
    month, week = _MONTH.fullmatch(text), _WEEK.fullmatch(text)
    try:
        if month is not None:
            period = Period("monthly", date(int(month[1]), int(month[2]), 1))
        elif week is not None:
            period = Period("weekly", date.fromisocalendar(int(week[1]), int(week[2]), 1))
        else:
            raise wrong
    except ValueError as error:
        raise wrong from error
    if not 2000 <= period.first.year < 2200:
        raise wrong
    return period


def due(settings: ClientSettings, now: float) -> list[tuple[Period, float]]:
    """The reports that are due, with the time since when; those already sent are included (the store has them)."""
    kind = settings.digest.service_reports
    if kind is None or not settings.digest.to:
        return []
    today = datetime.fromtimestamp(now, settings.zone).date()
    current = containing(kind, today)
    at = moment(current.first, settings)
    return [(current.previous(), at)] if at <= now < at + LATE else []
