"""Every metric: pure functions from a window's profile and its baseline to measurements.

`METRICS` lists all that can be measured; `FAMILIES` is who measures it; `LIVE` are the families that are cheap
enough for a window that is still open. A new metric is one `MetricInfo` and one measurement in its family's file.
"""

from collections.abc import Callable, Collection, Iterable, Sequence

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

METRICS: tuple[MetricInfo, ...] = (
    *system.INFO,
    *features.INFO,
    *presence.INFO,
    *multivariate.INFO,
    *confidence.INFO,
    *calibration.INFO,
    *classification.INFO,
    *ranking.INFO,
    *regression.INFO,
    *worst.INFO,
    *estimated.INFO,
    *outcomes.INFO,
    *business.INFO,
    *daemon.INFO,
)
LIVE: tuple[Family, ...] = (system.measure, confidence.measure, business.measure)
_MODULES = (
    system,
    features,
    presence,
    confidence,
    calibration,
    classification,
    ranking,
    regression,
    worst,
    estimated,
    outcomes,
    business,
)
FAMILIES: tuple[Family, ...] = tuple(module.measure for module in _MODULES)


def families_of(metrics: Collection[str]) -> tuple[Family, ...]:
    """The families that measure any of these metrics, in their order."""
    return tuple(module.measure for module in _MODULES if any(info.name in metrics for info in module.INFO))


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
