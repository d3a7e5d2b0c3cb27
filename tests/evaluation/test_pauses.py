"""Which silence is no pause: told soon for steady traffic, never for traffic that pauses like this by nature."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config.units import DAY, HOUR, MINUTE
from monitor.evaluation.pauses import PauseWatch
from monitor.metrics.system.silence import BEYOND, NEW_SHORTEST, SHORTEST, Pause, allowed, longest_usual
from monitor.predictions.intake.parse import RecordKind
from monitor.records import Stream
from monitor.store.db import Store
from monitor.store.streams import StreamFigures
from monitor.windows.counting import count_new
from monitor.windows.settings import WindowSettings
from tests.support import schema
from tests.support.log import NOW, prediction, running, send
from tests.support.log import STREAM as LOGGED
from tests.support.thorough import examples

STREAM = Stream("acme", "fraud")
BEGAN = 1_795_392_000.0  # midnight


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    made = Store("sqlite:///:memory:")
    schema.create(made)
    yield made
    made.close()


def watch(store: Store) -> PauseWatch:
    return PauseWatch(store, 60, lambda start, end: end - start)


def ratio(one: PauseWatch, last: float, now: float) -> float | None:
    figures = StreamFigures(STREAM, 1, BEGAN, last, last)
    return one.measure(figures, now - last, now).value


def told(store: Store, arrivals: Iterable[float]) -> list[float]:
    """The silences of this traffic, in seconds, that are called unusual while nothing is wrong."""
    one, last, found = watch(store), 0.0, []
    for at in arrivals:
        if last and at - last > SHORTEST and (ratio(one, last, at) or 0.0) > 1:
            found.append(at - last)
        last = at
        ratio(one, last, last)
    return found


def told_after(store: Store, arrivals: np.ndarray) -> float:
    """Seconds from the last arrival until the silence is unusual."""
    one = watch(store)
    for at in arrivals:
        ratio(one, float(at), float(at))
    last = float(arrivals[-1])
    return next(
        float(waited) for waited in range(60, 24 * HOUR, 5) if (ratio(one, last, last + waited) or 0.0) > 1
    )


def poisson(rng: np.random.Generator, per_second: float, seconds: float) -> np.ndarray:
    """Looks, two seconds apart, at which something had come in."""
    at = np.cumsum(rng.exponential(1 / per_second, int(seconds * per_second * 1.2) + 10))
    return BEGAN + np.unique(np.ceil(at[at < seconds] / 2) * 2)


@pytest.mark.parametrize("minutes", [6, 10, 30])
@pytest.mark.parametrize("per_minute", [20, 60, 240])
def test_a_steady_model_is_told_within_five_minutes_on_its_first_day(
    store: Store, minutes: int, per_minute: int
) -> None:
    arrivals = poisson(np.random.default_rng(minutes * per_minute), per_minute / 60, minutes * 60)
    assert SHORTEST < told_after(store, arrivals) <= 5 * MINUTE


def test_after_an_hour_it_is_told_within_a_good_minute(store: Store) -> None:
    assert told_after(store, poisson(np.random.default_rng(1), 4, 70 * 60)) <= 65


@pytest.mark.parametrize("seed", range(examples(2)))
@pytest.mark.parametrize("per_minute", [1, 6, 60])
def test_poisson_traffic_is_never_called_silent(store: Store, seed: int, per_minute: int) -> None:
    days = {1: 10, 6: 2, 60: 0.3}[per_minute]
    assert told(store, poisson(np.random.default_rng(seed), per_minute / 60, days * DAY)) == []


@pytest.mark.parametrize("seed", range(examples(2)))
def test_bursts_with_random_pauses_are_never_called_silent(store: Store, seed: int) -> None:
    rng, at, arrivals = np.random.default_rng(seed), BEGAN, []
    while at < BEGAN + DAY:
        end = at + rng.exponential(60)
        arrivals += list(np.arange(at, end + 2, 2))
        at = end + 2 + rng.exponential(90)
    assert told(store, arrivals) == []


@pytest.mark.parametrize("every", [300, 600, 1800, HOUR, 6 * HOUR])
def test_batches_are_never_called_silent(store: Store, every: int) -> None:
    rng = np.random.default_rng(every)
    starts = (
        BEGAN + np.arange(0, 14 * DAY, every) + rng.uniform(0, every / 10, len(np.arange(0, 14 * DAY, every)))
    )
    assert told(store, (float(one) for start in starts for one in (start, start + 2, start + 4))) == []


def test_a_nightly_job_of_a_few_minutes_is_never_called_silent(store: Store) -> None:
    nights = (BEGAN + day * DAY + 2 * HOUR + np.arange(0, 200, 2) for day in range(14))
    assert told(store, (float(one) for night in nights for one in night)) == []


def test_office_hours_are_told_on_the_first_evening_and_the_first_weekend_only(store: Store) -> None:
    days = [day for day in range(28) if day % 7 < 5]
    traffic = (BEGAN + day * DAY + 8 * HOUR + np.arange(0, 10 * HOUR, 6) for day in days)
    pauses = told(store, (float(one) for day in traffic for one in day))
    assert len(pauses) <= 2
    assert pauses[0] == pytest.approx(14 * HOUR, abs=60)


def test_an_outage_that_was_told_does_not_hide_the_next_one(store: Store) -> None:
    first = np.arange(BEGAN, BEGAN + 3 * HOUR, 2)
    second = np.arange(BEGAN + 5 * HOUR, BEGAN + 6 * HOUR, 2)
    assert told_after(store, np.concatenate([first, second])) <= 65


def test_traffic_that_is_hardly_known_is_not_judged(store: Store) -> None:
    one = watch(store)
    for at in np.arange(BEGAN, BEGAN + 200, 2):
        ratio(one, float(at), float(at))
    figures = StreamFigures(STREAM, 1, BEGAN, BEGAN + 198, BEGAN + 198)
    found = one.measure(figures, 3600.0, BEGAN + 3798)
    assert found.value is None
    assert found.reason == "traffic was watched for 3m18s with 100 arrivals; 5m and 30 are needed"


def test_a_past_that_is_being_loaded_is_no_traffic(store: Store) -> None:
    one = watch(store)
    for at in np.arange(BEGAN, BEGAN + 1200, 2):
        loaded = StreamFigures(STREAM, 1, BEGAN, float(at), float(at) - 30 * DAY)
        assert one.measure(loaded, 0.0, float(at)).value is None


def test_a_clock_that_is_set_back_begins_anew(store: Store) -> None:
    one = watch(store)
    for at in (*np.arange(BEGAN, BEGAN + 1200, 2), BEGAN - 5000, BEGAN - 4990):
        ratio(one, float(at), float(at))
    assert ratio(one, BEGAN - 4990, BEGAN - 4000) is None


def test_what_came_before_a_restart_is_read_from_the_store(tmp_path: Path) -> None:
    with running(tmp_path) as (log, stored):
        times = np.arange(NOW - 64 * 60, NOW, 3.0).tolist()
        send(log, RecordKind.PREDICTIONS, [prediction(timestamp=at) for at in times])
        count_new(stored, WindowSettings(), NOW)
        one, last = watch(stored), NOW - 1
        figures = StreamFigures(LOGGED, 1, NOW - 3840, last, last)
        assert one.measure(figures, 0.0, last).value is None
        before, after = (one.measure(figures, waited, last + waited).value for waited in (50.0, 70.0))
    assert before is not None
    assert after is not None
    assert before < 1 < after


@given(st.lists(st.tuples(st.floats(15, 1e6), st.booleans()), max_size=20), st.floats(300, 1e7))
def test_law_a_pause_that_is_usual_is_allowed_four_times(
    found: list[tuple[float, bool]], watched: float
) -> None:
    pauses = [Pause(BEGAN + 10 * n, seconds, told) for n, (seconds, told) in enumerate(found)]
    limit = allowed(pauses, watched, 100, BEGAN + 100)
    assert limit is not None
    assert limit >= max(SHORTEST if watched >= HOUR else NEW_SHORTEST, BEYOND * longest_usual(pauses))
    assert all(limit >= BEYOND * one.seconds for one in pauses if not one.is_unusual)
    unusual = [one.seconds for one in pauses if one.is_unusual]
    assert len(unusual) < 2 or longest_usual(pauses) >= min(unusual)
