"""How large the truths are, against numpy; and how many times larger they have become."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config.units import HOUR, WEEK
from monitor.metrics.truth_level import TruthLevel, growth, root_mean_square

STEPS = st.lists(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5).map(np.array), min_size=1, max_size=20
)


@given(STEPS)
def test_law_the_level_is_the_root_mean_square_of_all_truths_of_a_week(steps: list[np.ndarray]) -> None:
    level = TruthLevel()
    for number, truths in enumerate(steps):
        level.add(float((truths**2).sum()), truths.size)
        level.close(number * HOUR / 2)
    every = np.concatenate(steps)
    assert level.usual == pytest.approx(math.sqrt((every**2).mean()))


def test_truths_of_more_than_a_week_ago_are_forgotten() -> None:
    level = TruthLevel()
    level.add(100.0, 1)
    level.close(0)
    for hour in range(1, WEEK // HOUR + 1):
        level.add(1.0, 1)
        level.close(hour * HOUR)
    assert level.usual == 1.0


@pytest.mark.parametrize(
    ("now", "usual", "times"),
    [
        (2.0, 1.0, 2.0),
        (1.0, 2.0, 1.0),
        (0.0, 0.0, 1.0),
        (1.0, 0.0, math.inf),
        (None, 1.0, 1.0),
        (1.0, None, 1.0),
    ],
)
def test_truths_grow_or_count_as_usual(now: float | None, usual: float | None, times: float) -> None:
    assert growth(now, usual) == times


@pytest.mark.parametrize("squares", [(0.0, 0), (math.inf, 3), (math.nan, 3)])
def test_no_truths_and_squares_beyond_float64_have_no_level(squares: tuple[float, float]) -> None:
    assert root_mean_square(squares) is None
