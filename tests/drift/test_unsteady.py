"""Hours that differ from day to day more than others: which they are, and how little their rows say."""

import itertools

import numpy as np
import pytest

from monitor import drift
from monitor.drift.model import volatile_hours
from tests.bench import hard_streams
from tests.bench.hard_streams import Hard
from tests.bench.streams import REFERENCE, Spec, columns, windows

DAYS, HOURS, ROWS = 28, 24, 400.0


def nights(seed: int, repeats: int) -> tuple[np.ndarray, np.ndarray]:
    """Deviations of two charts (windows, 2), of which the first repeats a value for so many hours of each night."""
    rng = np.random.default_rng(seed)
    drawn = rng.standard_normal((DAYS, HOURS, 2)) / np.sqrt(ROWS)
    drawn[:, :repeats, 0] += rng.standard_normal((DAYS, 1))
    return drawn.reshape(-1, 2), np.tile(np.arange(HOURS), DAYS)


def test_the_hours_of_a_night_that_repeats_a_value_are_unsteady_and_no_others() -> None:
    deviations, cells = nights(1, 6)
    rows = np.full_like(deviations, ROWS)
    chosen = volatile_hours.hours(deviations, rows, cells, np.array([0, 1]), HOURS)
    assert np.flatnonzero(chosen[:, 0]).tolist() == [0, 1, 2, 3, 4, 5]
    assert not chosen[:, 1].any()


def test_six_hours_that_repeat_one_value_tell_as_much_as_one() -> None:
    deviations, cells = nights(2, 6)
    rows = np.full_like(deviations, ROWS)
    chosen = volatile_hours.hours(deviations, rows, cells, np.array([0, 1]), HOURS)
    more = volatile_hours.variance(deviations, rows, cells, chosen, np.array([0, 1]))
    night = 1 / volatile_hours.weighed(rows, more[cells])[:HOURS, 0]
    # The mean of six hours, each with this variance, varies as one night's value does.
    assert np.sqrt(night[:6].mean() / 6) == pytest.approx(
        np.abs(deviations[cells == 0, 0]).std() / 0.603, rel=0.3
    )
    assert (volatile_hours.weighed(rows, more[cells])[6:HOURS] == ROWS).all()


def test_a_value_that_never_came_at_an_hour_varies_as_the_others_do() -> None:
    """A night has one of five labels: in 28 nights, one may never have come, and comes later."""
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 4, DAYS)  # the fifth never comes
    effects = np.where(labels[:, None] == np.arange(5), 1.8, -0.7)
    deviations = np.repeat(effects, HOURS, axis=0)
    cells = np.tile(np.arange(HOURS), DAYS)
    deviations[cells >= 6] = rng.standard_normal(((cells >= 6).sum(), 5)) / np.sqrt(ROWS)
    rows, column = np.full_like(deviations, ROWS), np.zeros(5, dtype=np.int64)
    chosen = volatile_hours.hours(deviations, rows, cells, column, HOURS)
    assert np.flatnonzero(chosen[:, 4]).tolist() == [0, 1, 2, 3, 4, 5]
    more = volatile_hours.variance(deviations, rows, cells, chosen, column)
    assert more[:6, 4].min() > 1


def test_one_event_makes_no_hour_unsteady() -> None:
    deviations, cells = nights(3, 0)
    deviations[24:72] += 5.0
    rows = np.full_like(deviations, ROWS)
    assert not volatile_hours.hours(deviations, rows, cells, np.array([0, 1]), HOURS).any()


def test_a_column_that_moves_at_every_hour_is_as_usual_at_all_of_them() -> None:
    deviations, cells = nights(4, 20)
    rows = np.full_like(deviations, ROWS)
    assert not volatile_hours.hours(deviations, rows, cells, np.array([0, 1]), HOURS).any()


@pytest.mark.parametrize(
    "spec", [Spec("all", 100, 10, 2104, 1), Hard("wander", 1000, 2104, few=True)], ids=str
)
def test_streams_whose_hours_are_alike_have_no_unsteady_ones(spec: Spec | Hard) -> None:
    stream = windows(spec) if isinstance(spec, Spec) else hard_streams.windows(spec)
    watched = columns(spec) if isinstance(spec, Spec) else hard_streams.columns(spec)
    fitted = drift.fit(watched, list(itertools.islice(stream, REFERENCE)))
    assert not fitted.charts.season.unsteady.any()
