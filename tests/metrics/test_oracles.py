"""Every statistic against an independent implementation on raw rows, and what bucketing may cost."""

import itertools

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats
from scipy.spatial import distance
from sklearn import metrics as oracle

from monitor.metrics import MetricSettings, Subject, measure
from monitor.records import Measurement, Window
from monitor.windows.baseline_from_table import conform, from_table
from monitor.windows.kernel.count_rows import count
from monitor.windows.outcome_counts import count_outcomes
from monitor.windows.profile import merge
from tests.support.tables import STREAM

WINDOW = Window(0, 60)


def measured(
    reference: pa.Table, current: pa.Table
) -> dict[tuple[str, tuple[tuple[str, str], ...]], Measurement]:
    base = from_table(STREAM, reference, 0.0)
    rows = conform(current).combine_chunks().to_batches()[0]
    parts = [count(rows, base.layout)]
    if any(name.startswith("outcome.") for name in rows.schema.names):
        parts.append(count_outcomes(rows, base.layout))
    found = measure(Subject(STREAM, WINDOW, merge(parts), base, MetricSettings()))
    return {(m.metric, m.labels): m for m in found}


def samples(name: str, rows: int, rng: np.random.Generator, *, moved: bool) -> np.ndarray:
    shift, scale = (0.3, 1.2) if moved else (0.0, 1.0)
    if name == "normal":
        return rng.normal(shift, scale, rows)
    if name == "lognormal":
        return rng.lognormal(shift, scale, rows)
    if name == "discrete":
        return rng.poisson(4 + shift * 3, rows).astype(float)
    return rng.choice([0.0, 1.0, 5.0], rows, p=[0.5 - shift / 2, 0.3, 0.2 + shift / 2])


@pytest.mark.parametrize("name", ["normal", "lognormal", "discrete", "three values"])
@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("rows", [300, 10_000])
def test_distances_of_numbers_agree_with_scipy_up_to_the_stated_bound(name, moved, rows):
    for seed in range(3):
        rng = np.random.default_rng([seed, rows])
        r, c = samples(name, 20_000, rng, moved=False), samples(name, rows, rng, moved=moved)
        found = measured(pa.table({"x": r}), pa.table({"x": c}))
        at = (("feature", "x"),)
        exact = stats.ks_2samp(r, c, method="asymp")
        # A gap inside a bucket goes unseen: at most the share of rows in one bucket.
        assert found["kolmogorov_smirnov", at].value == pytest.approx(exact.statistic, abs=0.005)
        assert found["kolmogorov_smirnov", at].value <= exact.statistic + 1e-12
        if name in ("discrete", "three values"):
            assert found["kolmogorov_smirnov", at].value == pytest.approx(exact.statistic, abs=2e-4)
        moved_by = stats.wasserstein_distance(r, c) / r.std()
        assert found["wasserstein", at].value == pytest.approx(moved_by, rel=0.03, abs=0.004)
        assert found["mean_shift", at].value == pytest.approx((c.mean() - r.mean()) / r.std(), abs=1e-3)
        assert found["spread_shift", at].value == pytest.approx(c.std() / r.std() - 1, abs=1e-3)


def decile_cells(r: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    edges = np.concatenate([[-np.inf], np.sort(r)[np.arange(1, 10) * r.size // 10], [np.inf]])
    return tuple(np.array([((x >= a) & (x < b)).sum() for a, b in itertools.pairwise(edges)]) for x in (r, c))


def test_binned_distances_are_those_of_the_baselines_deciles():
    rng = np.random.default_rng(5)
    r, c = rng.normal(0, 1, 10_000), rng.normal(0.4, 1.3, 3000)
    found = measured(pa.table({"x": r}), pa.table({"x": c}))
    at = (("feature", "x"),)
    base, new = decile_cells(r, c)
    p, q = new / new.sum(), base / base.sum()
    assert found["jensen_shannon", at].value == pytest.approx(distance.jensenshannon(p, q, 2), rel=1e-9)
    assert found["hellinger", at].value == pytest.approx(np.sqrt(1 - np.sqrt(p * q).sum()), rel=1e-9)
    assert found["total_variation", at].value == pytest.approx(np.abs(p - q).sum() / 2, rel=1e-9)
    test = stats.chi2_contingency(np.stack([new, base]), correction=False)
    assert found["chi_square", at].value == pytest.approx(test.statistic, rel=1e-9)
    assert found["chi_square", at].p_value == pytest.approx(test.pvalue, rel=1e-6, abs=1e-300)
    p, q = (new + 0.5) / (new.sum() + 5), (base + 0.5) / (base.sum() + 5)
    assert found["psi", at].value == pytest.approx(((p - q) * np.log(p / q)).sum(), rel=1e-9)


def test_labels_are_compared_label_by_label():
    rng = np.random.default_rng(6)
    r, c = rng.choice(list("abc"), 2000), rng.choice(list("abcd"), 1000, p=[0.5, 0.2, 0.2, 0.1])
    found = measured(pa.table({"x": r}), pa.table({"x": c}))
    at = (("feature", "x"),)
    base, new = (np.array([(side == label).sum() for label in "abcd"]) for side in (r, c))
    test = stats.chi2_contingency(np.stack([new, base]), correction=False)
    assert found["chi_square", at].value == pytest.approx(test.statistic, rel=1e-9)
    assert found["jensen_shannon", at].value == pytest.approx(
        distance.jensenshannon(new / 1000, base / 2000, 2), rel=1e-9
    )
    assert found["new_category_share", at].value == new[3] / 1000


def test_percentiles_of_latency_are_within_one_percent():
    rng = np.random.default_rng(7)
    for values in (rng.lognormal(3, 1, 5000), rng.exponential(0.5, 400), rng.uniform(900, 1100, 50)):
        found = measured(pa.table({"x": [1.0]}), pa.table({"latency_ms": values, "x": np.ones(len(values))}))
        for percent in (50, 90, 95, 99):
            rank = int(np.ceil(percent / 100 * values.size)) - 1
            exact = np.sort(values)[rank] / 1000
            assert found[f"latency_p{percent}", ()].value == pytest.approx(exact, rel=0.0101)
        assert found["latency_mean", ()].value == pytest.approx(values.mean() / 1000, rel=1e-4)


def classifier(
    rows: int, rng: np.random.Generator, classes: str = "ab"
) -> tuple[pa.Table, np.ndarray, np.ndarray]:
    shares = rng.dirichlet(np.full(len(classes), 0.7), rows)
    truth = np.array([rng.choice(len(classes), p=p) for p in shares])
    columns = {f"probabilities.{name}": shares[:, i] for i, name in enumerate(classes)}
    columns |= {
        "prediction": np.array(list(classes))[shares.argmax(axis=1)],
        "confidence": shares.max(axis=1),
        "outcome.truth": np.array(list(classes))[truth],
        "features.x": rng.normal(size=rows),
    }
    return pa.table(columns), shares, truth


@pytest.mark.parametrize("classes", ["ab", "abc"])
def test_quality_of_a_classifier_agrees_with_scikit_learn(classes):
    rng = np.random.default_rng(8)
    reference, _, _ = classifier(3000, rng, classes)
    current, shares, truth = classifier(4000, rng, classes)
    found = measured(reference, current)
    answer = shares.argmax(axis=1)
    value = {key: m.value for key, m in found.items()}
    assert value["accuracy", ()] == pytest.approx(oracle.accuracy_score(truth, answer))
    assert value["balanced_accuracy", ()] == pytest.approx(oracle.balanced_accuracy_score(truth, answer))
    for name, score in (
        ("precision", oracle.precision_score),
        ("recall", oracle.recall_score),
        ("f1", oracle.f1_score),
    ):
        assert value[name, ()] == pytest.approx(score(truth, answer, average="macro"))
        for index, label in enumerate(classes):
            assert value[name, (("class", label),)] == pytest.approx(
                score(truth, answer, average=None)[index]
            )
    assert value["log_loss", ()] == pytest.approx(oracle.log_loss(truth, shares), rel=1e-9)
    area = oracle.roc_auc_score(truth, shares[:, 1] if len(classes) == 2 else shares, multi_class="ovr")
    assert value["roc_auc", ()] == pytest.approx(area, abs=0.002)
    precision = np.mean(
        [oracle.average_precision_score(truth == i, shares[:, i]) for i in range(len(classes))]
    )
    assert value["pr_auc", ()] == pytest.approx(precision, abs=0.01)
    confidence, right = shares.max(axis=1), (answer == truth).astype(float)
    assert value["brier_score", ()] == pytest.approx(((confidence - right) ** 2).mean(), abs=1e-5)
    assert value["confidence_bias", ()] == pytest.approx(confidence.mean() - right.mean(), abs=1e-5)
    place = np.minimum((confidence * 10).astype(int), 9)
    error = sum(abs((right - confidence)[place == b].sum()) for b in range(10)) / len(right)
    assert value["expected_calibration_error", ()] == pytest.approx(error, abs=0.005)


def test_quality_of_a_regressor_agrees_with_scikit_learn():
    rng = np.random.default_rng(9)
    truth = rng.lognormal(2, 1, 3000)
    answer = truth * rng.normal(1, 0.2, 3000) + 1
    table = pa.table({"features.x": truth, "prediction": answer, "outcome.truth": truth})
    found = measured(table, table)
    value = {metric: m.value for (metric, labels), m in found.items() if not labels}
    assert value["mae"] == pytest.approx(oracle.mean_absolute_error(truth, answer))
    assert value["rmse"] == pytest.approx(oracle.root_mean_squared_error(truth, answer))
    assert value["mape"] == pytest.approx(oracle.mean_absolute_percentage_error(truth, answer))
    assert value["r_squared"] == pytest.approx(oracle.r2_score(truth, answer))
    assert value["bias"] == pytest.approx((answer - truth).mean())


def test_the_estimate_of_accuracy_is_right_when_only_the_inputs_change():
    rng = np.random.default_rng(10)
    reference, _, _ = classifier(20_000, rng)
    current, shares, truth = classifier(20_000, rng)
    sure = shares.max(axis=1) > 0.7  # a window with more sure answers than the baseline
    found = measured(reference, current.filter(pa.array(sure)))
    realised = (shares.argmax(axis=1) == truth)[sure].mean()
    estimate = found["estimated_accuracy", ()]
    assert estimate.low <= realised <= estimate.high
    assert estimate.value > estimate.baseline + 0.05
    error = found["estimated_accuracy_error", ()]
    assert error.value == pytest.approx(estimate.value - realised, abs=1e-9)


@pytest.mark.parametrize("rows", [120, 449, 2000, 20_000])
@pytest.mark.parametrize(("sharper", "surer"), [(1.0, 0.0), (2.5, 0.5), (0.5, -0.3)])
def test_the_estimate_of_accuracy_is_right_whatever_the_size_of_the_baseline(rows, sharper, surer):
    """Also of a model whose confidence is too low or too high, as that of a random forest of ten classes."""

    def table(rng, n: int) -> pa.Table:
        claimed = rng.beta(6, 1.5, n)
        odds = sharper * np.log(claimed / (1 - claimed)) + surer
        right = rng.random(n) < 1 / (1 + np.exp(-odds))
        truth = rng.choice(["a", "b", "c"], n)
        answer = np.where(right, truth, "d")
        columns = {"prediction": answer, "confidence": claimed, "outcome.truth": truth}
        return pa.table({"features.x": rng.normal(size=n), **columns})

    inside = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        current = table(rng, 5000)
        estimate = measured(table(rng, rows), current)["estimated_accuracy", ()]
        answers, truths = (current.column(name).to_numpy() for name in ("prediction", "outcome.truth"))
        realised = float(np.mean(answers == truths))
        inside += estimate.low <= realised <= estimate.high
        assert abs(estimate.value - realised) < 0.01 + 1.6 / np.sqrt(rows)
    assert inside >= 8


def test_the_estimate_of_errors_follows_the_inputs():
    rng = np.random.default_rng(11)

    def table(mean: float) -> pa.Table:
        x = rng.normal(mean, 1, 20_000)
        answer = x + rng.normal(size=x.size) * np.where(x > 0, 2.0, 0.5)
        return pa.table({"features.x": x, "prediction": answer, "outcome.truth": x})

    found = measured(table(0.0), table(0.7))
    assert found["estimated_mae", ()].baseline == pytest.approx(found["mae", ()].baseline)
    assert found["estimated_mae", ()].value == pytest.approx(found["mae", ()].value, rel=0.05)
    assert found["mae", ()].value > 1.2 * found["mae", ()].baseline


def test_weighted_rows_stand_for_those_that_were_not_sampled():
    rng = np.random.default_rng(12)
    x = rng.normal(size=20_000)
    base = from_table(STREAM, pa.table({"x": x}), 0.0)
    weights = np.where(x > 0, 4.0, 1.0)
    kept = rng.random(x.size) < 1 / weights
    rows = pa.RecordBatch.from_pydict({"features.x": x[kept], "weight": weights[kept]})
    found = measure(Subject(STREAM, WINDOW, count(rows, base.layout), base, MetricSettings()))
    by_name = {m.metric: m for m in found if m.labels == (("feature", "x"),)}
    assert abs(by_name["mean_shift"].value) < 0.04
    assert by_name["psi"].value < 0.02
    assert by_name["psi"].n < kept.sum()  # weights cost precision
    assert by_name["psi"].p_value > 0.001
