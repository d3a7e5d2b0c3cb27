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
    found, resting, *_ = measured(BY_CLASS, classes(list(values)))
    assert found.labels == labels(output="prediction")
    assert found.value == pytest.approx(1 - gini(values) / gini(CLASSES))
    assert (resting.metric, resting.value) == ("resting_share", 0.0)


@pytest.mark.parametrize("deviation", [0.0, 0.5, 8.0, 20.0])
def test_numbers_lose_what_their_standard_deviation_says(deviation: float) -> None:
    values = RNG.normal(45, deviation, 2000)
    found, *_ = measured(BY_NUMBER, pa.array(values))
    assert found.value == pytest.approx(1 - values.std() / np.std(NUMBERS), abs=1e-3)


def test_what_cannot_be_compared_is_not_measured_with_the_reason() -> None:
    [few] = measured(BY_CLASS, classes(["a"] * 3))
    assert few.value is None
    assert "3 answers of" in few.reason
    [constant] = measured(held(["a"] * 5000), classes(["a"] * 200))
    assert constant.reason == "the baseline's answers do not vary"
    profile = count(predictions(500), BY_CLASS.layout)
    assert list(answers.measure(Subject(STREAM, WINDOW, profile, None, MetricSettings()))) == []


@pytest.mark.parametrize(
    ("now", "share"),
    [
        ([0.0] * 200, 0.4),
        ([0.0] * 199 + [99.0], 0.4),
        ([-1.0] * 200, 0.0),
        ([1e9] * 200, 0.0),
        ([50.0] * 200, 0.0),
    ],
)
def test_numbers_rest_where_many_of_the_baseline_are(now: list[float], share: float) -> None:
    """Two fifths of the baseline are zero, as a solar plant's answers are at night; a stray answer changes nothing."""
    plant = held([0.0] * 4000 + RNG.normal(50, 8, 6000).tolist())
    _, resting, *_ = measured(plant, pa.array(now))
    assert resting.value == pytest.approx(share, abs=2e-3)


def test_answers_all_over_the_baseline_rest_on_nearly_all_of_it() -> None:
    _, resting, *_ = measured(BY_NUMBER, pa.array(NUMBERS[:5000]))
    assert resting.value == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize("deviation", [0.0, 1.0, 8.0])
def test_the_input_that_has_lost_most_is_named_while_numbers_are_alike(deviation: float) -> None:
    light, noise = RNG.normal(50, 8, 5000), RNG.normal(0, 1, 5000)
    table = pa.table({"prediction": light * 2, "features.light": light, "features.noise": noise})
    base = baseline.from_table(STREAM, table, 0.0)
    now = RNG.normal(50, deviation, 500)
    rows = pa.RecordBatch.from_pydict(
        {
            "timestamp": pa.array(range(500), pa.int64()),
            "prediction": pa.array(np.full(500, 100.0)),
            "features.light": pa.array(now),
            "features.noise": pa.array(RNG.normal(0, 1, 500)),
        }
    )
    found = answers.measure(Subject(STREAM, WINDOW, count(rows, base.layout), base, MetricSettings()))
    loss = next(one for one in found if one.metric == "input_variation_loss")
    assert loss.value == pytest.approx(max(1 - now.std() / light.std(), 0.0), abs=0.06)
    assert ("light" in loss.because) == (deviation < 8)


def test_classes_are_never_excused_by_an_input() -> None:
    _, _, loss = measured(BY_CLASS, classes(["a"] * 200))
    assert (loss.metric, loss.value) == ("input_variation_loss", 0.0)
