"""Each figure is scikit-learn's, on the items that both sides answered: also of dirty labels, ties and gaps."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from monitor.gating import GateResult
from tests.gating.items import classified, compared, regressed
from tests.support.thorough import examples

CLASSES = (
    "accuracy", "balanced_accuracy", "precision", "recall", "f1", "roc_auc", "log_loss", "expected_calibration_error",
    "brier_score",
)  # fmt: skip
NUMBERS = ("mae", "rmse", "mape")


def of_classes(side: pd.DataFrame, truth: pd.Series, classes: tuple[str, ...]) -> dict[str, float]:
    """scikit-learn's figures; calibration by an independent formula."""
    answer, confidence = side["prediction"], side["confidence"].to_numpy()
    right = (answer == truth).to_numpy()
    bins = np.minimum((confidence * 10).astype(int), 9)
    gaps = [abs((confidence - right)[bins == one].sum()) for one in range(10)]
    macro = {"average": "macro", "zero_division": 0}
    found = {
        "accuracy": sk.accuracy_score(truth, answer),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, answer),
        "precision": sk.precision_score(truth, answer, **macro),
        "recall": sk.recall_score(truth, answer, **macro),
        "f1": sk.f1_score(truth, answer, **macro),
        "expected_calibration_error": sum(gaps) / len(side),
        "brier_score": sk.brier_score_loss(right, confidence),
    }
    shares = side[[f"probabilities.{name}" for name in classes]].to_numpy()
    found["log_loss"] = sk.log_loss(truth, shares, labels=list(classes))
    areas = [sk.roc_auc_score(truth == name, shares[:, place]) for place, name in enumerate(classes)]
    found["roc_auc"] = float(np.mean(areas))
    return found


def matches(result: GateResult, candidate: dict[str, float], baseline: dict[str, float]) -> None:
    for one in result.metrics:
        assert one.candidate == pytest.approx(candidate[one.metric], rel=1e-9), one
        assert one.baseline == pytest.approx(baseline[one.metric], rel=1e-9), one
        assert one.difference == pytest.approx(one.candidate - one.baseline)


@settings(max_examples=examples(6), deadline=None, phases=(Phase.explicit, Phase.generate))
@given(st.integers(0, 10**6), st.sampled_from([("no", "yes"), ("a", "b", "c"), ("0", "1")]))
def test_figures_of_classes_are_those_of_scikit_learn(seed: int, classes: tuple[str, ...]) -> None:
    candidate, baseline, truth = classified(150, seed=seed, classes=classes)
    rng = np.random.default_rng(seed)
    for side in (candidate, baseline):
        shares = np.round(rng.dirichlet(np.ones(len(classes)), len(side)), 2) + 0.01  # ties
        shares /= shares.sum(axis=1, keepdims=True)
        for place, name in enumerate(classes):
            side[f"probabilities.{name}"] = shares[:, place]
    result = compared(candidate, baseline, truth=truth, metrics=CLASSES)
    matches(
        result,
        of_classes(candidate, truth["truth"], classes),
        of_classes(baseline, truth["truth"], classes),
    )


def test_labels_in_several_notations_are_one_class() -> None:
    candidate, baseline, truth = classified(300, classes=("0", "1"))
    plain = compared(candidate, baseline, truth=truth)
    dirty = candidate.copy()
    dirty["prediction"] = dirty["prediction"].map({"0": False, "1": True})
    truth["truth"] = truth["truth"].map({"0": "0.0", "1": "1"})
    baseline["prediction"] = baseline["prediction"].astype(float)
    mixed = compared(dirty, baseline, truth=truth, task="binary")
    for one in mixed.metrics:
        other = plain.metric(one.metric)
        assert other is not None
        assert (one.candidate, one.baseline) == pytest.approx((other.candidate, other.baseline))


def test_only_items_that_both_answered_are_compared() -> None:
    """Errors on hard items must not make a candidate look better."""
    candidate, baseline, truth = classified(400, lost=0.05, won=0.0)
    candidate["error"] = None
    wrong = (candidate["prediction"] != truth["truth"]) & (candidate.index % 2 == 0)
    candidate.loc[wrong, "error"] = "timeout"
    candidate.loc[wrong, "prediction"] = None
    truth = truth.iloc[:-25]
    result = compared(candidate, baseline, truth=truth)
    both = ~wrong.to_numpy() & (np.arange(400) < 375)
    accuracy, errors = result.metric("accuracy"), result.metric("error_rate")
    assert accuracy is not None
    assert errors is not None
    assert accuracy.n == both.sum()
    expected = (baseline["prediction"][:375] == truth["truth"])[both[:375]].mean()
    assert accuracy.baseline == pytest.approx(expected)
    assert (errors.n, errors.candidate, errors.baseline) == (400, pytest.approx(wrong.mean()), 0.0)


def test_figures_of_numbers_are_those_of_scikit_learn() -> None:
    candidate, baseline = regressed(250, worse=0.3)
    truth = candidate["truth"]
    expected = [
        {
            "mae": sk.mean_absolute_error(truth, side["prediction"]),
            "rmse": sk.root_mean_squared_error(truth, side["prediction"]),
            "mape": sk.mean_absolute_percentage_error(truth, side["prediction"]),
        }
        for side in (candidate, baseline)
    ]
    matches(compared(candidate, baseline, metrics=NUMBERS), *expected)


@pytest.mark.parametrize("n", [41, 5000])
def test_percentiles_are_those_of_numpy(n: int) -> None:
    candidate, baseline, _ = classified(n)
    names = {50: "latency_p50", 90: "latency_p90", 95: "latency_p95", 99: "latency_p99"}
    result = compared(candidate, baseline, metrics=[*names.values(), "latency_mean", "cost_per_prediction"])
    for side, of in ((candidate, "candidate"), (baseline, "baseline")):
        for percent, name in names.items():
            exact = np.quantile(side["latency_ms"], percent / 100, method="inverted_cdf") / 1000
            assert getattr(result.metric(name), of) == pytest.approx(exact)
        assert getattr(result.metric("latency_mean"), of) == pytest.approx(side["latency_ms"].mean() / 1000)
        assert getattr(result.metric("cost_per_prediction"), of) == pytest.approx(side["cost"].mean())


def test_the_spread_of_percentiles_and_areas_is_that_of_the_bootstrap() -> None:
    """Standard errors by drawing rows one by one, with the figures computed anew."""
    candidate, baseline, truth = classified(300)
    names = ["latency_p95", "roc_auc", "f1", "log_loss"]
    result = compared(candidate, baseline, truth=truth, metrics=names, draws=2000)
    rng = np.random.default_rng(1)
    drawn: dict[str, list[float]] = {name: [] for name in names}
    is_yes = (truth["truth"] == "yes").to_numpy()
    for _ in range(120):
        rows = rng.integers(0, 300, 300)
        parts = []
        for side in (candidate, baseline):
            share = side["probabilities.yes"].to_numpy()[rows]
            parts.append(
                {
                    "latency_p95": np.quantile(
                        side["latency_ms"].to_numpy()[rows], 0.95, method="inverted_cdf"
                    )
                    / 1000,
                    "roc_auc": sk.roc_auc_score(is_yes[rows], share),
                    "f1": sk.f1_score(
                        is_yes[rows], side["prediction"].to_numpy()[rows] == "yes", average="macro"
                    ),
                    "log_loss": sk.log_loss(is_yes[rows], share),
                }
            )
        for name, values in drawn.items():
            values.append(parts[0][name] - parts[1][name])
    for name, values in drawn.items():
        one = result.metric(name)
        assert one is not None
        assert one.low is not None
        assert one.high is not None
        low, high = np.quantile(values, [0.05, 0.95])
        assert one.high - one.low == pytest.approx(high - low, rel=0.35), name
