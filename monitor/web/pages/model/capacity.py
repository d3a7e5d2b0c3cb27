"""The resources, queues and servers of a model for engineers: what its gauges have read."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from monitor.metrics.system import resources
from monitor.records import Measurement
from monitor.rules.language.wording import figure

_WORDS = {
    resources.RESOURCE_USED_SHARE.name: "used",
    resources.RESOURCE_HOURS_LEFT.name: "used up in",
    resources.CPU_THROTTLED_SHARE.name: "throttled",
    resources.OUT_OF_MEMORY_KILLS.name: "killed in 30 min",
    resources.GPU_FAULTS.name: "errors in 30 min",
    resources.QUEUE_DEPTH.name: "waiting",
    resources.QUEUE_AGE_SECONDS.name: "oldest",
    resources.QUEUE_BACKLOG.name: "of the configured limit",
    resources.SERVER_REQUEST_RATE.name: "requests",
    resources.SERVER_ERROR_RATE.name: "failed",
    resources.SERVER_LATENCY_SECONDS.name: "mean duration",
}


@dataclass(frozen=True, slots=True)
class ResourceRow:
    """One resource of one gauge: its figures in words, and why others are unknown."""

    gauge: str
    resource: str
    figures: tuple[tuple[str, str], ...]
    reasons: tuple[str, ...]


def of_measurements(measured: Sequence[Measurement]) -> list[ResourceRow]:
    """A row for each resource, by gauge and name."""
    own = [one for one in measured if one.metric in _WORDS and one.label("gauge")]
    return [
        _row(gauge, resource, list(some))
        for (gauge, resource), some in groupby(sorted(own, key=_place), key=_place)
    ]


def _place(one: Measurement) -> tuple[str, str]:
    return one.label("gauge"), one.label("resource")


def _row(gauge: str, resource: str, measured: Sequence[Measurement]) -> ResourceRow:
    order = list(_WORDS)
    ordered = sorted(measured, key=lambda one: order.index(one.metric))
    return ResourceRow(
        gauge,
        resource,
        tuple((_WORDS[one.metric], figure(one.value, one.unit)) for one in ordered if one.value is not None),
        tuple(dict.fromkeys(f"{_WORDS[one.metric]}: {one.reason}" for one in ordered if one.value is None)),
    )
