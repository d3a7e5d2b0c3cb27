"""Office hours: when a page that is not critical may be told."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from monitor.alerts.routing import opening
from monitor.alerts.settings import DAYS, Hours

MINUTES = st.integers(0, 24 * 60 - 1)


def written(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def at(text: str, zone: str = "Europe/Berlin") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-03-03T23:00", "2026-03-03T23:00"),  # a Tuesday night
        ("2026-03-04T05:59", "2026-03-04T05:59"),
        ("2026-03-04T06:00", "2026-03-04T22:00"),
        ("2026-03-07T05:00", "2026-03-07T05:00"),  # Saturday morning belongs to Friday's night
        ("2026-03-07T06:00", "2026-03-09T22:00"),
        ("2026-03-09T03:00", "2026-03-09T22:00"),  # nobody's night began on Sunday
    ],
)
def test_hours_past_midnight_belong_to_the_day_on_which_they_start(now: str, opens: str) -> None:
    night = Hours.model_validate({"start": "22:00", "end": "06:00", "timezone": "Europe/Berlin"})
    assert opening(night, at(now)) == at(opens)


@given(
    days=st.sets(st.sampled_from(DAYS), min_size=1),
    start=MINUTES,
    end=st.integers(1, 24 * 60),
    minute=st.integers(0, 60 * 24 * 60),
)
def test_a_page_waits_for_the_next_minute_within_the_hours_and_no_longer(
    days: set[str], start: int, end: int, minute: int
) -> None:
    if start == end:
        return
    hours = Hours.model_validate({"days": sorted(days), "start": written(start), "end": written(end)})
    zone = ZoneInfo("UTC")
    now = datetime(2026, 1, 1, tzinfo=zone) + timedelta(minutes=minute)

    def is_open(moment: datetime) -> bool:
        of_day = moment.hour * 60 + moment.minute
        today, yesterday = DAYS[moment.weekday()], DAYS[(moment.weekday() - 1) % 7]
        if end > start:
            return today in days and start <= of_day < end
        return (today in days and of_day >= start) or (yesterday in days and of_day < end)

    moment = now
    while not is_open(moment):
        moment += timedelta(minutes=1)
    assert opening(hours, now.timestamp()) == moment.timestamp()


@pytest.mark.parametrize("wrong", [9, -60, 5000, 540, True, None, "9", "25:00", "09:60", "-1:00", "9 am", ""])
def test_what_is_no_time_of_day_is_refused(wrong: object) -> None:
    with pytest.raises(ValidationError, match="is not a time of day"):
        Hours.model_validate({"start": wrong})


@pytest.mark.parametrize(("start", "end"), [("09:00", "09:00"), ("24:00", "06:00")])
def test_hours_of_no_length_are_refused(start: str, end: str) -> None:
    with pytest.raises(ValidationError, match="same minute"):
        Hours.model_validate({"start": start, "end": end})
