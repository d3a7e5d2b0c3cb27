"""One run of the drift decision on one stream: false pages, delays, windows of many rows, cost."""

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass

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


def calibrate(stream: Iterator[drift.WindowCounts], spec: Spec) -> drift.Calibration:
    """Learn from the first 672 windows of a stream, which is left standing after them, as the daemon does."""
    return learn(columns(spec), [next(stream) for _ in range(REFERENCE)], BUDGET, drift.DriftSettings())


def quiet(spec: Spec) -> Quiet:
    """Count the false pages of a stream without drift."""
    stream = windows(spec)
    calibration = calibrate(stream, spec)
    limits, state = drift.limits(calibration.columns, A * calibration.raised), drift.begin(calibration)
    pages = opened = blamed = 0
    for window in stream:
        state, judgement = drift.advance(calibration, state, window, limits)
        pages += judgement.opened
        blamed += int(judgement.joined.sum())
        opened += state.incident.is_open
    return Quiet(spec, pages, opened, blamed)


def delays(spec: Spec, names: tuple[str, ...]) -> dict[str, float]:
    """Windows until each drift's column is alarmed, infinite beyond two weeks.

    The drift begins at a random hour of the third to fifth day after the reference. After that only its column is
    fed: the delay is that of the column itself, never of another's alarm.
    """
    stream = windows(spec)
    calibration = calibrate(stream, spec)
    limits, state = drift.limits(calibration.columns, A * calibration.raised), drift.begin(calibration)
    begin = REFERENCE + 48 + int(np.random.default_rng(spec.seed).integers(0, 48))
    for _ in range(begin - REFERENCE):
        state, _ = drift.advance(calibration, state, next(stream), limits)
    return {name: _delay(spec, name, begin, calibration, state, limits) for name in names}


def _delay(
    spec: Spec,
    name: str,
    begin: int,
    calibration: drift.Calibration,
    state: drift.DecisionState,
    limits: np.ndarray,
) -> float:
    moved = Spec(spec.kind, spec.n, spec.columns, spec.seed, spec.windows, Drift(name, begin))
    column = moved_column(moved)
    for index, window in enumerate(windows(moved, begin, column)):
        if index >= WITHIN:
            break
        state, _ = drift.advance(calibration, state, window, limits)
        if state.incident.member[column]:
            return index + 1.0
    return float("inf")


def first_alarm(spec: Spec) -> float:
    """Windows from the end of the reference, where the drift begins, until its column is alarmed; infinite if never."""
    stream = windows(spec)
    calibration = calibrate(stream, spec)
    limits, state = drift.limits(calibration.columns, A * calibration.raised), drift.begin(calibration)
    for passed, window in enumerate(stream, 1):
        state, _ = drift.advance(calibration, state, window, limits)
        if state.incident.member[moved_column(spec)]:
            return float(passed)
    return float("inf")


def named(spec: Spec, names: tuple[str, ...]) -> dict[str, Named]:
    """Which column is named first, with all columns fed; the drift begins 48 windows after the reference."""
    stream = windows(spec)
    calibration = calibrate(stream, spec)
    limits, state = drift.limits(calibration.columns, A * calibration.raised), drift.begin(calibration)
    begin = REFERENCE + 48
    for _ in range(begin - REFERENCE):
        state, _ = drift.advance(calibration, state, next(stream), limits)
    return {name: _named(spec, name, begin, calibration, state, limits) for name in names}


def _named(
    spec: Spec,
    name: str,
    begin: int,
    calibration: drift.Calibration,
    state: drift.DecisionState,
    limits: np.ndarray,
) -> Named:
    moved = Spec(spec.kind, spec.n, spec.columns, spec.seed, spec.windows, Drift(name, begin))
    column = moved_column(moved)
    for window in itertools.islice(windows(moved, begin), WITHIN):
        state, judgement = drift.advance(calibration, state, window, limits)
        if state.incident.member[column]:
            first = int(np.argmax(judgement.ratio[:-1])) == column
            return Named(True, first, int(state.incident.member.sum()) - 1)
    return Named(False, False, int(state.incident.member.sum()))


def cost(count: int) -> Cost:
    """Decide on windows of one minute with 200 rows."""
    spec = Spec("iid", 200, count, seed=9, windows=200)
    stream = windows(spec)
    calibration = calibrate(stream, spec)
    limits, state = drift.limits(calibration.columns, A * calibration.raised), drift.begin(calibration)
    held, took = list(stream), []
    for window in held:
        began = time.thread_time()
        state, _ = drift.advance(calibration, state, window, limits)
        took.append((time.thread_time() - began) * 1000)
    sizes = len(drift.encode_state(state)), len(drift.encode_calibration(calibration))
    return Cost(count, float(np.median(took)), float(np.quantile(took, 0.99)), *sizes)
