"""A target without a metric applies to the quality of the model, whatever its task."""

import pytest

from monitor.evaluation.targets import TargetJudge
from monitor.health import targets, wording
from monitor.health.settings import ModelView
from monitor.metrics import METRICS
from monitor.metrics.intervals import wilson
from monitor.records import Measurement, Stream, Window

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


def test_what_was_agreed_stands_for_quality_before_what_is_usual() -> None:
    assert targets.quality_metrics(ModelView())[0] == "accuracy"
    assert targets.quality_metrics(ModelView(quality="f1", targets={"mae": 3.0})) == ("f1",)
    agreed = ModelView(targets={"latency_p95": 80.0, "goal_rate": 0.9}, agent={"goal": "true"})
    assert targets.quality_metrics(agreed)[:2] == ("goal_rate", "accuracy")
    alarms = ModelView(anomaly={"threshold": 0.9}, targets={"alert_precision": 0.5})
    assert targets.quality_metrics(alarms)[:2] == ("alert_precision", "precision_at_top_k")
    for view in (ModelView(), agreed, alarms):
        assert sorted(targets.quality_metrics(view)) == sorted(wording.QUALITY)
