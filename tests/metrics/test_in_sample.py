"""A baseline of rows that the model was trained on is recognized; a model that fell later is not one."""

import numpy as np
import pytest

from monitor.metrics.quality.in_sample import first_accuracy


def test_a_baseline_far_above_the_first_day_looks_in_sample() -> None:
    found = first_accuracy(0.986, np.array([0.87, np.nan, 0.885]), np.array([500.0, 0.0, 500.0]))
    assert found == pytest.approx(0.8775)


@pytest.mark.parametrize(
    ("values", "n"), [([0.97, 0.96], 500.0), ([0.8], 200.0), ([np.nan], 0.0), ([0.94], 400.0)]
)
def test_others_do_not(values: list[float], n: float) -> None:
    assert first_accuracy(0.986, np.array(values), np.full(len(values), n)) is None
