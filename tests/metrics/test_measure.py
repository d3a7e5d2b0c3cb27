"""All metrics of a window: each has a value or a reason why it has none."""

import numpy as np
import pyarrow as pa
import pytest

from monitor.metrics import METRICS, MetricSettings, Subject, measure
from monitor.records import Window
from monitor.windows import baseline
from monitor.windows.kernel.count_rows import count
from monitor.windows.layout.from_table import BARE
from monitor.windows.outcome_counts import count_outcomes
from monitor.windows.profile import blank, merge
from tests.support.tables import STREAM, predictions

BASELINE = baseline.from_table(STREAM, pa.Table.from_batches([predictions(20_000, outcomes=True)]), 0.0)
WINDOW = Window(0, 60)


def figures(rows, held_against=BASELINE, layout=BASELINE.layout):
    profile = blank(layout)
    if rows is not None:
        profile = merge([count(rows, layout), count_outcomes(rows, layout)])
    found = measure(Subject(STREAM, WINDOW, profile, held_against, MetricSettings()))
    return {(m.metric, m.labels): m for m in found}


def test_each_measurement_is_listed_and_has_a_value_or_a_reason():
    for found in (
        figures(predictions(2000, 1, outcomes=True)),
        figures(predictions(7, 1)),
        figures(None),
        figures(predictions(500, 1), None, BARE),
    ):
        listed = {info.name: info for info in METRICS}
        for m in found.values():
            info = listed[m.metric]
            assert {name for name, _ in m.labels} <= set(info.labels)
            assert (m.value is None) == bool(m.reason), m
            assert (m.unit, m.better) == (info.unit, info.better)
            if m.value is not None:
                assert m.value == m.value
                assert m.low is None or m.low <= m.value + 1e-9
                assert m.high is None or m.high >= m.value - 1e-9


def test_a_window_like_the_baseline_shows_no_drift_and_a_moved_one_does():
    same, moved = figures(predictions(5000, 1)), figures(predictions(5000, 2, shift=1.0))
    amount = (("feature", "amount"),)
    assert same["psi", amount].value < 0.02
    assert moved["psi", amount].value > 0.5
    assert moved["mean_shift", amount].value == pytest.approx(1.0, abs=0.06)
    assert moved["kolmogorov_smirnov", amount].p_value < 1e-6
    assert moved["drifted_share", ()].value == 0.25


def test_outcomes_do_not_move_the_drift_of_any_column():
    """What is counted of them stands behind the features in a profile."""
    rows = predictions(2000, outcomes=True)
    scores = rows.column("confidence").to_numpy()
    table = pa.Table.from_batches([rows])
    for name, values in {"probabilities.fraud": scores, "probabilities.ok": 1 - scores}.items():
        table = table.append_column(name, pa.array(values))
    base = baseline.from_table(STREAM, table, 0.0)
    current = table.combine_chunks().to_batches()[0]
    before = count(current, base.layout)
    after = merge([before, count_outcomes(current, base.layout)])
    settings = MetricSettings()
    found = [
        {(m.metric, m.labels): m for m in measure(Subject(STREAM, WINDOW, profile, base, settings))}
        for profile in (before, after)
    ]
    drift = [key for key in found[0] if key[0] in ("psi", "jensen_shannon", "chi_square", "drifted_share")]
    assert len(drift) > 15
    for key in drift:
        assert found[0][key] == found[1][key]
        assert "feature" not in dict(key[1]) or found[0][key].n == 2000, key


def test_a_window_of_errors_alone_has_its_error_rate_and_nothing_is_said_of_answers():
    rows = predictions(200)
    failed = pa.array(["timeout"] * 200).dictionary_encode()
    kept = ("timestamp", "version", "latency_ms", "segments.region", "features.amount", "features.country")
    batch = pa.RecordBatch.from_pydict({name: rows.column(name) for name in kept} | {"error": failed})
    found = figures(batch)
    assert found["error_rate", ()].value == 1.0
    assert found["error_rate", (("type", "timeout"),)].value == 1.0
    assert found["psi", (("feature", "amount"),)].value is not None
    for metric in ("confidence_mean", "accuracy"):
        assert found[metric, ()].value is None
        assert found[metric, ()].reason


def test_an_empty_window_is_measured_as_empty():
    found = figures(None)
    assert found["volume", ()].value == 0
    assert found["error_rate", ()].reason == "0 rows of 1 needed"
    assert found["psi", (("feature", "amount"),)].reason == "0 rows of 100 needed"
    assert found["accuracy", ()].reason == "0 outcomes of 30 needed"


@pytest.mark.parametrize(("share", "changes"), [(0.0, 0), (0.25, 0), (0.75, 5), (1.0, 5)])
@pytest.mark.parametrize("weighted", [False, True])
def test_vectors_of_another_length_are_unreadable_and_where_most_are_the_type_changed(
    share, changes, weighted
):
    """As texts are where numbers belong; a vector that is not there is missing, and no more than that."""

    def rows(seed, share=0.0):
        batch = predictions(2000, seed)
        rng = np.random.default_rng(seed)
        vectors = [
            None if row % 10 == 9 else rng.normal(size=3 if row < share * 2000 else 4).tolist()
            for row in range(2000)
        ]
        batch = batch.append_column("features.embedding", pa.array(vectors, pa.list_(pa.float32())))
        return batch.append_column("weight", pa.array(np.full(2000, 2.0))) if weighted else batch

    base = baseline.from_table(STREAM, pa.Table.from_batches([rows(1)]), 0.0)
    found = figures(rows(2, share), base, base.layout)
    parts = [
        labels for metric, labels in found if metric == "unreadable_share" and "embedding#" in str(labels)
    ]
    assert len(parts) == 5
    for part in parts:
        assert found["unreadable_share", part].value == pytest.approx(0.9 * share)
        assert found["missing_share", part].value == pytest.approx(0.1 + 0.9 * share)
        assert (("schema_changes", (("change", "type"), *part)) in found) == (share > 0.5)
    assert found["schema_changes", ()].value == changes
