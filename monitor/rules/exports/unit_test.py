"""Generates promtool unit tests for exported rules: synthetic measurements, and the results of our own engine, minute
by minute.

If `promtool test rules` passes, Prometheus and our engine agree at each of these moments.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitor.config.units import HOUR
from monitor.metrics import METRICS
from monitor.records import Alert, Labels, Measurement, Stream, Window
from monitor.rules.engine.evaluate import evaluate
from monitor.rules.engine.readings import Past, Readings
from monitor.rules.exports.exposed import EXTRA, LABELS, UsedThreshold, exposed, used_thresholds
from monitor.rules.exports.prometheus_rules import dump
from monitor.rules.exports.promql import BASE, quoted
from monitor.rules.language.matchers import Matcher
from monitor.rules.rule import Rule, RuleSet

STREAM = Stream("acme", "fraud")
EVERY = 60
After = Callable[[Alert], Alert]
WELL, TROUBLE, AFTER = 5, 15, 15
"""Minutes of each phase of the scenario, besides the waits of the rule."""
_USUAL, _MANY = 0.1, 1e5
Minute = Mapping[int, Sequence[Measurement]]
"""The measurements of one minute, by window length in seconds."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """The measurements for one rule, minute by minute, and the value of an earlier day."""

    minutes: Sequence[Minute]
    past: float | None = _USUAL
    stream: Stream = STREAM

    def readings(self, minute: int) -> Readings:
        """The measurements that the engine reads at a minute."""
        measured = {
            (self.stream, seconds): list(measurements)
            for seconds, measurements in self.minutes[minute].items()
        }
        return Readings(measured, self._past)

    @property
    def _past(self) -> Past:
        return lambda *_: self.past


def _unchanged(alert: Alert) -> Alert:
    return alert


def unit_test(rules: RuleSet, rule_file: str, names: Iterable[str]) -> str:
    """A promtool test of the exported rules of these names, with one scenario each."""
    tests = [compared(rules, rule, scenario_of(rule)) for rule in rules.rules if rule.name in set(names)]
    return dump({"rule_files": [rule_file], "evaluation_interval": f"{EVERY}s", "tests": tests})


def scenario_of(rule: Rule) -> Scenario:
    """A scenario: normal, then beyond every limit for longer than the rule waits, then normal again."""
    waits = (int(rule.wait) // EVERY, min(int(rule.keep), HOUR) // EVERY)
    lengths = (WELL, TROUBLE + waits[0] + rule.of, AFTER + waits[1])
    return Scenario(
        [
            synthetic_minute(rule, beyond)
            for beyond, length in zip((False, True, False), lengths, strict=True)
            for _ in range(length)
        ]
    )


def synthetic_minute(rule: Rule, beyond: bool) -> Minute:
    """Measurements beyond all limits of a rule, or within them."""
    measured: dict[int, dict[str, Measurement]] = {}
    for used in used_thresholds(rule.condition, rule.by):
        threshold = used.threshold
        limit = threshold.level.resolve(_USUAL) or 0.0
        sign = 1 if threshold.is_above == beyond else -1
        by_metric = measured.setdefault(threshold.seconds, {})
        previous = by_metric.get(threshold.metric)
        value = limit + sign * (abs(limit) * 0.8 or 1.0)
        if previous is not None and previous.value is not None:
            value = max(value, previous.value) if sign > 0 else min(value, previous.value)
        by_metric[threshold.metric] = _measurement(used, value)
    return {seconds: list(measurements.values()) for seconds, measurements in measured.items()}


def _matching(matcher: Matcher) -> str:
    """A value that a matcher accepts: its own, or one of the alternatives of its regular expression."""
    candidates = (matcher.value, *matcher.value.split("|"), "amount")
    return next((text for text in candidates if matcher.matches({matcher.name: text})), "amount")


def _measurement(used: UsedThreshold, value: float) -> Measurement:
    threshold = used.threshold
    units = {metric.name: (metric.unit, metric.better) for metric in METRICS}
    unit, better = units.get(threshold.metric, ("", METRICS[0].better))
    pinned = {one_matcher.name: _matching(one_matcher) for one_matcher in threshold.matchers}
    named = {"feature", *pinned} if "feature" in used.by and not pinned else set(pinned)
    labels: Labels = tuple(sorted((name, pinned.get(name, "amount")) for name in named))
    window = Window(0, threshold.seconds or EVERY)
    return Measurement(
        STREAM, window, threshold.metric, value, unit, better, _MANY, labels, value, value, baseline=_USUAL
    )


def compared(rules: RuleSet, rule: Rule, scenario: Scenario, after: After = _unchanged) -> dict[str, Any]:
    """One promtool test: the series of a scenario, and the alerts of the rule that our engine has open.

    `after` changes each alert between two evaluations, for known differences of Prometheus.
    """
    checks = [
        {
            "expr": _firing(rule),
            "eval_time": f"{minute}m",
            "exp_samples": [_sample(alert) for alert in alerts],
        }
        for minute, alerts in enumerate(open_alerts(rules, rule, scenario, after))
    ]
    return {"interval": f"{EVERY}s", "input_series": series(rules, scenario), "promql_expr_test": checks}


def open_alerts(
    rules: RuleSet, rule: Rule, scenario: Scenario, after: After = _unchanged
) -> Iterator[list[Alert]]:
    """The alerts of a rule that the engine has open at each minute of a scenario. Rules do not read each other."""
    alerts: dict[str, Alert] = {}
    rules = RuleSet(tuple(entry for entry in rules.entries if entry.rule.name == rule.name))
    for minute in range(len(scenario.minutes)):
        changed = evaluate(rules, scenario.readings(minute), alerts, float(minute * EVERY), step=EVERY).alerts
        alerts |= {alert.fingerprint: after(alert) for alert in changed}
        yield [alert for alert in alerts.values() if alert.rule == rule.name and alert.is_open]


def series(rules: RuleSet, scenario: Scenario) -> list[dict[str, str]]:
    """The input series of promtool: the series that `/metrics` would have exposed."""
    by_series: dict[tuple[str, tuple[str, ...]], dict[int, float]] = {}
    in_force = rules.for_stream(scenario.stream)
    for minute in range(len(scenario.minutes)):
        for sample in exposed(in_force, scenario.stream, scenario.readings(minute)):
            by_series.setdefault((sample.name, sample.values), {})[minute] = sample.value
    lines = []
    for (name, values), by_minute in by_series.items():
        names = (*BASE, "metric", "window", *LABELS, *EXTRA.get(name, ()))
        labels = ",".join(f"{key}={quoted(text)}" for key, text in zip(names, values, strict=True) if text)
        values_text = [_number(by_minute.get(minute)) for minute in range(len(scenario.minutes))]
        lines.append({"series": f"{name}{{{labels}}}", "values": " ".join(values_text)})
    return lines


def _number(value: float | None) -> str:
    return "stale" if value is None else repr(float(value))


def _firing(rule: Rule) -> str:
    labels = ", ".join((*BASE, *rule.by, "severity"))
    return f'max by ({labels}) (ALERTS{{alertname={quoted(rule.name)},alertstate="firing"}})'


def _sample(alert: Alert) -> dict[str, Any]:
    of = {**dict(alert.stream.labels), **dict(alert.instance), "severity": alert.severity.value}
    return {"labels": f"{{{','.join(f'{name}={quoted(text)}' for name, text in of.items())}}}", "value": 1}
