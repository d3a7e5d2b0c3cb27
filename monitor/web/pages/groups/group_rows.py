"""The groups of a model for engineers: selection rates, and each group beside its reference group."""

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.health.wording import NOTHING
from monitor.metrics.fairness import disparity
from monitor.records import Measurement
from monitor.rules.language.wording import figure
from monitor.visible import one_line

METRICS = tuple(info.name for info in disparity.INFO)


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One figure of a group: its value, 95 % interval, baseline and sample size; `reason` if it is not measured."""

    group: str
    reference: str
    metric: str
    value: str
    interval: str
    baseline: str
    n: int
    reason: str


@dataclass(frozen=True, slots=True)
class GroupsView:
    """All figures of groups over the window that begins at `start` and ends at `end`."""

    rows: Sequence[GroupRow] = ()
    start: float = 0.0
    end: float = 0.0


def of_measurements(measured: Sequence[Measurement], otherwise: Sequence[Measurement] = ()) -> GroupsView:
    """The figures of one window, by group, in the order of the metrics; without any, those of another window."""
    mine = [one for one in measured if one.metric in METRICS]
    mine = mine or [one for one in otherwise if one.metric in METRICS]
    if not mine:
        return GroupsView()
    mine.sort(key=lambda one: (one.label(disparity.GROUP), METRICS.index(one.metric)))
    window = mine[0].window
    return GroupsView([_row(one) for one in mine], window.start, window.end)


def _row(one: Measurement) -> GroupRow:
    known = one.low is not None and one.high is not None
    interval = f"{figure(one.low, one.unit)} to {figure(one.high, one.unit)}" if known else NOTHING
    value, baseline = (
        NOTHING if some is None else figure(some, one.unit) for some in (one.value, one.baseline)
    )
    # A direction mark in a name would turn the figures after it around.
    group, reference, reason = (
        one_line(text)
        for text in (one.label(disparity.GROUP), one.label(disparity.REFERENCE_GROUP), one.reason)
    )
    return GroupRow(group, reference, one.metric, value, interval, baseline, round(one.n), reason)
