"""The measurements that rules read, as Prometheus series: values, rows, baselines, past values and confidence bounds.

`/metrics` exposes these series, and the exported rules are generated from the same list.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from monitor.config.units import format_duration
from monitor.metrics import METRICS
from monitor.records import Labels, Measurement, Stream
from monitor.rules.engine.burn_rate import Burn
from monitor.rules.engine.condition import All, Any, Condition, MeasurementSource
from monitor.rules.engine.threshold import (
    PROPORTIONS,
    Absent,
    ShareLimit,
    Threshold,
    edge,
    is_significantly_beyond,
)
from monitor.rules.language.level import PAST
from monitor.rules.rule import Rule

_STREAM_LABELS = ("client", "environment", "model")
LABELS = tuple(sorted({label for metric in METRICS for label in metric.labels} - {*_STREAM_LABELS, "probe"}))
"""Label names of a measurement's series, besides stream, metric and window."""
NAME = "watchkeeper_measurement"
VALUE, ROWS, BASELINE, EARLIER, LOWER, UPPER = (
    f"{NAME}_{end}" for end in ("value", "rows", "baseline", "past", "lower_bound", "upper_bound")
)
EXTRA = {EARLIER: ("reference",), LOWER: ("confidence",), UPPER: ("confidence",)}
"""Label names that only these series have."""
_HALVINGS = 45


@dataclass(frozen=True, slots=True)
class ExposedSeries:
    """One sample: its name and its labels in order (those of the stream, `metric`, `window`, `LABELS`, `EXTRA`)."""

    name: str
    values: tuple[str, ...]
    value: float


@dataclass(frozen=True, slots=True)
class UsedThreshold:
    """A threshold of a condition, and the labels that make separate instances."""

    threshold: Threshold
    by: tuple[str, ...]


def used_thresholds(condition: Condition, by: tuple[str, ...]) -> Iterator[UsedThreshold]:
    """Every threshold of a condition."""
    if isinstance(condition, (All, Any)):
        for part in condition.parts:
            yield from used_thresholds(part, by)
    elif isinstance(condition, Burn):
        for pair in condition.pairs:
            for threshold in condition.thresholds(*pair):
                yield UsedThreshold(threshold, ())
    elif isinstance(condition, ShareLimit):
        yield UsedThreshold(condition.part, (condition.of,))
    elif isinstance(condition, Threshold):
        yield UsedThreshold(condition, by)


def exposed(rules: Iterable[Rule], stream: Stream, source: MeasurementSource) -> Iterator[ExposedSeries]:
    """The series of one stream, each once. Missing measurements have none."""
    yielded: set[tuple[str, tuple[str, ...]]] = set()
    for series in _all(rules, stream, source):
        if (series.name, series.values) not in yielded and math.isfinite(series.value):
            yielded.add((series.name, series.values))
            yield series


def _all(rules: Iterable[Rule], stream: Stream, source: MeasurementSource) -> Iterator[ExposedSeries]:
    for rule in rules:
        for absent in absences(rule.condition):
            measurements = source.find(stream, absent.seconds, absent.metric)
            yield from (
                s
                for measurement in measurements
                if measurement.value is not None
                for s in [_series(VALUE, measurement, absent.seconds, measurement.value)]
            )
        for used in used_thresholds(rule.condition, rule.by):
            threshold = used.threshold
            for measurement in source.find(stream, threshold.seconds, threshold.metric):
                if measurement.value is None or not math.isfinite(measurement.value):
                    continue
                is_instance = threshold.instance(measurement, used.by) is not None
                if is_instance and _has_exposed_labels(measurement.labels):
                    yield from _series_of(threshold, measurement, measurement.value, stream, source)


def absences(condition: Condition) -> Iterator[Absent]:
    """Every condition on the absence of a metric."""
    if isinstance(condition, Absent):
        yield condition
    for part in condition.parts if isinstance(condition, (All, Any)) else ():
        yield from absences(part)


def _has_exposed_labels(labels: Labels) -> bool:
    return all(name in LABELS for name, _ in labels)


def _series_of(
    threshold: Threshold, measurement: Measurement, value: float, stream: Stream, source: MeasurementSource
) -> Iterator[ExposedSeries]:
    seconds = threshold.seconds
    yield _series(VALUE, measurement, seconds, value)
    yield _series(ROWS, measurement, seconds, measurement.n)
    if measurement.baseline is not None:
        yield _series(BASELINE, measurement, seconds, measurement.baseline)
    reference = threshold.level.reference
    if reference in PAST:
        past_value = threshold.reference(measurement, stream, source)
        if past_value is not None:
            yield _series(EARLIER, measurement, seconds, past_value, reference)
    if threshold.confidence:
        name = LOWER if threshold.is_above else UPPER
        yield _series(
            name, measurement, seconds, _bound(threshold, measurement, value), confidence(threshold)
        )


def confidence(threshold: Threshold) -> str:
    """The confidence as a label: `99.95%`."""
    return f"{threshold.confidence * 100:.10g}%"


def window(seconds: int) -> str:
    """The length of a window as a label; the open window is `open`."""
    return format_duration(seconds) if seconds else "open"


def _series(name: str, measurement: Measurement, seconds: int, value: float, *extra: str) -> ExposedSeries:
    of = measurement.stream
    labels = dict(measurement.labels)
    own = (of.client, of.environment, of.model, measurement.metric, window(seconds))
    return ExposedSeries(name, (*own, *(labels.get(label, "") for label in LABELS), *extra), value)


def _bound(threshold: Threshold, measurement: Measurement, value: float) -> float:
    """The confidence bound that must be beyond the limit."""
    if measurement.metric in PROPORTIONS and measurement.n > 0:
        return _exact(value * measurement.n, measurement.n, threshold.confidence, threshold.is_above)
    return edge(measurement, threshold.confidence, upper=not threshold.is_above)


@lru_cache(maxsize=4096)
def _exact(count: float, n: float, confidence: float, is_above: bool) -> float:
    """The exact one-sided bound of a proportion (Clopper and Pearson 1934), by bisection."""
    if (count <= 0) if is_above else (count >= n):
        return 0.0 if is_above else 1.0
    low, high = (0.0, min(count / n, 1.0)) if is_above else (max(count / n, 0.0), 1.0)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        is_sure = is_significantly_beyond(count, n, middle, confidence, is_above=is_above)
        if is_sure == is_above:
            low = middle
        else:
            high = middle
    return low if is_above else high


def names() -> Sequence[str]:
    """All names of series."""
    return (VALUE, ROWS, BASELINE, EARLIER, LOWER, UPPER)
