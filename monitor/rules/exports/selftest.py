"""Tests of rule files, as YAML files: series in, alerts out. `watchkeeper rules test` and our own tests run them.

    rules: critical.yaml
    tests:
      - name: a fault is paged within seconds
        every: 1s
        series:
          - {metric: error_rate, over: open, n: 75, values: 0.01x60 0.4x30 0.01x60}
        expect:
          - {alert: HighErrorRate, from: 61s, to: 121s}

A value is a number, or `_` for "not measured", each with `xN` for N evaluations. The first evaluation is at `every`.
`from` is when the alert fires, `to` when it resolves; without `to` it still fires at the end. Alerts that are not
expected must not fire.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field

from monitor.config.sections import Duration, Section
from monitor.config.units import format_duration
from monitor.config.yaml import Document, read, suggest, validate
from monitor.errors import ConfigError, Problem
from monitor.records import Alert, Measurement, State, Stream, Window
from monitor.rules import load
from monitor.rules.engine import no_data
from monitor.rules.engine.evaluate import evaluate
from monitor.rules.engine.readings import Readings
from monitor.rules.language.build import RuleMetric, known
from monitor.rules.language.schema import Length
from monitor.rules.rule import RuleSet

_VALUE = re.compile(r"(_|[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)(?:x(\d+))?")
_EPOCH = 1_800_000_000
_LONGEST = 1_000_000


def _expanded(text: object) -> tuple[float | None, ...]:
    """Parse `0.01x3 _ 0.4` into values.

    Raises:
        ValueError: a word is not a value.
    """
    values: list[float | None] = []
    for word in str(text).split():
        form = _VALUE.fullmatch(word)
        times = int(form[2] or 1) if form else 0
        if form is None or not 0 < times <= _LONGEST:
            msg = f"{word!r} is not a value (use 0.01, 0.4x30, _)"
            raise ValueError(msg)
        values += [None if form[1] == "_" else float(form[1])] * times
    if not values:
        msg = "has no value (use 0.01, 0.4x30, _)"
        raise ValueError(msg)
    return tuple(values)


def _stream(text: object) -> Stream:
    parts = str(text).split("/")
    if len(parts) != 3 or not all(parts):
        msg = f"{text!r} is not a stream (use acme/fraud/production)"
        raise ValueError(msg)
    return Stream(*parts)


Values = Annotated[tuple[float | None, ...], BeforeValidator(_expanded)]
StreamName = Annotated[Stream, BeforeValidator(_stream)]


class SeriesModel(Section):
    """The values of one metric over time."""

    metric: str
    over: Length = 60
    values: Values
    n: float = 1000
    baseline: float | None = None
    past: float | None = None
    unit: str = "share"
    labels: dict[str, str] = Field(default_factory=dict)


class ExpectModel(Section):
    """One episode of one alert."""

    alert: str
    from_: Duration = Field(alias="from")
    to: Duration | None = None
    severity: str = ""
    labels: dict[str, str] = Field(default_factory=dict)


class CaseModel(Section):
    """One test case."""

    name: str
    every: Duration = 1.0
    stream: StreamName = Stream("acme", "fraud", "production")
    series: tuple[SeriesModel, ...]
    expect: tuple[ExpectModel, ...] = ()


class FileModel(Section):
    """A file of tests for a rule file in the same folder."""

    rules: str
    tests: tuple[CaseModel, ...]


@dataclass(frozen=True, slots=True)
class StoryResult:
    """What one story came to; `problems` is empty where all is as expected."""

    name: str
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True, order=True)
class _Episode:
    alert: str
    labels: tuple[tuple[str, str], ...]
    start: float
    end: float | None

    def __str__(self) -> str:
        end = "the end" if self.end is None else format_duration(self.end)
        labels = f" {dict(self.labels)}" if self.labels else ""
        return f"{self.alert}{labels} from {format_duration(self.start)} to {end}"


def run(path: Path, metrics: Iterable[RuleMetric], shipped: Path | None = None) -> list[StoryResult]:
    """Run a file of tests.

    Raises:
        ConfigError: the file, or the rule file it names, has errors.
    """
    document = read(path)
    tests = validate(FileModel, document, document.data)
    metrics = list(metrics)
    rules = load([path.parent / tests.rules], metrics, shipped)
    names = {rule.name for rule in rules.rules} | {no_data.NAME}
    if unknown := list(_unknown(tests, document, set(known(metrics)), names)):
        raise ConfigError(unknown)
    return [StoryResult(case.name, tuple(_problems(case, rules))) for case in tests.tests]


def _unknown(tests: FileModel, document: Document, metrics: set[str], alerts: set[str]) -> Iterator[Problem]:
    """Report metrics and alerts that do not exist: a test about them would prove nothing."""
    for t, case in enumerate(tests.tests):
        for i, series in enumerate(case.series):
            if series.metric not in metrics:
                reason = f"there is no metric {series.metric}{suggest(series.metric, metrics)}"
                yield document.problem(("tests", t, "series", i, "metric"), reason)
        for i, expected in enumerate(case.expect):
            if expected.alert not in alerts:
                reason = f"there is no rule {expected.alert}{suggest(expected.alert, alerts)}"
                yield document.problem(("tests", t, "expect", i, "alert"), reason)


def _problems(case: CaseModel, rules: RuleSet) -> list[str]:
    episodes, severities = _episodes(case, rules)
    expected = {
        _Episode(e.alert, tuple(sorted(e.labels.items())), e.from_, e.to): e.severity for e in case.expect
    }
    problems = [f"expected and did not happen: {episode}" for episode in sorted(set(expected) - episodes)]
    problems += [f"happened and was not expected: {episode}" for episode in sorted(episodes - set(expected))]
    for episode, severity in expected.items():
        actual_severity = severities.get(episode.alert, "")
        if severity and actual_severity and actual_severity != severity:
            problems.append(f"{episode.alert} is {actual_severity}, not {severity}")
    return problems


def _episodes(case: CaseModel, rules: RuleSet) -> tuple[set[_Episode], dict[str, str]]:
    stream = case.stream
    pasts = {model.metric: model.past for model in case.series}

    def past(_s: object, metric: str, _l: object, _n: object, _a: object, _b: object) -> float | None:
        return pasts.get(metric)

    alerts: dict[str, Alert] = {}
    started: dict[str, float] = {}
    episodes: set[_Episode] = set()
    for tick in range(max((len(series.values) for series in case.series), default=0)):
        now = _EPOCH + (tick + 1) * case.every
        measured = _measured(stream, case.series, tick, now)
        evaluation = evaluate(rules, Readings(measured, past), alerts, now, step=case.every)
        alerts |= {alert.fingerprint: alert for alert in evaluation.alerts}
        for change in evaluation.transitions:
            alert = alerts[change.fingerprint]
            if change.to is State.FIRING:
                started.setdefault(change.fingerprint, now - _EPOCH)
            elif change.to is State.RESOLVED:
                start = started.pop(change.fingerprint)
                episodes.add(_Episode(alert.rule, alert.instance, start, now - _EPOCH))
    for fingerprint, start in started.items():
        episodes.add(_Episode(alerts[fingerprint].rule, alerts[fingerprint].instance, start, None))
    return episodes, {alert.rule: alert.severity.value for alert in alerts.values()}


def _measured(
    stream: Stream, series: Iterable[SeriesModel], tick: int, now: float
) -> dict[tuple[Stream, int], list[Measurement]]:
    measured: dict[tuple[Stream, int], list[Measurement]] = {}
    for model in series:
        value = model.values[tick] if tick < len(model.values) else None
        seconds = model.over or 60
        window = Window(round(now) - seconds, round(now))
        measurement = Measurement(
            stream,
            window,
            model.metric,
            value,
            model.unit,
            n=model.n,
            labels=tuple(sorted(model.labels.items())),
            baseline=model.baseline,
            reason="" if value is not None else "was not measured",
        )
        measured.setdefault((stream, model.over), []).append(measurement)
    return measured
