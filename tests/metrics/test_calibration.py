"""Estimates from probabilities: against the rows themselves, near 0 and 1, and from baselines of a few hundred rows."""

import numpy as np
import pyarrow as pa
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import roc_auc_score

from monitor.metrics import MetricSettings, Subject
from monitor.metrics.estimated import calibration, cbpe
from monitor.records import Measurement, Window
from monitor.windows.baseline_from_table import Baseline, conform, count_table, from_table
from monitor.windows.layout import edges
from monitor.windows.layout.build import assemble
from tests.support.tables import STREAM


def rows(
    rng: np.random.Generator, n: int, centre: float, spread: float
) -> tuple[pa.Table, np.ndarray, np.ndarray]:
    """A table of a model whose probability is right, its probability of `yes`, and the truths."""
    claimed = 1 / (1 + np.exp(-rng.normal(centre, spread, n)))
    truth = rng.random(n) < claimed
    columns = {"probabilities.no": 1 - claimed, "probabilities.yes": claimed}
    columns |= {"confidence": np.maximum(claimed, 1 - claimed)}
    columns |= {
        "prediction": np.where(claimed >= 0.5, "yes", "no"),
        "outcome.truth": np.where(truth, "yes", "no"),
    }
    return pa.table(columns), claimed, truth


def estimates(base: Baseline, current: pa.Table) -> dict[str, Measurement]:
    profile = count_table(conform(current.drop_columns(["outcome.truth"])), base.layout)
    found = cbpe.measure(Subject(STREAM, Window(0, 60), profile, base, MetricSettings()))
    return {m.metric: m for m in found if m.labels in ((), (("class", "yes"),))}


@pytest.mark.parametrize(("centre", "spread"), [(-7.0, 1.5), (0.0, 6.0), (7.0, 1.5)])
def test_the_estimate_of_the_area_is_that_of_the_rows_also_where_all_probabilities_are_near_0_or_1(
    centre, spread
):
    rng = np.random.default_rng(3)
    base = from_table(STREAM, rows(rng, 50_000, centre, spread)[0], 0.0)
    current, claimed, _ = rows(rng, 20_000, centre + 0.5, spread)
    # Each row is positive with its probability, and else negative.
    labels, weights = np.repeat([1, 0], claimed.size), np.concatenate([claimed, 1 - claimed])
    exact = roc_auc_score(labels, np.tile(claimed, 2), sample_weight=weights)
    assert estimates(base, current)["estimated_roc_auc"].value == pytest.approx(exact, abs=0.05)


def test_intervals_hold_what_is_measured_later_whatever_the_size_of_the_baseline():
    for size in (300, 3000):
        inside = {"estimated_roc_auc": 0, "estimated_precision": 0, "estimated_recall": 0}
        for seed in range(12):
            rng = np.random.default_rng([size, seed])
            base = from_table(STREAM, rows(rng, size, -0.5, 2.0)[0], 0.0)
            current, claimed, truth = rows(rng, 5000, 0.3, 2.0)
            called = claimed >= 0.5
            realised = {
                "estimated_roc_auc": roc_auc_score(truth, claimed),
                "estimated_precision": truth[called].mean(),
                "estimated_recall": called[truth].mean(),
            }
            found = estimates(base, current)
            for name, value in realised.items():
                inside[name] += found[name].low <= value <= found[name].high
        assert min(inside.values()) >= 10, (size, inside)


def test_blocks_are_those_of_isotonic_regression():
    rng = np.random.default_rng(4)
    for rising in (True, False):
        n = rng.integers(0, 30, 300).astype(float)
        share = np.linspace(0.1, 0.9, 300)[:: 1 if rising else -1]
        yes = rng.binomial(n.astype(int), share).astype(float)
        found = np.full(300, np.nan)
        for first, last, positive, total in calibration._blocks(yes, n, rising=rising):
            found[first : last + 1] = positive / total
        used = n > 0
        fitted = IsotonicRegression(increasing=rising).fit(np.flatnonzero(used), yes[used] / n[used], n[used])
        assert found[used] == pytest.approx(fitted.predict(np.flatnonzero(used)))


def test_a_baseline_with_probabilities_in_hundredths_is_still_estimated():
    """Layouts of earlier versions have a hundred buckets."""
    rng = np.random.default_rng(5)
    table, _, _ = rows(rng, 30_000, 0.0, 2.0)
    current, claimed, truth = rows(rng, 20_000, 0.3, 2.0)
    base = from_table(STREAM, table, 0.0)
    layout = base.layout
    older = [edges.score(c.name) if c.name.startswith("probabilities.") else c for c in layout.columns]
    cut = len(layout.core_columns)
    layout = assemble(older[:cut], older[cut:], layout.notes, layout.classes)
    earlier = Baseline(STREAM, "baseline", 0.0, "table", layout, count_table(conform(table), layout))
    found = estimates(earlier, current)
    assert found["estimated_roc_auc"].value == pytest.approx(roc_auc_score(truth, claimed), abs=0.005)
    assert found["estimated_precision"].value == pytest.approx(truth[claimed >= 0.5].mean(), abs=0.02)


def test_probabilities_that_mean_the_contrary_give_an_area_below_one_half():
    rng = np.random.default_rng(6)
    table, claimed, truth = rows(rng, 5000, 0.0, 2.0)
    turned = table.set_column(0, "probabilities.no", pa.array(claimed)).set_column(
        1, "probabilities.yes", pa.array(1 - claimed)
    )
    area = estimates(from_table(STREAM, turned, 0.0), turned)["estimated_roc_auc"]
    assert area.value == pytest.approx(roc_auc_score(truth, 1 - claimed), abs=0.02)
    assert area.value < 0.25


def test_without_any_truth_of_a_class_the_figures_are_a_number_or_a_reason():
    rng = np.random.default_rng(7)
    table, _, _ = rows(rng, 300, -12.0, 0.1)
    found = estimates(from_table(STREAM, table, 0.0), table)
    assert found["estimated_recall"].value is not None or found["estimated_recall"].reason
    assert found["estimated_precision"].reason  # nothing was called `yes`
    assert all(m.value is None or 0 <= m.low <= m.value <= m.high <= 1 for m in found.values())
