"""How much less the answers vary than in the baseline, against numpy."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.metrics import MetricSettings, Subject
from monitor.metrics.drift import answers
from monitor.records import Measurement, Window, labels
from monitor.windows import baseline
from monitor.windows.baseline import Baseline
from monitor.windows.kernel.count_rows import count
from tests.support.tables import STREAM, predictions

WINDOW = Window(0, 120)
RNG = np.random.default_rng(1)
CLASSES = RNG.choice(["a", "b", "c"], 20_000, p=[0.7, 0.2, 0.1]).tolist()
NUMBERS = RNG.normal(50, 8, 20_000).tolist()


def held(values: list[object]) -> Baseline:
    return baseline.from_table(STREAM, pa.table({"prediction": values}), 0.0)


BY_CLASS, BY_NUMBER = held(CLASSES), held(NUMBERS)


def measured(base: Baseline, values: pa.Array) -> list[Measurement]:
    rows = pa.RecordBatch.from_pydict(
        {"timestamp": pa.array(range(len(values)), pa.int64()), "prediction": values}
    )
    profile = count(rows, base.layout)
    return list(answers.measure(Subject(STREAM, WINDOW, profile, base, MetricSettings())))


def classes(values: list[str | None]) -> pa.Array:
    return pa.array(values, pa.string()).dictionary_encode()


def gini(values: list[str]) -> float:
    return 1 - sum((one / len(values)) ** 2 for one in Counter(values).values())


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=100, max_size=300))
def test_law_classes_lose_what_their_gini_impurity_says(values: list[str]) -> None:
    [found] = measured(BY_CLASS, classes(list(values)))
    assert found.labels == labels(output="prediction")
    assert found.value == pytest.approx(1 - gini(values) / gini(CLASSES))


@pytest.mark.parametrize("deviation", [0.0, 0.5, 8.0, 20.0])
def test_numbers_lose_what_their_standard_deviation_says(deviation: float) -> None:
    values = RNG.normal(45, deviation, 2000)
    [found] = measured(BY_NUMBER, pa.array(values))
    assert found.value == pytest.approx(1 - values.std() / np.std(NUMBERS), abs=1e-3)


def test_what_cannot_be_compared_is_not_measured_with_the_reason() -> None:
    [few] = measured(BY_CLASS, classes(["a"] * 3))
    assert few.value is None
    assert "3 answers of" in few.reason
    [constant] = measured(held(["a"] * 5000), classes(["a"] * 200))
    assert constant.reason == "the baseline's answers do not vary"
    profile = count(predictions(500), BY_CLASS.layout)
    assert list(answers.measure(Subject(STREAM, WINDOW, profile, None, MetricSettings()))) == []
