"""The learned importance of features, against scikit-learn's mutual information."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score

from monitor.clock import ManualClock
from monitor.config.units import DAY
from monitor.drift import importance_learning
from monitor.drift.importance import importance
from monitor.drift.learning import LearningTask
from monitor.predictions.intake.parse import RecordKind
from monitor.store import feature_importance
from monitor.windows import baseline
from monitor.windows.baseline_from_table import conform, from_table
from monitor.windows.kernel.segment_cells import cells_of_rows
from monitor.windows.layout import from_table as layouts
from tests.support.log import NOW, STREAM, running, send
from tests.support.thorough import examples


def rows_of(columns: dict[str, object]) -> pa.RecordBatch:
    return conform(pa.table(columns)).combine_chunks().to_batches()[0]


def made(seed: int, n: int, classes: bool) -> pa.RecordBatch:
    """`strong` decides the answer, `weak` half of it, `noise` nothing; `colour` follows `strong`."""
    rng = np.random.default_rng(seed)
    strong, weak, noise = rng.normal(size=(3, n))
    score = strong * 2 + weak * 0.5
    answer = np.where(score > 0, "yes", "no") if classes else score
    colour = np.where(strong > 0.5, "red", np.where(strong < -0.5, "blue", "green"))
    features = {"strong": strong, "weak": weak, "noise": noise, "colour": colour}
    return rows_of(
        {**{f"features.{name}": values for name, values in features.items()}, "prediction": answer}
    )


@settings(max_examples=examples(6), deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(50, 3000), st.booleans())
def test_law_the_share_is_the_mutual_information_less_chance_over_the_entropy(
    seed: int, n: int, classes: bool
) -> None:
    rows = made(seed, n, classes)
    layout = layouts.of(pa.Table.from_batches([rows]))
    shares, reason = importance(rows, layout)
    assert not reason
    answers = cells_of_rows(layout.column("prediction"), rows)
    entropy = mutual_info_score(answers, answers)
    for name, share in shares.items():
        cells = cells_of_rows(layout.column(f"features.{name}"), rows)
        kinds = [len(np.unique(one, axis=0)) for one in (np.stack([cells, answers], axis=1), cells, answers)]
        chance = (kinds[0] - kinds[1] - kinds[2] + 1) / (2 * n)
        assert share == pytest.approx(max(mutual_info_score(cells, answers) - chance, 0) / entropy, abs=1e-9)


@pytest.mark.parametrize("classes", [True, False])
def test_the_features_come_in_the_order_in_which_they_drive_the_answers(classes: bool) -> None:
    rows = made(1, 20_000, classes)
    shares, _ = importance(rows, layouts.of(pa.Table.from_batches([rows])))
    assert [*shares] == ["strong", "colour", "weak", "noise"]
    assert shares["noise"] < 0.002


def test_answers_that_are_alike_or_missing_have_no_importance_and_say_so() -> None:
    rows = made(1, 500, classes=True)
    layout = layouts.of(pa.Table.from_batches([rows]))
    alike = rows_of({"features.strong": np.arange(50.0), "prediction": ["yes"] * 50})
    assert importance(alike, layout) == ({}, "all 50 answers are alike")
    none = rows_of({"features.strong": np.arange(50.0), "prediction": pa.nulls(50, pa.string())})
    assert importance(none, layout) == ({}, "no row has an answer")
    assert importance(rows.select(["features.weak"]), layout)[0] == {}


def test_it_is_learned_from_the_baseline_at_once_and_from_predictions_after_a_day(tmp_path: Path) -> None:
    clock = ManualClock(NOW)
    with running(tmp_path, clock) as (log, store):
        lessons = [LearningTask(STREAM, NOW + 60)]
        assert importance_learning.prepare(store, lessons, NOW) == []
        first = made(2, 2000, classes=True)
        with store.write() as connection:
            saved = from_table(STREAM, pa.Table.from_batches([first]), NOW)
            baseline.save(connection, saved, NOW)
        assert importance_learning.prepare(store, lessons, NOW) == [STREAM]
        assert importance_learning.prepare(store, lessons, NOW) == []
        live = [
            {"client": "acme", "model": "fraud", "timestamp": NOW, "prediction": row["prediction"],
             "features": {"weak": row["features.strong"], "strong": row["features.weak"]}}
            for row in made(3, 1500, classes=True).to_pylist()
        ]  # fmt: skip
        send(log, RecordKind.PREDICTIONS, live)
        later = NOW + DAY
        assert importance_learning.prepare(store, [LearningTask(STREAM, NOW + 60)], later) == [STREAM]
        with store.read() as connection:
            found = feature_importance.get(connection, STREAM, saved.layout.id)
        assert found is not None
        assert (found.source, found.rows) == ("predictions", 1500)
        assert next(iter(found.shares)) == "weak"  # the two have changed places
        assert importance_learning.prepare(store, lessons, later) == []
