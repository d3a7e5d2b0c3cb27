"""What a daemon counts may be of any type, whatever the baseline was made of: no column stops the ones beside it."""

import pyarrow as pa
import pytest

from monitor.metrics import MetricSettings, Subject, measure
from monitor.records import Stream, Window
from monitor.windows.baseline_from_table import Baseline, conform, from_table
from monitor.windows.kernel.count_rows import count
from monitor.windows.outcome_counts import count_outcomes
from monitor.windows.profile import merge
from tests.support.every_type import COLUMNS

STREAM, HOUR = Stream("acme", "fraud"), Window(0, 3600)
RESERVED = (
    "id", "timestamp", "version", "prediction", "confidence", "latency_ms", "error", "automated", "cost", "truth",
    "reviewed", "corrected", "feedback", "delay", "probabilities.a", "segments.region",
)  # fmt: skip


def baseline(**columns: pa.Array) -> Baseline:
    return from_table(STREAM, pa.table(columns), 0.0)


def psi_of_good(base: Baseline, table: pa.Table) -> float | None:
    """Counted and measured as a daemon does; the PSI of the good column."""
    (rows,) = conform(table).combine_chunks().to_batches()
    parts = [count(rows, base.layout)]
    if any(name.startswith("outcome.") for name in rows.schema.names):
        parts.append(count_outcomes(rows, base.layout))
    found = list(measure(Subject(STREAM, HOUR, merge(parts), base, MetricSettings())))
    assert all((one.value is None) == bool(one.reason) for one in found)
    return next(one.value for one in found if one.metric == "psi" and one.label("feature") == "good")


@pytest.mark.parametrize("name", COLUMNS)
def test_a_feature_of_any_type_may_turn_into_any_other(name: str) -> None:
    good = COLUMNS["number"]
    base = baseline(x=COLUMNS[name], good=good)
    for other in COLUMNS.values():
        assert psi_of_good(base, pa.table({"x": other, "good": good})) == 0


@pytest.mark.parametrize("reserved", RESERVED)
def test_a_column_named_like_ours_may_hold_anything(reserved: str) -> None:
    good = COLUMNS["number"]
    for column in COLUMNS.values():
        table = pa.table({reserved: column, "features.good": good})
        assert psi_of_good(from_table(STREAM, table, 0.0), table) == 0


def test_answers_and_truths_of_any_size_are_measured() -> None:
    huge, good = COLUMNS["huge"], COLUMNS["number"]
    table = pa.table({"prediction": huge, "truth": huge, "cost": huge, "feedback": huge, "good": good})
    assert psi_of_good(from_table(STREAM, table, 0.0), table) == 0


def test_a_feature_called_weight_is_a_feature() -> None:
    """It weighs rows only beside what the log writes, whose features are named as such."""
    rows = pa.array([80.0, 60.5] * 200)
    plain = from_table(STREAM, pa.table({"weight": rows, "sampled": ["a", "b"] * 200}), 0.0)
    assert {column.feature for column in plain.layout.columns} >= {"weight", "sampled"}
    assert plain.profile.overall.design == 1.0
    exported = pa.table({"weight": rows, "features.x": rows})
    assert [c.name for c in from_table(STREAM, exported, 0.0).layout.columns if c.feature] == ["features.x"]
