"""promtool unit tests for exported rules: made series, and what our own engine makes of them, minute by minute.

When `promtool test rules` passes, Prometheus and we agree at each of these moments.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from monitor.records import Alert, Measurement, State, Stream, Window, labels
from monitor.rules.condition import All, Condition
from monitor.rules.condition import Any as Some
from monitor.rules.evaluate import judge
from monitor.rules.export import dump, export, template
from monitor.rules.promql import RECENT, differences
from monitor.rules.readings import Readings
from monitor.rules.rule import Entry, Rule, RuleSet
from monitor.rules.threshold import Threshold

STREAM = Stream("acme", "fraud")
EVERY = 60
PER_MINUTE = 600
_SERIES = 'client="acme",environment="production",model="fraud"'


@dataclass(frozen=True, slots=True)
class Minute:
    """What happens in one minute: how many predictions and errors, and the gauges' values."""

    predictions: int = PER_MINUTE
    errors: int = 0
    gauge: float = 0.0


STORY = (
    *([Minute(errors=3, gauge=0.9)] * 20),
    *([Minute(errors=180, gauge=0.5)] * 30),
    *([Minute(errors=3, gauge=0.9)] * 40),
)
"""Well, half an hour of trouble, and well again: what exported tests are made of."""


def has_test(rule: Rule) -> bool:
    """Whether Prometheus and we mean the same by a rule, and its series can be made here."""
    parts = list(_thresholds(rule.condition))
    return (
        bool(parts)
        and rule.of == 1
        and not rule.matchers
        and not differences(rule.condition)
        and all(part.metric in _FIGURES and not part.level.reference for part in parts)
    )


def unit_test(rules: Sequence[Rule], rule_file: str, minutes: Sequence[Minute] = STORY) -> str:
    """A promtool test of exported rules over made minutes; expectations are what our engine says."""
    tested = [rule for rule in rules if has_test(rule)]
    expected = list(_expected(tested, minutes))
    checks = [
        {
            "eval_time": f"{minute}m",
            "alertname": rule.name,
            "exp_alerts": [_alert(rule, value)] if fires else [],
        }
        for minute, rule, fires, value in expected
    ]
    document = {
        "rule_files": [rule_file],
        "evaluation_interval": f"{EVERY}s",
        "tests": [{"interval": f"{EVERY}s", "input_series": _series(minutes), "alert_rule_test": checks}],
    }
    return dump(document)


def rule_file(rules: Sequence[Rule]) -> str:
    """The exported rules that `unit_test` tests."""
    return export([rule for rule in rules if has_test(rule)]).text


def _expected(rules: Sequence[Rule], minutes: Sequence[Minute]) -> Iterator[tuple[int, Rule, bool, float]]:
    alerts: dict[str, Alert] = {}
    rule_set = RuleSet(tuple(Entry(rule) for rule in rules))
    for minute in range(len(minutes)):
        readings = {
            (STREAM, seconds): [_measured(minutes, minute, seconds, metric) for metric in _FIGURES]
            for seconds in rule_set.windows()
        }
        now = float(minute * EVERY)
        made = judge(rule_set, Readings(readings), alerts, now, step=EVERY)
        alerts |= {alert.fingerprint: alert for alert in made.alerts}
        by_rule = {alert.rule: alert for alert in alerts.values()}
        for rule in rules:
            alert = by_rule.get(rule.name)
            fires = alert is not None and alert.state in (State.FIRING, State.RECOVERING)
            yield minute, rule, fires, (alert.value or 0.0) if alert else 0.0


def _measured(minutes: Sequence[Minute], minute: int, seconds: int, metric: str) -> Measurement:
    count = max((seconds or RECENT) // EVERY, 1)
    # promtool's first sample is at 0 m: an increase over a longer range than there is covers what there is.
    inside = minutes[max(minute - count + 1, 1) : minute + 1]
    window = Window(minute * EVERY - count * EVERY, minute * EVERY)
    value = _FIGURES[metric](minutes[minute], inside)
    n = sum(each.predictions for each in inside)
    return Measurement(STREAM, window, metric, value, n=n)


_FIGURES: dict[str, Callable[[Minute, Sequence[Minute]], float | None]] = {
    "error_rate": lambda _, span: _share(sum(x.errors for x in span), sum(x.predictions for x in span)),
    "accuracy": lambda now, _: now.gauge,
    "drifted_share": lambda now, _: now.gauge,
}


def _share(count: int, of: int) -> float | None:
    return count / of if of else None


def _series(minutes: Sequence[Minute]) -> list[dict[str, str]]:
    totals, failed = [0], [0]
    for minute in minutes[1:]:
        totals.append(totals[-1] + minute.predictions)
        failed.append(failed[-1] + minute.errors)
    gauges = " ".join(f"{minute.gauge:g}" for minute in minutes)
    chosen = 'metric="accuracy",kind="realized",segment="all"'
    return [
        _one(f"watchkeeper_predictions_total{{{_SERIES}}}", " ".join(map(str, totals))),
        _one(f"watchkeeper_prediction_errors_total{{{_SERIES}}}", " ".join(map(str, failed))),
        _one(f"watchkeeper_performance_value{{{_SERIES},{chosen}}}", gauges),
        _one(f"watchkeeper_drifted_features_ratio{{{_SERIES}}}", gauges),
    ]


def _one(series: str, values: str) -> dict[str, str]:
    return {"series": series, "values": values}


def _alert(rule: Rule, value: float) -> dict[str, Any]:
    fields = dict(labels(client=STREAM.client, environment=STREAM.environment, model=STREAM.model))
    told = {}
    for name, text in rule.annotations:
        if name in ("summary", "impact"):
            filled = template(text, rule)
            for label, found in fields.items():
                filled = filled.replace(f"{{{{ $labels.{label} }}}}", found)
            told[name] = filled.replace('{{ printf "%.3g" $value }}', f"{value:.3g}")
    return {"exp_labels": {**fields, **dict(rule.labels)}, "exp_annotations": told}


def _thresholds(condition: Condition) -> Iterator[Threshold]:
    if isinstance(condition, Threshold):
        yield condition
    elif isinstance(condition, (All, Some)):
        for part in condition.parts:
            yield from _thresholds(part)
