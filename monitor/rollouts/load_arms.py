"""Reads both versions of a rollout, minute by minute, from the profiles of the base windows."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from sqlalchemy import Connection

from monitor.metrics.drift.distance_plan import DistancePlan, plan_of
from monitor.metrics.estimated.calibration import of_confidence
from monitor.metrics.metric import Subject
from monitor.metrics.quality.task import Task, task_of
from monitor.metrics.settings import MetricSettings
from monitor.records import Stream, Window
from monitor.rollouts.arms import Arm, Arms
from monitor.rollouts.settings import USUAL, CanaryTolerances
from monitor.store import profiles
from monitor.store.db import faults_of
from monitor.windows import codec
from monitor.windows.baseline import load as load_baseline
from monitor.windows.baseline_from_table import Baseline
from monitor.windows.layout.from_table import BARE
from monitor.windows.layout.layout import BELOW, Layout
from monitor.windows.profile import OVERALL, Profile, Slice, empty, merge_slices

_MOST_LABELS = 20
_LEAST_TRUTHS = 100.0
_OF_TASK = 30
"""The newest minutes that tell whether a model predicts classes or numbers."""


@dataclass(frozen=True, slots=True)
class ArmSettings:
    """How windows are read: their length, how long they accept late rows, what tells a model's task, and what is
    tolerated of its canaries.
    """

    base_seconds: int
    lateness: float = 0.0
    metrics: MetricSettings = field(default_factory=MetricSettings)
    tolerances: Callable[[Stream], CanaryTolerances] = lambda _stream: USUAL


@dataclass(frozen=True, slots=True, eq=False)
class Minutes:
    """The closed base windows of a stream in a time range, in order: only the slices of versions are kept."""

    windows: tuple[Window, ...]
    slices: tuple[dict[str, Slice], ...]
    layout: Layout
    baseline: Baseline | None
    notes: tuple[str, ...]

    def busiest(self, apart_from: str) -> str:
        """The version with most answers, other than this one; empty if there is none."""
        rows = Counter[str]()
        for versions in self.slices:
            rows.update({version: part.rows for version, part in versions.items() if version != apart_from})
        return max(sorted(rows), key=lambda version: rows[version], default="")


def load_minutes(
    connection: Connection, stream: Stream, reading: ArmSettings, start: float, now: float
) -> Minutes:
    """The windows inside `[start, now]` that accept no more rows. Those of an older layout cannot be compared."""
    baseline = load_baseline(connection, stream)
    layout = BARE if baseline is None else baseline.layout
    windows: list[Window] = []
    slices: list[dict[str, Slice]] = []
    others, until = 0, now - reading.lateness
    for stored in profiles.between(connection, stream, reading.base_seconds, start, until):
        if stored.layout != layout.id:
            others += 1
            continue
        with faults_of(connection).isolate("profiles", f"{stream} from {stored.window.start}"):
            slices.append(codec.decode(stored.blob, layout).versions)
            windows.append(stored.window)
    notes = (f"{others} windows were counted with another baseline and are left out",) if others else ()
    return Minutes(tuple(windows), tuple(slices), layout, baseline, notes)


def arms_of(
    minutes: Minutes, stream: Stream, canary: str, stable: str, since: float, reading: ArmSettings
) -> Arms:
    """Both versions over these minutes; zeros where a version has no answers, and where a window began before `since`
    for the canary.
    """
    nothing = empty(minutes.layout)
    sides = [
        [
            versions.get(version, nothing) if window.start >= first else nothing
            for window, versions in zip(minutes.windows, minutes.slices, strict=True)
        ]
        for version, first in ((canary, since), (stable, -math.inf))
    ]
    latency = minutes.layout.column("latency_ms")
    made = [_arm(parts, minutes.layout, side) for parts, side in zip(sides, _labels(sides), strict=True)]
    return Arms(
        reading.base_seconds,
        made[0],
        made[1],
        np.concatenate([[0.0], latency.edges]),
        _right_shares(minutes),
        _is_number(minutes, stream, sides, reading.metrics),
        np.array([window.start for window in minutes.windows], np.float64),
        minutes.notes,
        reading.tolerances(stream),
    )


def _arm(parts: Sequence[Slice], layout: Layout, labels: np.ndarray) -> Arm:
    def flags(name: str) -> np.ndarray:
        return np.array([part.flag(name) for part in parts], np.float64)

    def sums(*names: str) -> np.ndarray:
        return np.array([[part.total(name) for name in names] for part in parts]).reshape(-1, len(names))

    plan = plan_of(layout)
    cells = np.array([plan.cells(part.counts) for part in parts]).reshape(len(parts), -1)
    designs = np.array([max(part.design, 1.0) for part in parts])
    columns = _by_column(plan, cells, designs)
    outputs = {name: counts for name, counts in columns.items() if not name.startswith("features.")}
    if labels.size:
        outputs["prediction"] = labels
    classed = flags("classed")
    return Arm(
        answers=np.array([float(part.rows) for part in parts]),
        failed=flags("errors"),
        latency=_histogram(parts, "latency_ms"),
        wrong=np.maximum(classed - flags("right"), 0.0),
        judged=classed,
        numbers=flags("residuals"),
        errors=sums("residual_absolute", "residual_squared"),
        confidence=_regular(parts, "confidence"),
        automated=flags("automated"),
        automated_known=flags("automated_known"),
        reviewed=flags("reviewed"),
        reviewed_known=flags("reviewed_known"),
        costed=flags("costed"),
        costs=sums("cost", "cost_squared"),
        outputs=outputs,
        inputs={name: counts for name, counts in columns.items() if name.startswith("features.")},
    )


def _by_column(plan: DistancePlan, cells: np.ndarray, designs: np.ndarray) -> dict[str, np.ndarray]:
    """The cells of each column that has values, shape (minutes, cells); of weighted rows, as many as they are worth."""
    ends = [*plan.first_cell[1:].tolist(), cells.shape[1]]
    columns: dict[str, np.ndarray] = {}
    for column, first, end in zip(plan.columns, plan.first_cell.tolist(), ends, strict=True):
        counts = cells[:, first:end]
        if counts[:, 1:].sum():
            columns[column.name] = counts / designs[:, None] if column.feature else counts
    return columns


def _histogram(parts: Sequence[Slice], name: str) -> np.ndarray:
    """Counts of the finite values: below the lowest edge, the buckets, above the highest edge."""
    rows = [part.column(name).counts[BELOW:] for part in parts]
    return np.array([np.append(row[:-2], row[-2:].sum()) for row in rows])


def _regular(parts: Sequence[Slice], name: str) -> np.ndarray:
    return np.array([part.column(name).regular for part in parts])


def _labels(sides: Sequence[Sequence[Slice]]) -> list[np.ndarray]:
    """Of a stream without baseline, the counts of the most frequent answers and of all others, per version."""
    tallies = [[part.tally("prediction") for part in parts] for parts in sides]
    totals = Counter[str]()
    for tally in (tally for side in tallies for tally in side):
        totals.update({label: int(n) for label, n in tally.items()})
    named = [label for label, _ in totals.most_common(_MOST_LABELS)]
    if not named:
        return [np.empty((0, 0))] * len(sides)
    return [
        np.array(
            [
                [*(tally.get(label, 0.0) for label in named), sum(tally.values()) - _known(tally, named)]
                for tally in side
            ]
        )
        for side in tallies
    ]


def _known(tally: dict[str, float], named: Sequence[str]) -> float:
    return sum(tally.get(label, 0.0) for label in named)


def _right_shares(minutes: Minutes) -> np.ndarray | None:
    if minutes.baseline is None:
        return None
    base = minutes.baseline.profile.overall
    truths = base.column("confidence.right").n + base.column("confidence.wrong").n
    return of_confidence(base).shares if truths >= _LEAST_TRUTHS else None


def _is_number(
    minutes: Minutes, stream: Stream, sides: Sequence[Sequence[Slice]], settings: MetricSettings
) -> bool:
    newest = [part for parts in sides for part in parts[-_OF_TASK:]]
    if not newest:
        return False
    profile = Profile(minutes.layout, {OVERALL: merge_slices(newest)})
    window = Window(minutes.windows[0].start, minutes.windows[-1].end)
    return task_of(Subject(stream, window, profile, minutes.baseline, settings)) is Task.REGRESSION
