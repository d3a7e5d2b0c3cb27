"""Every metric: pure functions from a window's profile and its baseline to measurements.

`METRICS` lists all that can be measured; `FAMILIES` is who measures it; `LIVE` are the families that are cheap
enough for a window that is still open. A new metric is one `MetricInfo` and one measurement in its family's file.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from types import ModuleType

from monitor.block import Block, block_of, joined
from monitor.metrics import (
    business,
    calibration,
    classification,
    confidence,
    daemon,
    estimated,
    multivariate,
    outcomes,
    ranking,
    regression,
    system,
    worst,
)
from monitor.metrics.drift import features, presence
from monitor.metrics.settings import MetricSettings
from monitor.metrics.subject import MetricInfo, Subject
from monitor.records import Measurement

Family = Callable[[Subject], Iterable[Measurement]]

AGAINST = "against"
"""The label of figures that are held against something else than the pinned baseline: `season`, `previous_version`."""
_COMPARED = (system, features, confidence, classification, regression, business)
COMPARED: frozenset[Family] = frozenset(module.measure for module in _COMPARED)
"""The families that can be held against it."""


def _registered(module: ModuleType) -> tuple[MetricInfo, ...]:
    infos: tuple[MetricInfo, ...] = module.INFO
    if module not in _COMPARED:
        return infos
    return tuple(replace(info, labels=(*info.labels, AGAINST)) for info in infos)


_MODULES = (
    system,
    features,
    presence,
    multivariate,
    confidence,
    calibration,
    classification,
    ranking,
    regression,
    worst,
    estimated,
    outcomes,
    business,
    daemon,
)
# Those two are measured from rows, on a schedule, and from the daemon's own clock.
_OF_A_WINDOW = tuple(module for module in _MODULES if module not in (multivariate, daemon))
METRICS: tuple[MetricInfo, ...] = tuple(info for module in _MODULES for info in _registered(module))
LIVE: tuple[Family, ...] = (system.measure, confidence.measure, business.measure)
FAMILIES: tuple[Family, ...] = tuple(module.measure for module in _OF_A_WINDOW)


def families_of(metrics: Collection[str]) -> tuple[Family, ...]:
    """The families that measure any of these metrics, in their order."""
    return tuple(
        module.measure for module in _OF_A_WINDOW if any(info.name in metrics for info in module.INFO)
    )


def measure(subject: Subject, families: Sequence[Family] = FAMILIES) -> Block:
    """Everything that the families measure of a window."""
    blocks: list[Block] = []
    others: list[Measurement] = []
    for family in families:
        found = family(subject)
        if isinstance(found, Block):
            blocks.append(found)
        else:
            others += found
    return joined([*blocks, block_of(subject.stream, subject.window, others)])


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
    "families_of",
    "measure",
]
