"""One run of the drift decision on one stream: false pages, delays, windows of many rows, cost."""

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from monitor import drift
from monitor.drift.learning import learn
from tests.bench.streams import HOUR, REFERENCE, Drift, Spec, columns, moved_column, windows

BUDGET = drift.parse("1 per 30 days")
A = BUDGET.limit(HOUR)
WITHIN = 336


@dataclass(frozen=True, slots=True)
class Quiet:
    """A stream without drift: pages, windows with an open incident, columns that joined one."""

    spec: Spec
    pages: int
    open_windows: int
    columns_blamed: int


@dataclass(frozen=True, slots=True)
class Named:
    """A drift in one column of a whole stream: was its column the strongest when it was alarmed, and how many others
    were alarmed by then? `found` says whether it was within two weeks.
    """

    found: bool
    first: bool
    others: int


@dataclass(frozen=True, slots=True)
class Cost:
    """What one window costs: milliseconds of CPU to decide, bytes of state and of calibration."""

    columns: int
    milliseconds: float
    worst: float
    state: int
    calibration: int


@dataclass(slots=True)
class _Watch:
    """The decision on a stream whose reference was learned; `stream` stands after the windows that were evaluated."""

    stream: Iterator[drift.WindowCounts]
    calibration: drift.Calibration
    limits: np.ndarray
    state: drift.DecisionState

    def advance(self, window: drift.WindowCounts) -> drift.Decision:
        """Evaluate one window."""
        self.state, decision = drift.advance(self.calibration, self.state, window, self.limits)
        return decision

    def until(self, begin: int) -> Self:
        """Evaluate the windows of the stream before window `begin`."""
        for window in itertools.islice(self.stream, begin - REFERENCE):
            self.advance(window)
        return self

    def of(self, stream: Iterator[drift.WindowCounts]) -> "_Watch":
        """The same state, with other windows after it."""
        return replace(self, stream=stream)


def _watch(spec: Spec) -> _Watch:
    """Learn from the first 672 windows of a stream, as the daemon does."""
    stream = windows(spec)
    first = list(itertools.islice(stream, REFERENCE))
    calibration = learn(columns(spec), first, BUDGET, drift.DriftSettings())
    limits = drift.limits(calibration.columns, A * calibration.raised)
    return _Watch(stream, calibration, limits, drift.begin(calibration))


def quiet(spec: Spec) -> Quiet:
    """Count the false pages of a stream without drift."""
    watch = _watch(spec)
    pages = opened = blamed = 0
    for window in watch.stream:
        decision = watch.advance(window)
        pages += decision.opened
        blamed += int(decision.joined.sum())
        opened += watch.state.incident.is_open
    return Quiet(spec, pages, opened, blamed)


def delays(spec: Spec, names: tuple[str, ...]) -> dict[str, float]:
    """Windows until each drift's column is alarmed, infinite beyond two weeks.

    The drift begins at a random hour of the third to fifth day after the reference. After that only its column is
    fed: the delay is that of the column itself, never of another's alarm.
    """
    begin = REFERENCE + 48 + int(np.random.default_rng(spec.seed).integers(0, 48))
    watch = _watch(spec).until(begin)
    return {name: _delay(_moved(spec, name, begin), begin, watch) for name in names}


def _moved(spec: Spec, name: str, begin: int) -> Spec:
    return replace(spec, drift=Drift(name, begin))


def _delay(moved: Spec, begin: int, watch: _Watch) -> float:
    column = moved_column(moved)
    return _alarmed(watch.of(itertools.islice(windows(moved, begin, column), WITHIN)), column)


def first_alarm(spec: Spec) -> float:
    """Windows from the end of the reference, where the drift begins, until its column is alarmed; infinite if never."""
    return _alarmed(_watch(spec), moved_column(spec))


def _alarmed(watch: _Watch, column: int) -> float:
    """The number of windows after which a column is alarmed; infinite if it is not."""
    for passed, window in enumerate(watch.stream, 1):
        watch.advance(window)
        if watch.state.incident.member[column]:
            return float(passed)
    return float("inf")


def named(spec: Spec, names: tuple[str, ...]) -> dict[str, Named]:
    """Which column is named first, with all columns fed; the drift begins 48 windows after the reference."""
    begin = REFERENCE + 48
    watch = _watch(spec).until(begin)
    return {name: _named(_moved(spec, name, begin), begin, watch) for name in names}


def _named(moved: Spec, begin: int, before: _Watch) -> Named:
    column, watch = moved_column(moved), before.of(itertools.islice(windows(moved, begin), WITHIN))
    for window in watch.stream:
        decision = watch.advance(window)
        if watch.state.incident.member[column]:
            first = int(np.argmax(decision.ratio[:-1])) == column
            return Named(True, first, int(watch.state.incident.member.sum()) - 1)
    return Named(False, False, int(watch.state.incident.member.sum()))


def cost(count: int) -> Cost:
    """Decide on windows of one minute with 200 rows."""
    watch = _watch(Spec("iid", 200, count, seed=9, windows=200))
    held, took = list(watch.stream), []
    for window in held:
        began = time.thread_time()
        watch.advance(window)
        took.append((time.thread_time() - began) * 1000)
    sizes = len(drift.encode_state(watch.state)), len(drift.encode_calibration(watch.calibration))
    return Cost(count, float(np.median(took)), float(np.quantile(took, 0.99)), *sizes)
