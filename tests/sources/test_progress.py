"""When a source is behind: not while it reads the past, and otherwise for as long as it needs to catch up."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.clock import ManualClock
from monitor.predictions.log.writer import PredictionLog
from monitor.predictions.settings import PredictionSettings
from monitor.sources.http_push import HttpSettings
from monitor.sources.progress import Look, behind, recent
from monitor.sources.runner import LAG_EVERY, UNKNOWN_LAG_EVERY, SourceRunner
from monitor.sources.source import Lag
from monitor.store import source_positions
from monitor.store.db import Store
from monitor.store.migrate import migrate
from tests.support.thorough import examples

DAY = 86_400.0


def looks(age: float, pace: float, count: int = 7) -> list[Look]:
    """A source whose oldest message is `age` old, and that reads `pace` seconds of messages in a second."""
    found: list[Look] = []
    for number in range(count):
        at = number * LAG_EVERY
        found = recent(found, Look(at, max(0.0, age - (pace - 1) * at)))
    return found


@settings(max_examples=examples(60), deadline=None)
@given(st.floats(2_000, 1e7), st.floats(1.01, 30))
def test_it_is_behind_by_the_time_that_it_needs(age: float, pace: float) -> None:
    seen = looks(age, pace)
    seconds, _ = behind(seen, is_first=False)
    left = seen[-1].oldest
    assert seconds == pytest.approx(min(left, left / (pace - 1)), rel=1e-6)


@pytest.mark.parametrize("pace", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("is_first", [True, False])
def test_one_that_does_not_catch_up_is_behind_by_its_age(pace: float, is_first: bool) -> None:
    seen = looks(1000.0, pace)
    seconds, why = behind(seen, is_first=is_first)
    assert seconds == seen[-1].oldest
    assert "does not become younger" in why


def test_the_first_reading_of_the_past_is_not_behind_at_any_pace_that_gains() -> None:
    assert behind(looks(365 * DAY, 1.5), is_first=True) == (0.0, "it reads the past for the first time")
    assert behind(looks(365 * DAY, 0.0, 2), is_first=True)[0] == 0.0  # ten seconds say nothing
    assert behind(looks(365 * DAY, 0.0, 2), is_first=False)[0] == 365 * DAY + 10


def test_looks_are_kept_for_two_minutes_and_a_clock_that_went_back_starts_anew() -> None:
    seen = looks(1000.0, 2.0, 100)
    assert [one.at for one in seen] == [870.0 + 10 * n for n in range(13)]
    assert recent(seen, Look(5.0, 1.0)) == [Look(5.0, 1.0)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(f"sqlite:///{tmp_path}/watchkeeper.db")
    migrate(store)
    yield store
    store.close()


def runner(store: Store, clock: ManualClock) -> SourceRunner:
    section = HttpSettings(max_age=900.0)
    return SourceRunner(
        "truths", "sql", section, PredictionLog(store, PredictionSettings(), clock), store, clock
    )


def test_a_first_reading_lasts_until_it_was_current_once_also_through_restarts(store: Store) -> None:
    clock = ManualClock(1e9)

    def read(source: SourceRunner, *ages: float) -> list[float | None]:
        found = []
        for age in ages:
            clock.advance(LAG_EVERY)
            found.append(source._behind(clock.elapsed(), age))
        return found

    past = [300 * DAY - 20 * n for n in range(4)]
    assert read(runner(store, clock), *past) == [0.0] * 4
    again = runner(store, clock)  # restarted in the middle
    assert read(again, *past) == [0.0] * 4
    assert read(again, 100.0) == [pytest.approx(0, abs=100)]
    with store.read() as connection:
        assert source_positions.has_caught_up(connection, "truths")
        assert source_positions.load(connection, "truths") == {}
    late = runner(store, clock)  # an outage later: its messages were current once
    assert read(late, 5000.0, 5010.0, 5020.0)[-1] == 5020.0
    assert late._behind(clock.elapsed(), None) is None


class Assigned:
    """A source that does not know its lag before a broker has assigned it something."""

    def __init__(self, *lags: Lag) -> None:
        self._lags = iter(lags)

    def lag(self) -> Lag:
        return next(self._lags)


def test_a_lag_that_is_unknown_is_asked_for_again_soon_and_a_known_one_is_not(store: Store) -> None:
    clock = ManualClock(1e9)
    made = runner(store, clock)
    source: Any = Assigned(Lag(), Lag(), Lag(40, 3.0), Lag(20, 2.0), Lag())
    for waiting, seconds in (
        (None, UNKNOWN_LAG_EVERY),
        (None, UNKNOWN_LAG_EVERY),
        (40, LAG_EVERY),
        (20, LAG_EVERY),
    ):
        made._measure_lag(source)
        assert made.state().waiting == waiting
        assert made._lag_due == clock.elapsed() + seconds
        clock.advance(seconds)
