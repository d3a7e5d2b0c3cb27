"""Exports the measurements that active rules read, which the exported Prometheus rules evaluate."""

from collections.abc import Iterable

from monitor.exporters.samples import SampleSet
from monitor.metrics.system.daemon import TICK_AGE_SECONDS
from monitor.records import Stream
from monitor.rules.engine.condition import MeasurementSource
from monitor.rules.engine.readings import Readings
from monitor.rules.exports.exposed import LABELS, VALUE, absences, exposed, used_thresholds, window
from monitor.rules.rule import Rule, RuleSet
from monitor.runtime.faults import Faults

_METRIC, _WINDOW = 3, 4
_FEATURE = 5 + LABELS.index("feature")


def write(
    samples: SampleSet,
    readings: Readings,
    rules: RuleSet,
    streams: Iterable[Stream],
    max_features: int,
    faults: Faults,
    looked_at: float,
    now: float,
) -> None:
    """The series of some streams. `looked_at` is the time of their measurement."""
    for stream in streams:
        with faults.isolate("figures of /metrics", f"{stream}: what rules read"):
            in_force = list(rules.for_stream(stream))
            series = exposed(in_force, stream, readings)
            worst = _worst(in_force, stream, readings, max_features)
            for sery in series:
                if (sery.values[_METRIC], sery.values[_WINDOW], sery.values[_FEATURE]) not in worst:
                    samples.drop(sery.name, 1)
                    continue
                is_age = sery.name == VALUE and sery.values[_METRIC] == TICK_AGE_SECONDS.name
                # The age continues to grow while the daemon does not tick.
                samples.put(
                    sery.name, sery.values, sery.value + max(now - looked_at, 0.0) if is_age else sery.value
                )


def _worst(
    rules: Iterable[Rule], stream: Stream, source: MeasurementSource, most: int
) -> set[tuple[str, str, str]]:
    """Metric, window and feature of the series to export: per threshold the features that are closest to firing.

    Those are the largest values of a rule on `above`, and the smallest of one on `below`.
    """
    exported: set[tuple[str, str, str]] = set()
    for rule in rules:
        for absent in absences(rule.condition):
            named = {one.label("feature") for one in source.find(stream, absent.seconds, absent.metric)}
            exported |= _places(absent.metric, absent.seconds, sorted(named - {""})[:most])
        for one in used_thresholds(rule.condition, rule.by):
            threshold, excess = one.threshold, dict[str, float]()
            for measured in source.find(stream, threshold.seconds, threshold.metric):
                feature, value = measured.label("feature"), measured.value
                if feature and value is not None and threshold.instance(measured, one.by) is not None:
                    limit = threshold.level.resolve(threshold.reference(measured, stream, source))
                    beyond = (value - (limit or 0.0)) * (1.0 if threshold.is_above else -1.0)
                    excess[feature] = max(beyond, excess.get(feature, beyond))
            worst = sorted(excess, key=lambda feature: (-excess[feature], feature))
            exported |= _places(threshold.metric, threshold.seconds, worst[:most])
    return exported


def _places(metric: str, seconds: int, features: Iterable[str]) -> set[tuple[str, str, str]]:
    return {(metric, window(seconds), feature) for feature in (*features, "")}
