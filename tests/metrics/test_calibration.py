"""Estimates from probabilities: against the rows themselves, near 0 and 1, and from baselines of a few hundred rows."""

import numpy as np
import pyarrow as pa
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import confusion_matrix, roc_auc_score

from monitor.metrics import MetricSettings, Subject
from monitor.metrics.estimated import calibration, cbpe, expected_cost
from monitor.records import Labels, Measurement, Window, labels
from monitor.windows.baseline_from_table import Baseline, conform, count_table, from_table
from monitor.windows.layout import edges
from monitor.windows.layout.build import assemble
from monitor.windows.profile import Profile
from tests.support.tables import STREAM

MATRIX = {"yes": {"no": 7.0, "yes": 2.0}, "no": {"yes": 40.0}}


def rows(
    rng: np.random.Generator, n: int, centre: float, spread: float, threshold: float = 0.5
) -> tuple[pa.Table, np.ndarray, np.ndarray]:
    """A table of a model whose probability is right, its probability of `yes`, and the truths."""
    claimed = 1 / (1 + np.exp(-rng.normal(centre, spread, n)))
    truth = rng.random(n) < claimed
    columns = {"probabilities.no": 1 - claimed, "probabilities.yes": claimed}
    columns |= {"confidence": np.maximum(claimed, 1 - claimed)}
    columns |= {
        "prediction": np.where(claimed >= threshold, "yes", "no"),
        "outcome.truth": np.where(truth, "yes", "no"),
    }
    columns |= {"segments.region": np.where(rng.random(n) < 0.3, "eu", "us")}
    return pa.table(columns), claimed, truth


def estimates(base: Baseline, current: pa.Table) -> dict[str, Measurement]:
    profile = count_table(conform(current.drop_columns(["outcome.truth"])), base.layout)
    found = measured(base, profile)
    return {name: m for (name, where), m in found.items() if where in ((), (("class", "yes"),))}


def measured(base: Baseline, profile: Profile) -> dict[tuple[str, Labels], Measurement]:
    settings = MetricSettings(cost_matrices={(STREAM.client, STREAM.model): MATRIX})
    subject = Subject(STREAM, Window(0, 60), profile, base, settings)
    return {(m.metric, m.labels): m for m in (*cbpe.measure(subject), *expected_cost.measure(subject))}


def cost_of(called: np.ndarray, truth: np.ndarray) -> float:
    """The mean cost of answers with known truths, from the confusion matrix."""
    table = confusion_matrix(truth, called, labels=[False, True])  # by truth, then by answer
    return float((table * [[0.0, 7.0], [40.0, 2.0]]).sum() / len(truth))


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
        inside = dict.fromkeys(
            ("estimated_roc_auc", "estimated_precision", "estimated_recall", "estimated_cost"), 0
        )
        for seed in range(12):
            rng = np.random.default_rng([size, seed])
            base = from_table(STREAM, rows(rng, size, -0.5, 2.0)[0], 0.0)
            current, claimed, truth = rows(rng, 5000, 0.3, 2.0)
            called = claimed >= 0.5
            realised = {
                "estimated_roc_auc": roc_auc_score(truth, claimed),
                "estimated_precision": truth[called].mean(),
                "estimated_recall": called[truth].mean(),
                "estimated_cost": cost_of(called, truth),
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
    assert found.pop("estimated_cost").value is not None
    assert all(m.value is None or 0 <= m.low <= m.value <= m.high <= 1 for m in found.values())


def test_the_area_of_a_segment_is_estimated_within_its_interval_unless_the_baseline_contradicts_it():
    rng = np.random.default_rng(8)
    base = from_table(STREAM, rows(rng, 6000, -0.5, 2.0)[0], 0.0)
    inside = 0
    for _ in range(10):
        current, claimed, truth = rows(rng, 2000, 0.5, 1.5)
        profile = count_table(conform(current.drop_columns(["outcome.truth"])), base.layout)
        own = current.column("segments.region").to_numpy() == "eu"
        found = measured(base, profile)[
            "estimated_roc_auc", labels(**{"class": "yes", "segment": "region=eu"})
        ]
        assert found.n == own.sum()
        inside += found.low <= roc_auc_score(truth[own], claimed[own]) <= found.high
        assert ("estimated_cost", labels(segment="region=eu")) in measured(base, profile)
    assert inside >= 9

    table, _, truth = rows(rng, 6000, -0.5, 2.0)
    own = np.arange(6000) % 25 == 0
    regions = pa.array(np.where(own, "ap", "us"))
    table = table.set_column(table.schema.names.index("segments.region"), "segments.region", regions)
    turned = np.where(own, rng.random(6000) < 0.5, truth)  # the probabilities say nothing there
    place = table.schema.names.index("outcome.truth")
    table = table.set_column(place, "outcome.truth", pa.array(np.where(turned, "yes", "no")))
    contradicted = from_table(STREAM, table, 0.0)
    found = measured(contradicted, contradicted.profile)
    at = {dict(where).get("segment") for name, where in found if name == "estimated_roc_auc"}
    assert at == {None, "region=us"}
    assert {dict(where).get("segment") for name, where in found if name == "estimated_cost"} == at


def test_the_estimated_cost_follows_any_threshold_and_rows_that_lack_something():
    rng = np.random.default_rng(9)
    base = from_table(STREAM, rows(rng, 20_000, -0.5, 2.0, 0.15)[0], 0.0)
    current, claimed, truth = rows(rng, 20_000, 0.3, 1.5, 0.15)
    expected = cost_of(claimed >= 0.15, truth)
    found = estimates(base, current)["estimated_cost"]
    assert found.value == pytest.approx(expected, rel=0.05)
    assert found.low <= expected <= found.high
    assert abs(found.value - cost_of(claimed >= 0.5, truth)) > 2 * (found.high - found.low)
    dirty = np.where(rng.random(20_000) < 0.1, np.where(rng.random(20_000) < 0.5, np.nan, np.inf), claimed)
    place = current.schema.names.index("probabilities.yes")
    holes = estimates(base, current.set_column(place, "probabilities.yes", pa.array(dirty)))["estimated_cost"]
    assert holes.n == pytest.approx(18_000, rel=0.02)
    assert holes.low <= expected <= holes.high


def test_a_cost_matrix_that_names_another_class_is_told():
    base = from_table(STREAM, rows(np.random.default_rng(10), 1000, 0.0, 2.0)[0], 0.0)
    settings = MetricSettings(cost_matrices={(STREAM.client, STREAM.model): {"maybe": {"no": 1.0}}})
    (only,) = expected_cost.measure(Subject(STREAM, Window(0, 60), base.profile, base, settings))
    assert only.reason == "`cost_matrix` names a class that has no probability: maybe"
    assert not list(
        expected_cost.measure(Subject(STREAM, Window(0, 60), base.profile, base, MetricSettings()))
    )
