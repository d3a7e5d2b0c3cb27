"""All metrics: pure functions from the profile of a window and its baseline to measurements.

`METRICS` lists all metrics; `FAMILIES` are the functions that measure them; `LIVE` are the families that are cheap
enough for the last seconds. A new metric is one `MetricInfo` and one measurement in the file of its family.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from types import ModuleType

from monitor.config.units import HOUR
from monitor.measurement_table import MeasurementTable, merge_tables, table_of
from monitor.metrics.attributions import attribution_drift
from monitor.metrics.business import automation, cost, satisfaction, target
from monitor.metrics.calls import consumption, judges, signals
from monitor.metrics.declared import agents, custom_metrics, expected, forecasts, ranked_scores, task_decline
from monitor.metrics.drift import answers, column_drift, multivariate, presence
from monitor.metrics.drift.column_drift import SomeDrift
from monitor.metrics.estimated import cbpe, dle, expected_cost, gap
from monitor.metrics.fairness import disparity
from monitor.metrics.metric import MetricInfo, Subject
from monitor.metrics.quality import (
    calibration_error,
    classification,
    confidence,
    decline,
    label_delay,
    multi_label,
    multi_output,
    ranking,
    regression,
    scores,
    worst_segments,
)
from monitor.metrics.recommendation import list_quality, shown_items
from monitor.metrics.settings import MetricSettings
from monitor.metrics.system import daemon, errors, latency, releases, resources, rollbacks, volume
from monitor.records import Measurement
from monitor.runtime.threads.preemption import preemptible

Family = Callable[[Subject], Iterable[Measurement]]

AGAINST = "against"
"""The label of measurements that are compared with another baseline than the pinned one: `season`,
`previous_version`.
"""
_COMPARED = (
    volume, latency, errors, column_drift, confidence, classification, regression, automation, satisfaction, cost,
)  # fmt: skip
COMPARED: frozenset[Family] = frozenset(module.measure for module in _COMPARED)
"""The families that can be compared with such a baseline."""


def _registered(module: ModuleType) -> tuple[MetricInfo, ...]:
    infos: tuple[MetricInfo, ...] = module.INFO
    if module not in _COMPARED:
        return infos
    return tuple(replace(info, labels=(*info.labels, AGAINST)) for info in infos)


_MODULES = (
    volume,
    latency,
    errors,
    column_drift,
    presence,
    attribution_drift,
    answers,
    multivariate,
    confidence,
    calibration_error,
    classification,
    ranking,
    regression,
    multi_label,
    multi_output,
    list_quality,
    shown_items,
    worst_segments,
    disparity,
    cbpe,
    dle,
    expected_cost,
    gap,
    label_delay,
    automation,
    satisfaction,
    cost,
    custom_metrics,
    forecasts,
    ranked_scores,
    agents,
    task_decline,
    expected,
    signals,
    consumption,
    target,
    decline,
    daemon,
    resources,
    releases,
    rollbacks,
    scores,
    judges,
)
# Not from profiles: measured from rows on a schedule, from other metrics, by the clock, by gauges, or from records.
_OF_A_WINDOW = tuple(
    module
    for module in _MODULES
    if module not in (multivariate, target, decline, daemon, resources, releases, rollbacks, scores, judges)
)
METRICS: tuple[MetricInfo, ...] = tuple(info for module in _MODULES for info in _registered(module))
_DECLINING = (
    multi_label.SUBSET_ACCURACY.name,
    multi_output.MAE.name,
    ranked_scores.CONCORDANCE.name,
)
"""What the decline of a task is a decline of: pages and /metrics show these over the same window."""
LIVE: tuple[Family, ...] = tuple(
    module.measure
    for module in (volume, latency, errors, confidence, automation, satisfaction, cost, signals)
)
FAMILIES: tuple[Family, ...] = tuple(module.measure for module in _OF_A_WINDOW)


def families_of(metrics: Collection[str]) -> tuple[Family, ...]:
    """The families that measure any of these metrics, or what they are about, in their order."""
    wanted = {*metrics, *(_DECLINING if task_decline.DECLINE.name in metrics else ())}
    return tuple(
        module.measure for module in _OF_A_WINDOW if any(info.name in wanted for info in module.INFO)
    )


def families_by_length(read: Mapping[int, Collection[str]], base: int) -> dict[int, tuple[Family, ...]]:
    """The families that measure the metrics read, by length of window; all of them over base windows, which are stored.

    Exporters show the drift of the hour. If that is measured, windows of other lengths have only the distances that are
    read of them: distances are the dearest part of a window.
    """
    wanted = {length: families_of(read[length]) for length in sorted(read)}
    wanted[base] = FAMILIES
    if column_drift.measure not in wanted.get(HOUR, ()):
        return wanted
    return {
        length: families if length in (base, HOUR) else _narrowed(families, read[length])
        for length, families in wanted.items()
    }


def _narrowed(families: Sequence[Family], metrics: Collection[str]) -> tuple[Family, ...]:
    read = frozenset(info.name for info in column_drift.INFO if info.name in metrics)
    return tuple(SomeDrift(read) if family is column_drift.measure else family for family in families)


def with_families(families: Sequence[Family], others: Collection[Family]) -> tuple[Family, ...]:
    """The families and `others`, in their order; one that measures everything replaces its narrowed form."""
    every = {*others, *families}
    if column_drift.measure in every:
        every = {one for one in every if not isinstance(one, SomeDrift)}
    return tuple(sorted(every, key=_place))


def _place(family: Family) -> int:
    return FAMILIES.index(column_drift.measure if isinstance(family, SomeDrift) else family)


def is_compared(family: Family) -> bool:
    """Whether a family can be compared with a further baseline."""
    return isinstance(family, SomeDrift) or family in COMPARED


def measure(subject: Subject, families: Sequence[Family] = FAMILIES) -> MeasurementTable:
    """All measurements of the families for a window."""
    blocks: list[MeasurementTable] = []
    others: list[Measurement] = []
    for family in preemptible(families):
        result = family(subject)
        if isinstance(result, MeasurementTable):
            blocks.append(result)
        else:
            others += result
    return merge_tables([*blocks, table_of(subject.stream, subject.window, others)])


__all__ = [
    "AGAINST",
    "COMPARED",
    "FAMILIES",
    "LIVE",
    "METRICS",
    "Family",
    "MetricInfo",
    "MetricSettings",
    "Subject",
    "families_by_length",
    "families_of",
    "is_compared",
    "measure",
    "with_families",
]
