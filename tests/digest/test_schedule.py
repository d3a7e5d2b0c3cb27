"""Once for each local date: across clock changes, restarts and missed nights."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from monitor.digest.schedule import due, moment
from monitor.health.settings import ClientSettings, DigestSettings


def settings(zone: str = "Europe/Berlin", at: str = "08:00", **fields: object) -> ClientSettings:
    digest = DigestSettings(
        to=("a@example.com",), at=at, days=("mon", "tue", "wed", "thu", "fri", "sat", "sun"), **fields
    )
    return ClientSettings(timezone=zone, digest=digest)


def epoch(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[misc]


def sent(of: ClientSettings, start: float, end: float, step: float) -> list[tuple[str, date]]:
    """Which digests a daemon that looks every `step` seconds would send, each once."""
    found: list[tuple[str, date]] = []
    at = start
    while at < end:
        found += [(one.kind, one.day) for one in due(of, at) if (one.kind, one.day) not in found]
        at += step
    return found


@pytest.mark.parametrize(
    ("zone", "at", "start"),
    [
        ("Europe/Berlin", "02:30", (2026, 3, 26)),  # the skipped half hour
        ("Europe/Berlin", "02:30", (2026, 10, 22)),  # the hour that comes twice
        ("America/New_York", "01:30", (2026, 10, 30)),
        ("Australia/Lord_Howe", "02:00", (2026, 10, 1)),
        ("Asia/Kolkata", "08:00", (2026, 5, 1)),
        ("UTC", "23:59", (2026, 12, 29)),
        ("Pacific/Kiritimati", "00:00", (2026, 1, 1)),
    ],
)
def test_each_local_date_has_one_daily_digest(zone: str, at: str, start: tuple[int, int, int]) -> None:
    begin = epoch(*start)
    found = [day for kind, day in sent(settings(zone, at), begin, begin + 6 * 86400, 600) if kind == "daily"]
    assert len(found) == len(set(found))
    assert 6 <= len(found) <= 7
    assert all(later - earlier == timedelta(days=1) for earlier, later in pairwise(found))


def test_it_goes_out_at_the_reader_s_time() -> None:
    of = settings("Europe/Berlin", "08:00")
    assert due(of, epoch(2026, 11, 24, 6, 59)) == []
    [one] = due(of, epoch(2026, 11, 24, 7, 0))
    assert (one.kind, one.day, one.span()) == (
        "daily",
        date(2026, 11, 24),
        (date(2026, 11, 23), date(2026, 11, 23)),
    )


def test_a_skipped_time_is_taken_right_after_the_change() -> None:
    of = settings("Europe/Berlin", "02:30")
    local = datetime.fromtimestamp(moment(date(2026, 3, 29), of), ZoneInfo("Europe/Berlin"))
    assert (local.hour, local.minute) == (3, 30)


def test_after_a_missed_morning_it_still_goes_out_and_after_a_missed_day_it_does_not() -> None:
    of = settings("UTC", "08:00")
    assert [one.day for one in due(of, epoch(2026, 11, 24, 15))] == [date(2026, 11, 24)]
    assert due(of, epoch(2026, 11, 24, 21)) == []


def test_the_weekly_one_is_about_the_seven_days_before() -> None:
    of = settings("UTC", "08:00", weekly="mon")
    weekly = [one for one in due(of, epoch(2026, 11, 23, 8)) if one.kind == "weekly"]
    assert weekly[0].span() == (date(2026, 11, 16), date(2026, 11, 22))
    assert not [one for one in due(of, epoch(2026, 11, 24, 8)) if one.kind == "weekly"]


def test_nobody_to_tell_means_nothing_is_due() -> None:
    assert due(ClientSettings(), epoch(2026, 11, 23, 8)) == []
