"""Samples about the models: state, traffic, drift, quality, without reading rows."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from monitor.config.units import HOUR
from monitor.exporters import reference_samples, signal_samples
from monitor.exporters.exemplars import ByVersion
from monitor.exporters.prediction_counters import DURATION_BOUNDS, SCORE_BOUNDS, StreamCounts, VersionCounts
from monitor.exporters.samples import Bucket, Exemplar, SampleSet
from monitor.exporters.settings import MetricsSettings
from monitor.health import model_state
from monitor.health.settings import ClientSettings
from monitor.measurement_table import Key, valued
from monitor.metrics import business
from monitor.metrics.declared import agents, forecasts, ranked_scores
from monitor.metrics.declared.custom_metrics import NAME, OWN_METRIC
from monitor.metrics.drift import presence
from monitor.metrics.quality import (
    calibration_error,
    classification,
    label_delay,
    multi_label,
    multi_output,
    regression,
)
from monitor.metrics.recommendation import list_quality, shown_items
from monitor.metrics.system import daemon
from monitor.records import Alert, Measurement, Severity, Stream
from monitor.store.releases import Release
from monitor.store.streams import StreamFigures
from monitor.store.targets import TargetPeriod

METHODS = (
    "psi",
    "jensen_shannon",
    "kolmogorov_smirnov",
    "wasserstein",
    "chi_square",
    "hellinger",
    "total_variation",
    "drift_evidence",
)
_NOT_QUALITY = ("outcome_coverage", "label_delay", "ranking_decline", "task_decline")
QUALITY = frozenset(
    info.name
    for info in (
        *classification.INFO,
        *label_delay.INFO,
        *calibration_error.INFO,
        *regression.INFO,
        *forecasts.INFO,
        *multi_label.INFO,
        *multi_output.INFO,
        *ranked_scores.INFO,
        *agents.INFO,
        *list_quality.INFO,
        shown_items.COVERAGE,
        shown_items.POPULARITY,
        shown_items.UNSEEN,
        shown_items.DRIFT,
    )
    if info.name not in _NOT_QUALITY
)
PARTS = {
    **dict.fromkeys((info.name for info in multi_output.INFO), "output"),
    multi_label.LABEL_F1.name: "class",
    ranked_scores.CONCORDANCE.name: "horizon",
    agents.TOOL_ERROR_RATE.name: "tool",
    forecasts.PINBALL.name: "quantile",
}
"""The label of the part of a model that these are figures of."""
_ESTIMATED = "estimated_"
BUSINESS = frozenset(info.name for info in business.INFO)
OF_THE_HOUR = QUALITY | BUSINESS | {OWN_METRIC.name, "outcome_coverage"}
"""What is exported of the last hour, also where no rule reads it of an hour."""
_COVERAGE, _DRIFTED, _MISSING, _EVIDENCE = (
    "outcome_coverage",
    "drifted_share",
    "missing_share",
    "drift_evidence",
)
_SCHEMA = presence.SCHEMA_CHANGES.name
_AVAILABILITY = daemon.AVAILABILITY.name
MOST_RELEASES = 20
"""Releases of a model that are exported: the newest."""
_PREFERRED = HOUR
"""Seconds. Measurements of windows of this length are exported if there are any: drift in a minute is mostly noise."""


@dataclass(frozen=True, slots=True)
class Model:
    """The data of one stream at a scrape. `compared` are measurements against further baselines."""

    figures: StreamFigures
    client: ClientSettings
    alerts: Sequence[Alert]
    measured: Sequence[Measurement]
    compared: Sequence[Measurement]
    counted: StreamCounts
    deployed: Mapping[str, float]
    releases: Sequence[Release]
    exemplars: ByVersion
    limits: Mapping[str, float]
    targets: Sequence[TargetPeriod] = ()

    @property
    def b(self) -> list[str]:
        """Client, environment, model."""
        stream = self.figures.stream
        return [stream.client, stream.environment, stream.model]


def newest(
    measured: Mapping[tuple[Stream, int], Sequence[Measurement]], stream: Stream, lengths: Iterable[int]
) -> list[Measurement]:
    """Per metric and labels, the measurement of the preferred length, else of the longest shorter one, else any."""
    chosen: dict[Key, Measurement] = {}
    for seconds in sorted(lengths, key=_rank):
        for one in valued(measured.get((stream, seconds), ()), chosen):
            chosen.setdefault((one.metric, one.labels), one)
    return list(chosen.values())


def _rank(seconds: int) -> tuple[bool, int]:
    return (seconds > _PREFERRED, seconds if seconds > _PREFERRED else -seconds)


def write(samples: SampleSet, model: Model, settings: MetricsSettings, now: float) -> None:
    """All samples of one stream."""
    versions = _versions(model, settings, now)
    _state(samples, model, versions, now)
    _traffic(samples, model, versions)
    _drift(samples, model, settings)
    _schema(samples, model, settings)
    _quality(samples, model, settings)
    signal_samples.write(samples, model.b, model.measured)
    reference_samples.write(samples, model.b, model.compared)


def _versions(model: Model, settings: MetricsSettings, now: float) -> dict[str, VersionCounts]:
    """The versions that answered recently. A model without any counted prediction has one without name."""
    parts = model.counted.parts
    recent = {v: part for v, part in parts.items() if now - part.last_seen <= settings.version_age}
    return recent or {"": VersionCounts(first_seen=model.figures.first_received)}


def _state(samples: SampleSet, model: Model, versions: Mapping[str, VersionCounts], now: float) -> None:
    b, figures = model.b, model.figures
    view = model.client.view(figures.stream.model)
    for version, part in versions.items():
        samples.put("watchkeeper_model", [*b, version, view.owner, view.task], 1)
        samples.put(
            "watchkeeper_model_deployed_timestamp_seconds",
            [*b, version],
            model.deployed.get(version, part.first_seen),
        )
    for release in model.releases:
        values = [*b, release.version, release.released_by]
        samples.put("watchkeeper_model_release_timestamp_seconds", values, release.released_at)
    received = figures.data_until if figures.rows else None
    health = model_state.model_health(
        figures.stream,
        view.title,
        model.alerts,
        received,
        now=now,
        stale_after=model.client.stale_after,
        targets=model.targets,
    )
    samples.put("watchkeeper_model_state", b, health.health.code)
    active = dict.fromkeys(Severity, 0)
    rules: dict[tuple[str, str], int] = {}
    for alert in model.alerts:
        key = (alert.rule, alert.severity.value)
        rules[key] = max(rules.get(key, 0), _rule_code(alert))
        active[alert.severity] += alert.is_open
    for (rule, severity), code in sorted(rules.items()):
        samples.put("watchkeeper_rule_state", [*b, rule, severity], code)
    for severity, count in active.items():
        samples.put("watchkeeper_alerts_active", [*b, severity.value], count)


def _rule_code(alert: Alert) -> int:
    if alert.is_open:
        return 3 if alert.severity is Severity.CRITICAL else 2
    return 0 if alert.data == "ok" else 1


def _traffic(samples: SampleSet, model: Model, versions: Mapping[str, VersionCounts]) -> None:
    b = model.b
    if model.figures.rows:
        name = "watchkeeper_prediction_last_received_timestamp_seconds"
        samples.put(name, b, model.figures.data_until)
    if (share := model.client.sampled.get(model.figures.stream.model)) is not None:
        samples.put("watchkeeper_sampled_ratio", b, share)
    for version, part in versions.items():
        samples.put("watchkeeper_predictions", [*b, version], part.predictions)
        for kind in part.errors or {"": 0.0}:
            samples.put("watchkeeper_prediction_errors", [*b, version, kind], part.errors.get(kind, 0.0))
        buckets = _buckets(DURATION_BOUNDS, part.durations, model.exemplars.get(version))
        samples.put_histogram("watchkeeper_prediction_duration_seconds", [*b, version], buckets, part.seconds)
    if model.counted.scores[-1] > 0:
        buckets = _buckets(SCORE_BOUNDS, model.counted.scores)
        samples.put_histogram("watchkeeper_prediction_score", b, buckets, model.counted.score_sum)


def _buckets(
    bounds: Sequence[float], counts: Iterable[float], exemplars: Mapping[int, Exemplar] | None = None
) -> list[Bucket]:
    pairs = zip([*bounds, math.inf], counts, strict=True)
    if not exemplars:
        return [Bucket(bound, count) for bound, count in pairs]
    return [Bucket(bound, count, exemplars.get(place)) for place, (bound, count) in enumerate(pairs)]


def _drift(samples: SampleSet, model: Model, settings: MetricsSettings) -> None:
    b, limits = model.b, model.limits
    by_feature: dict[str, list[Measurement]] = {}
    for one in model.measured:
        if not _is_about(one, "version", "feature", "output"):
            continue
        version = one.label("version")
        if one.label("feature"):
            by_feature.setdefault(one.label("feature"), []).append(one)
        elif one.label("output") == "prediction" and one.metric in METHODS and one.value is not None:
            samples.put("watchkeeper_prediction_drift_score", [*b, version, one.metric], one.value)
        elif one.metric == _DRIFTED and not one.labels and one.value is not None:
            samples.put("watchkeeper_drifted_features_ratio", b, one.value)
    worst = sorted(by_feature, key=lambda feature: (-_badness(by_feature[feature], limits), feature))
    for feature in worst[: settings.max_features]:
        _feature(samples, b, feature, by_feature[feature], limits)
    for feature in worst[settings.max_features :]:
        samples.drop(
            "watchkeeper_feature_drift_score", sum(one.metric in METHODS for one in by_feature[feature])
        )


def _is_about(one: Measurement, *names: str) -> bool:
    """Whether a measurement has no labels besides these. Finer ones would be duplicate series."""
    return all(name in names for name, _ in one.labels)


def _feature(
    samples: SampleSet,
    b: list[str],
    feature: str,
    measured: Sequence[Measurement],
    limits: Mapping[str, float],
) -> None:
    for one in measured:
        assert one.value is not None
        if one.metric in METHODS:
            samples.put(
                "watchkeeper_feature_drift_score", [*b, one.label("version"), feature, one.metric], one.value
            )
        elif one.metric == _MISSING and not one.label("version"):
            samples.put("watchkeeper_feature_missing_ratio", [*b, feature], one.value)
    for method in sorted({one.metric for one in measured} & limits.keys()):
        samples.put("watchkeeper_feature_drift_threshold", [*b, feature, method], limits[method])
    badness = _badness(measured, limits)
    samples.put("watchkeeper_feature_state", [*b, feature], 2 if badness >= 1 else 0 if badness >= 0 else 1)


def _badness(measured: Sequence[Measurement], limits: Mapping[str, float]) -> float:
    """How close a feature is to its limit: 1 is at the limit, -1 unknown. Evidence takes precedence over distances."""
    for method in (_EVIDENCE, "psi"):
        shares = [
            one.value / limits[method] for one in measured if one.metric == method and one.value is not None
        ]
        if shares and limits.get(method):
            return max(shares)
    return -1.0


def _schema(samples: SampleSet, model: Model, settings: MetricsSettings) -> None:
    """The number of changed features by kind of change, also if zero; and the changed features."""
    changes = [one for one in model.measured if one.metric == _SCHEMA and _is_about(one, "feature", "change")]
    if not changes:
        return
    changed = sorted((one.label("feature"), one.label("change")) for one in changes if one.label("feature"))
    for change in presence.CHANGES:
        count = sum(kind == change for _, kind in changed)
        samples.put("watchkeeper_schema_changes", [*model.b, change], count)
    for feature, change in changed[: settings.max_features]:
        samples.put("watchkeeper_feature_schema_change", [*model.b, feature, change], 1)
    samples.drop("watchkeeper_feature_schema_change", len(changed[settings.max_features :]))


def _quality(samples: SampleSet, model: Model, settings: MetricsSettings) -> None:
    b = model.b
    ordered = worst_segments(model.measured)
    segments = {"", *ordered[: settings.max_segments]}
    samples.drop("watchkeeper_performance_value", len(ordered[settings.max_segments :]))
    for one in model.measured:
        if one.value is None or one.label("segment") not in segments:
            continue
        if one.metric == OWN_METRIC.name and len(one.labels) == 1:
            samples.put("watchkeeper_business_kpi_value", [*b, one.label(NAME)], one.value)
        if not _is_about(one, "version", "segment"):
            continue
        if one.metric == _AVAILABILITY:
            samples.put("watchkeeper_availability_ratio", b, one.value)
        elif one.metric == _COVERAGE and not one.labels:
            samples.put("watchkeeper_label_coverage_ratio", b, one.value)
        elif one.metric in BUSINESS and not one.labels:
            samples.put("watchkeeper_business_kpi_value", [*b, one.metric], one.value)
        elif one.metric.removeprefix(_ESTIMATED) in QUALITY:
            _performance(samples, b, one, one.value)
    _parts(samples, b, model.measured, settings.max_features)
    view = model.client.view(model.figures.stream.model)
    for metric, limit in sorted(view.limits.items()):
        is_business = metric in BUSINESS or metric in view.metrics
        name = "watchkeeper_business_kpi_target" if is_business else "watchkeeper_performance_threshold"
        samples.put(name, [*b, metric], limit)


def _parts(samples: SampleSet, b: list[str], measured: Sequence[Measurement], most: int) -> None:
    """The figures of single outputs, horizons, labels and tools; of too many, those behind most rows."""
    name = "watchkeeper_performance_part_value"
    of_parts = [one for one in measured if len(one.labels) == 1 and one.labels[0][0] == PARTS.get(one.metric)]
    ordered = sorted(
        (of_part for of_part in of_parts if of_part.value is not None),
        key=lambda one: (-one.n, one.metric, one.labels),
    )
    for one in ordered[:most]:
        assert one.value is not None
        samples.put(name, [*b, one.metric, "=".join(one.labels[0])], one.value)
    samples.drop(name, len(ordered[most:]))


def _performance(samples: SampleSet, b: list[str], one: Measurement, value: float) -> None:
    metric = one.metric.removeprefix(_ESTIMATED)
    kind = "realized" if metric == one.metric else "estimated"
    values = [*b, one.label("version"), metric, kind, one.label("segment") or "all"]
    samples.put("watchkeeper_performance_value", values, value)
    if kind == "realized" and not one.labels and one.baseline is not None:
        samples.put("watchkeeper_performance_baseline", [*b, metric], one.baseline)


def worst_segments(measured: Sequence[Measurement]) -> list[str]:
    """All segments with a quality metric, worst first: by their place among the segments of the metric in which they
    do worst. Values of different metrics are not compared.
    """
    of_metric: dict[str, list[tuple[float, str]]] = {}
    for one in measured:
        segment = one.label("segment")
        if segment and one.metric in QUALITY and one.value is not None:
            worse = one.value if one.better == "higher" else -one.value
            of_metric.setdefault(one.metric, []).append((worse, segment))
    places: dict[str, int] = {}
    for values in of_metric.values():
        for place, (_, segment) in enumerate(sorted(values)):
            places[segment] = min(places.get(segment, place), place)
    return sorted(places, key=lambda segment: (places[segment], segment))
