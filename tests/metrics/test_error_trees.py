"""Trees that estimate errors: as scikit-learn evaluates them, learned in a process, counted into profiles."""

import sys
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pyarrow as pa
import pytest
from msgspec import msgpack
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from monitor.metrics import MetricSettings, Subject
from monitor.metrics.estimated import cbpe, dle, gap
from monitor.predictions.intake.parse import RecordKind
from monitor.records import Labels, Measurement, Window, labels
from monitor.store.checksums import seal
from monitor.windows import baseline, codec
from monitor.windows.baseline_from_table import Baseline, conform, from_table
from monitor.windows.counting import count_new
from monitor.windows.error_trees import expected_errors, fit, training, trees
from monitor.windows.kernel import loss_model
from monitor.windows.kernel.count_rows import count
from monitor.windows.layout import build
from monitor.windows.outcome_counts import count_outcomes
from monitor.windows.profile import merge
from monitor.windows.settings import WindowSettings
from tests.bench import label_shift
from tests.support.log import NOW, outcome, prediction, running, send
from tests.support.tables import STREAM


def rows(seed: int, n: int, shift: float = 0.0) -> pa.Table:
    """A regressor whose error depends on two features together, with missing values, labels, versions and segments."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(shift, 1, n), rng.normal(0, 1, n)
    kind = rng.choice(["a", "b", "c"], n)
    noise = rng.normal(size=n) * np.where((x > 0) == (y > 0), 40.0, 10.0) * np.where(kind == "c", 2.0, 1.0)
    columns = {
        "timestamp": pa.array(np.arange(n) * 1_000_000, pa.timestamp("us", "UTC")),
        "features.x": pa.array(x, mask=rng.random(n) < 0.05),
        "features.y": pa.array(y),
        "features.kind": pa.array(kind.tolist(), mask=rng.random(n) < 0.02),
        "prediction": pa.array(100 + 3 * x),
        "version": pa.array(rng.choice(["1", "2"], n).tolist()),
        "segments.region": pa.array(rng.choice(["eu", "us"], n).tolist()),
        "outcome.truth": pa.array(100 + 3 * x + noise),
    }
    return pa.table(columns)


@pytest.fixture(scope="module")
def base() -> Baseline:
    return from_table(STREAM, rows(0, 5000), 0.0, with_trees=True)


def batch(table: pa.Table) -> pa.RecordBatch:
    return conform(table).combine_chunks().to_batches()[0]


def test_the_trees_give_what_scikit_learn_gives(monkeypatch):
    monkeypatch.setitem(fit._SETTINGS, "max_iter", 4)
    rng = np.random.default_rng(1)
    given = rng.normal(size=(3000, 4))
    given[rng.random(given.shape) < 0.1] = np.nan
    given[:, 2] = rng.integers(0, 5, 3000)
    errors = np.abs(rng.normal(size=3000)) * (1 + np.nan_to_num(given[:, 0] * given[:, 1] > 0)) * 1e6
    with threadpool_limits(1):  # threads that wait for each other take minutes on a busy machine
        model = trees.decode(trees.encode(fit.learn(("a", "b", "c", "d"), given, errors, in_order=False)))
    fold = np.arange(3000) % trees.MEMBERS
    np.random.default_rng(0).shuffle(fold)
    new = np.concatenate(
        [rng.normal(size=(2000, 4)) * 3, [[np.nan] * 4, [np.inf] * 4, [-np.inf] * 4, [0.0] * 4]]
    )
    found = model.evaluate(new[:, ["abcd".index(name) for name in model.columns]])
    for member in (0, 4):
        seen = fold != member
        fitted = HistGradientBoostingRegressor(**fit._SETTINGS)
        with threadpool_limits(1):
            fitted.fit(given[seen], errors[seen] / errors.mean())
        # scikit-learn takes no infinite values
        finite = np.clip(new, -1e300, 1e300)
        assert found[:, member] == pytest.approx(
            np.maximum(fitted.predict(finite), 0) * errors.mean(), rel=1e-5, abs=1
        )


def test_estimates_do_not_depend_on_the_rows_beside_a_row_nor_on_the_order(base):
    table = batch(rows(2, 1500))
    whole = count(table, base.layout)
    parts = [count(table.slice(at, size), base.layout) for at, size in ((1000, 500), (0, 1), (1, 999))]
    assert merge(parts) == whole
    turned = table.take(pa.array(np.random.default_rng(0).permutation(1500)))
    assert count(turned, base.layout).overall.totals == whole.overall.totals
    assert codec.decode(codec.encode(whole), base.layout) == whole


def test_each_slice_has_the_expected_errors_of_its_own_rows(base):
    table = batch(rows(3, 2000, 0.5))
    profile = count(table, base.layout)
    of_all = expected_errors.of_slice(profile.overall)
    assert of_all is not None
    assert of_all.rows == 2000
    for key, column in ((("version", "2"), "version"), (("segments.region", "eu"), "segments.region")):
        own = table.filter(pa.compute.equal(table.column(column).cast(pa.string()), key[1]))
        found, alone = (
            expected_errors.of_slice(one) for one in (profile.slices[key], count(own, base.layout).overall)
        )
        assert found is not None
        assert alone is not None
        assert found.means == pytest.approx(alone.means, rel=1e-12)
        assert found.rows == own.num_rows
    weighted = table.append_column("weight", pa.array(np.full(2000, 4.0)))
    of_weighted = expected_errors.of_slice(count(weighted, base.layout).overall)
    assert of_weighted is not None
    assert of_weighted.means == pytest.approx(of_all.means, rel=1e-12)
    assert of_weighted.rows == 2000


def test_rows_without_answer_or_without_features_count_in_no_estimate(base):
    table = batch(rows(4, 400))
    answers = table.column("prediction").to_pylist()
    failed = table.set_column(
        table.schema.get_field_index("prediction"), "prediction", pa.array([None, *answers[1:]], pa.float64())
    )
    sampled = failed.append_column("sampled", pa.array([True] * 300 + [False] * 100))
    found = expected_errors.of_slice(count(sampled, base.layout).overall)
    assert found is not None
    assert found.rows == 299


def test_a_layout_keeps_its_trees_and_one_without_keeps_its_identity(base):
    again = build.decode(build.encode(base.layout))
    assert again.id == base.layout.id
    assert again.errors is not None
    table = batch(rows(5, 300))
    assert count(table, again) == count(table, base.layout)
    plain = from_table(STREAM, rows(0, 5000), 0.0).layout
    assert plain.errors is None
    assert plain.id != base.layout.id
    assert build.decode(build.encode(plain)).id == plain.id
    assert build.with_errors(base.layout, None).id == plain.id


def test_other_types_and_hostile_values_are_estimated_too(base):
    table = batch(rows(6, 300)).drop_columns(["features.kind"])
    texts = [None, "1e400", "-inf", "NaN", "x'\r\u2028\0", "١٢", "12", ""] * 37 + ["1"] * 4
    hostile = table.set_column(
        table.schema.get_field_index("features.y"), "features.y", pa.array(texts).dictionary_encode()
    )
    found = expected_errors.of_slice(count(hostile, base.layout).overall)
    assert found is not None
    assert np.isfinite(found.means).all()


def test_without_scikit_learn_the_table_is_used_and_the_hint_says_what_to_install(monkeypatch):
    monkeypatch.setattr(training, "find_spec", lambda name: None)
    made = from_table(STREAM, rows(0, 1500), 0.0, with_trees=True)
    assert made.layout.errors is None
    assert made.loss is not None
    assert training.WITHOUT in made.layout.notes


@pytest.mark.parametrize("fault", ["exit 3", "hangs", "garbage"])
def test_a_process_that_fails_leaves_a_baseline_with_the_table_and_the_reason(
    fault, monkeypatch, tmp_path: Path
):
    program = {
        "exit 3": "raise SystemExit('no memory')",
        "hangs": "import time; time.sleep(60)",
        "garbage": "print(1)",
    }
    monkeypatch.setattr(training, "_PATIENCE", 0.5 if fault == "hangs" else 60.0)
    script = tmp_path / "fit.py"
    script.write_text(program[fault])
    monkeypatch.setattr(training, "_COMMAND", (sys.executable, str(script)))
    made = from_table(STREAM, rows(0, 1500), 0.0, with_trees=True)
    assert made.layout.errors is None
    assert made.loss is not None
    assert any("a table of each feature alone:" in note for note in made.layout.notes)


def together(seed: int, n: int) -> pa.Table:
    """Rows of which both features have the same sign, so that all errors are large."""
    table = rows(seed, 3 * n)
    x, y = (table.column(name).to_numpy(zero_copy_only=False) for name in ("features.x", "features.y"))
    return table.filter(pa.array((x > 0) == (y > 0))).slice(0, n)


def estimated(base: Baseline, table: pa.Table) -> dict[tuple[str, Labels], Measurement]:
    counted = [count(batch(table), base.layout), count_outcomes(batch(table), base.layout)]
    found = dle.measure(Subject(STREAM, Window(0, 60), merge(counted), base, MetricSettings()))
    return {(m.metric, m.labels): m for m in found}


def mae(table: pa.Table) -> float:
    pair = (table.column(name).to_numpy() for name in ("prediction", "outcome.truth"))
    return float(np.abs(np.subtract(*pair)).mean())


def test_what_features_do_together_is_estimated_within_the_interval_also_by_segment_and_version(base):
    inside = 0
    for seed in range(10):
        table = together(20 + seed, 1000)
        found = estimated(base, table)["estimated_mae", ()]
        inside += found.low <= mae(table) <= found.high
        assert found.value == pytest.approx(mae(table), rel=0.12)
        assert found.value > 1.4 * found.baseline  # the usual error
    assert inside >= 9
    table = together(40, 2000)
    found = estimated(base, table)
    error = found["estimated_mae_error", ()]
    assert error.value == pytest.approx(found["estimated_mae", ()].value - mae(table))
    assert error.low <= 0 <= error.high
    for label, column, value in (("segment", "segments.region", "eu"), ("version", "version", "2")):
        own = table.filter(pa.compute.equal(table.column(column), value))
        of_own = found["estimated_mae", labels(**{label: "region=eu" if label == "segment" else "2"})]
        assert of_own.n == own.num_rows - own.column("prediction").null_count
        assert of_own.value == pytest.approx(mae(own), rel=0.15)


def test_the_table_of_each_feature_alone_misses_it():
    base = from_table(STREAM, rows(0, 6000), 0.0)
    table = together(20, 2000)
    assert estimated(base, table)["estimated_mae", ()].high < mae(table)


def classified(seed: int, n: int, alike: float) -> pa.Table:
    """A classifier without confidence that is wrong more often where two features have one sign, as in a share `alike`
    of the rows, and twice as often for one class.
    """
    rng = np.random.default_rng([12, seed])
    x, y = np.abs(rng.normal(size=(2, n))) * rng.choice([-1, 1], (2, n))
    y = np.where(rng.random(n) < alike, np.abs(y) * np.sign(x), -np.abs(y) * np.sign(x))
    answer = np.where(x > 0, "yes", "no")
    wrong = rng.random(n) < np.where(x * y > 0, 0.25, 0.03) * np.where(answer == "yes", 1.5, 0.5)
    columns = {
        "features.x": pa.array(x, mask=rng.random(n) < 0.03),
        "features.y": y,
        "prediction": answer,
        "outcome.truth": np.where(wrong, np.where(answer == "yes", "no", "yes"), answer),
        "segments.region": rng.choice(["eu", "us"], n),
    }
    return pa.table(columns)


def test_the_accuracy_of_answers_without_confidence_is_estimated_within_its_interval_when_inputs_drift():
    base = from_table(STREAM, classified(0, 8000, 0.3), 0.0, with_trees=True)
    inside = 0
    for seed in range(1, 13):
        window = classified(seed, 3000, 0.8)
        answer, truth = (window.column(name).to_numpy() for name in ("prediction", "outcome.truth"))
        known = count_outcomes(batch(window), base.layout)
        profile = merge([count(batch(window.drop_columns(["outcome.truth"])), base.layout), known])
        subject = Subject(STREAM, Window(0, 60), profile, base, MetricSettings())
        found = {(m.metric, m.labels): m for m in cbpe.measure(subject)}
        whole = found["estimated_accuracy", ()]
        right = float((answer == truth).mean())
        inside += whole.low <= right <= whole.high
        assert whole.value == pytest.approx(right, abs=0.03)
        assert whole.value < whole.baseline - 0.05  # the usual accuracy
        error = found["estimated_accuracy_error", ()]
        assert error.value == pytest.approx(whole.value - right, abs=1e-9)
        eu = window.column("segments.region").to_numpy() == "eu"
        of_eu = found["estimated_accuracy", labels(segment="region=eu")]
        assert of_eu.n == eu.sum()
        assert of_eu.value == pytest.approx((answer == truth)[eu].mean(), abs=0.05)
        assert [m.label("estimate") for m in gap.measure(subject) if m.value is not None] == ["accuracy"]
    assert inside >= 10


def test_classes_with_a_confidence_need_no_trees():
    table = classified(0, 3000, 0.3)
    surer = table.append_column("confidence", pa.array(np.full(3000, 0.9)))
    assert from_table(STREAM, surer, 0.0, with_trees=True).layout.errors is None


def test_the_interval_of_the_table_includes_the_error_of_its_fit():
    """Errors that add up over two labels, and a window of the rarest pair: the baseline has few rows like it."""
    rng = np.random.default_rng(11)

    def drawn(n: int, rare: float) -> pa.Table:
        one, other = (rng.choice(["a", "b", "c"], n, p=[1 - 2 * rare, rare, rare]) for _ in range(2))
        scale = 10.0 + 20 * (one == "b") + 15 * (other == "c")
        x = rng.normal(size=n)
        columns = {"features.one": one, "features.other": other, "prediction": x}
        return pa.table(
            columns | {"outcome.truth": x + scale * rng.choice([-1, 1], n) * rng.uniform(0.5, 1.5, n)}
        )

    inside = without = 0
    for _ in range(12):
        base = from_table(STREAM, drawn(600, 0.04), 0.0)
        window = drawn(4000, 0.45)
        found = estimated(base, window)["estimated_mae", ()]
        inside += found.low <= mae(window) <= found.high
        assert base.loss is not None
        half = 1.96 * np.sqrt(base.loss.variance / found.n)
        without += abs(found.value - mae(window)) <= half
    assert inside >= 10 > without
    again = loss_model.decode(loss_model.encode(base.loss))
    assert np.array_equal(again.members, base.loss.members)
    earlier = seal(msgpack.encode((1.0, 2.0, np.zeros(3).tobytes())))  # as an earlier version wrote it
    assert loss_model.decode(earlier).expected(np.ones(3)) == (1.0, 0.0)


def test_an_error_that_wanders_within_the_baseline_widens_the_interval():
    rng = np.random.default_rng(0)
    missed = rng.normal(size=20_000)
    assert fit._wander(missed) < 5e-4
    week = np.repeat(rng.normal(0, 0.3, 20), 1000)
    assert fit._wander(missed + week) == pytest.approx(np.var(week, ddof=1) * 20 / 20, rel=0.3)


def test_the_daemons_baseline_of_a_past_has_trees_and_its_windows_are_estimated(tmp_path: Path):
    rng = np.random.default_rng(0)
    n = 1200
    x, y = rng.normal(size=n), rng.normal(size=n)
    error = rng.normal(size=n) * np.where((x > 0) == (y > 0), 4.0, 1.0)
    with running(tmp_path) as (log, store):
        given = enumerate(zip(x.tolist(), y.tolist(), strict=True))
        made = [
            prediction(id=f"p{at}", timestamp=NOW - 3600 + at, prediction=5 * a, features={"x": a, "y": b})
            for at, (a, b) in given
        ]
        told = [outcome(id=f"p{at}", truth=truth) for at, truth in enumerate((5 * x + error).tolist())]
        send(log, RecordKind.PREDICTIONS, made)
        send(log, RecordKind.OUTCOMES, told)
        count_new(store, WindowSettings(), NOW)
        with store.read() as connection:
            built = baseline.from_period(connection, STREAM, NOW - 7200, NOW, NOW)
        assert built.layout.errors is not None
        assert built.layout.errors.rows == n
        with store.write() as connection:
            baseline.save(connection, built, NOW)
        with store.read() as connection:
            loaded = baseline.load(connection, STREAM)
    assert loaded is not None
    expected = expected_errors.of_slice(loaded.profile.overall)
    assert expected is not None
    assert expected.means.mean() == pytest.approx(np.abs(error).mean(), rel=0.05)


def gaps(base: Baseline, table: pa.Table) -> Measurement:
    counted = [count(batch(table), base.layout), count_outcomes(batch(table), base.layout)]
    (found,) = gap.measure(Subject(STREAM, Window(0, 60), merge(counted), base, MetricSettings()))
    return found


def test_the_gap_of_an_estimate_shows_a_table_that_misses_and_a_relation_that_changed(base):
    table = together(50, 3000)
    trusted = gaps(base, table)
    assert trusted.labels == labels(estimate="mae")
    assert trusted.low <= 0 <= trusted.high
    assert abs(trusted.value) < 0.1
    of_table = gaps(from_table(STREAM, rows(0, 5000), 0.0), table)
    assert of_table.high < -0.1  # much worse than estimated
    answers = table.column("prediction").to_numpy()
    truths = answers + 3 * (table.column("outcome.truth").to_numpy() - answers)
    place = table.schema.get_field_index("outcome.truth")
    changed = gaps(base, table.set_column(place, "outcome.truth", pa.array(truths)))
    assert changed.value == pytest.approx((trusted.value + 1) / 3 - 1)
    assert changed.high < -0.5


def test_the_gap_of_an_estimate_of_exact_answers_is_not_measured(base):
    table = together(51, 300)
    place = table.schema.get_field_index("outcome.truth")
    found = gaps(base, table.set_column(place, "outcome.truth", table.column("prediction")))
    assert found.value is None
    assert found.reason == "all answers with a known truth are exact"


def test_an_estimate_that_other_outcomes_make_wrong_is_told_apart_by_its_gap() -> None:
    """No feature shows that high targets became frequent, so the interval misses; the watch over the gap must not.

    The limit and the confidence are those of `EstimatesOff`.
    """
    base = label_shift.learned(501, 20.0)
    usual, shifted = (label_shift.rows(502, 20_000, label_shift.Shift(share, 20.0)) for share in (0.25, 0.75))
    seen = label_shift.estimated(base, usual)["estimate_gap"]
    assert seen.low is not None
    assert seen.high is not None
    assert seen.low < 0 < seen.high or abs(seen.value or 1.0) < 0.02
    gap_, estimate = (label_shift.estimated(base, shifted)[n] for n in ("estimate_gap", "estimated_mae"))
    truth, answer = (shifted.column(name).to_numpy() for name in ("outcome.truth", "prediction"))
    assert (estimate.high or 0.0) < np.abs(truth - answer).mean()
    assert gap_.value is not None
    assert gap_.high is not None
    widened = NormalDist().inv_cdf(0.5 + 0.99995 / 2) / NormalDist().inv_cdf(0.975)
    assert gap_.value + widened * (gap_.high - gap_.value) < -label_shift.LIMIT
