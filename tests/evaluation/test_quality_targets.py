"""A target without a metric applies to the quality of the model, whatever its task."""

import pytest

from monitor.evaluation.targets import TargetJudge
from monitor.health import targets, wording
from monitor.health.declared.custom_metric_settings import CustomMetricSection
from monitor.health.settings import ModelView
from monitor.metrics import METRICS
from monitor.metrics.intervals import wilson
from monitor.records import Better, Measurement, Stream, Window, labels

FRAUD = Stream("acme", "fraud")


def measured(
    metric: str, value: float | None, low: float | None, high: float | None, n: float
) -> Measurement:
    better = next(one.better for one in METRICS if one.name == metric)
    return Measurement(FRAUD, Window(0, 86400), metric, value, "", better, n, (), low, high)


def share(metric: str, value: float, n: float) -> Measurement:
    return measured(metric, value, *wilson(value * n, n), n)


def test_a_target_without_a_metric_is_of_the_quality_that_is_measured() -> None:
    judge = TargetJudge(lambda _: ModelView(target=10.0))
    found = {86400: [measured("mae", 12.0, 11.0, 13.0, 1000)]}
    assert [(one.metric, targets.standing_of(one)) for one in judge.judge(FRAUD, found)] == [
        ("mae", "missed")
    ]


@pytest.mark.parametrize(
    ("target", "seen", "metric", "standing"),
    [
        (0.9, [], "accuracy", "unknown"),
        (10.0, [], "mae", "unknown"),
        (0.9, [measured("subset_accuracy", None, None, None, 40)], "subset_accuracy", "unknown"),
        (0.9, [share("hit_rate_at_k", 0.7, 1000)], "hit_rate_at_k", "missed"),
        (0.9, [share("estimated_accuracy", 0.95, 1000)], "accuracy", "kept"),
        (0.9, [share("estimated_accuracy", 0.5, 1000)], "accuracy", "at_risk"),
    ],
)
def test_a_target_without_a_metric_is_never_forgotten(
    target: float, seen: list[Measurement], metric: str, standing: str
) -> None:
    judge = TargetJudge(lambda _: ModelView(target=target))
    [one] = judge.judge(FRAUD, {86400: seen})
    assert (one.metric, targets.standing_of(one).value) == (metric, standing)


@pytest.mark.parametrize(
    ("target", "is_judged"),
    [
        ("precision_at_top_k", False),
        ("catalogue_coverage", False),
        ("alert_precision", True),
        ("hit_rate_at_k", True),
    ],
)
def test_what_depends_on_the_number_of_rows_is_judged_over_a_day(target: str, is_judged: bool) -> None:
    judge = TargetJudge(lambda _: ModelView(targets={target: 0.5}))
    low, day = share(target, 0.01, 500), share(target, 0.9, 20_000)
    [one] = judge.judge(FRAUD, {300: [low], 3600: [low], 86400: [day]})
    assert targets.standing_of(one) == ("missed" if is_judged else "kept")
    [one] = judge.judge(FRAUD, {300: [low], 3600: [low]})
    assert targets.standing_of(one) == ("missed" if is_judged else "unknown")


@pytest.mark.parametrize(
    ("expression", "is_judged"),
    [("sum(cost)", False), ("count(prediction == 'ok')", False), ("sum(cost) / count()", True), ("mean(cost)", True),
     ("quantile(cost, 0.5)", True), ("share(prediction == 'ok')", True)],
)  # fmt: skip
def test_a_sum_that_was_agreed_of_a_day_is_not_missed_in_a_minute(expression: str, is_judged: bool) -> None:
    own = CustomMetricSection(expression=expression, lower_is_better=False, target=1000)
    judge = TargetJudge(lambda _: ModelView(metrics={"revenue": own}, targets={"revenue": 1000.0}))
    low = Measurement(
        FRAUD, Window(0, 300), "own_metric", 3.0, "", Better.HIGHER, 500, labels(name="revenue"), 2.9, 3.1
    )
    [one] = judge.judge(FRAUD, {300: [low], 3600: [low]})
    assert targets.standing_of(one) == ("missed" if is_judged else "unknown")


def test_what_was_agreed_stands_for_quality_before_what_is_usual() -> None:
    assert targets.quality_metrics(ModelView())[0] == "accuracy"
    assert targets.quality_metrics(ModelView(quality="f1", targets={"mae": 3.0})) == ("f1",)
    agreed = ModelView(targets={"latency_p95": 80.0, "goal_rate": 0.9}, agent={"goal": "true"})
    assert targets.quality_metrics(agreed)[:2] == ("goal_rate", "accuracy")
    alarms = ModelView(anomaly={"threshold": 0.9}, targets={"alert_precision": 0.5})
    assert targets.quality_metrics(alarms)[:2] == ("alert_precision", "precision_at_top_k")
    for view in (ModelView(), agreed, alarms):
        assert sorted(targets.quality_metrics(view)) == sorted(wording.QUALITY)
