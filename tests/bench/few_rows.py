"""A stream of few rows: pages without drift, and how an incident follows a drift that begins and ends within a window.

Rows come at random, more by day than by night. Means follow the hour and the weekend, and wander. The daemon's own rule
chooses the windows.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from monitor import drift
from monitor.config.units import DAY
from monitor.drift import window_length
from monitor.drift.columns import ColumnType, WatchedColumn, WindowCounts
from monitor.drift.learning import learn
from monitor.records import Window
from tests.bench.streams import BUCKETS, HOUR, MONDAY, bucketed

REFERENCE_DAYS, JUDGED_DAYS, LASTS_DAYS = 28, 60, 25
_JOB, _WORKING = 2, 5
"""The hour of a job, and its days a week."""
BUDGET = drift.parse("1 per 30 days")


@dataclass(frozen=True, slots=True)
class FewRows:
    """`rows` a day in `columns` number columns. `shift` moves the first for 25 days; `wander` (autocorrelation 0.8) and
    `season` are in standard deviations. `at_once`: the rows of a day come in a single hour, by a job that
    does not run on weekends.
    """

    rows: int
    seed: int
    shift: float = 0.0
    columns: int = 12
    wander: float = 0.0
    season: float = 0.0
    days: int = JUDGED_DAYS
    at_once: bool = False

    @property
    def seconds(self) -> int:
        """The length of its windows."""
        starts = [day * DAY + _JOB * HOUR for day in range(REFERENCE_DAYS) if day % 7 < _WORKING]
        settings = drift.DriftSettings()
        rows, span = REFERENCE_DAYS * self.rows, REFERENCE_DAYS * DAY
        return window_length.length(rows, span, 60, settings, starts if self.at_once else ())

    @property
    def drifts(self) -> tuple[int, int]:
        """The hours in which the drift begins and has ended: some time on the sixth or seventh judged day."""
        begin = (REFERENCE_DAYS + 5) * 24 + int(np.random.default_rng([self.seed, 991]).integers(0, 48))
        return begin, begin + LASTS_DAYS * 24


@dataclass(frozen=True, slots=True)
class Life:
    """What happened: pages, and of the shifted column in windows: `delay` until it joined (infinite if never), `lasted`
    from the end of the drift until it left (negative: it left while the drift lasted; infinite: not within the stream);
    in hours, how far `since` lies after the true begin; and whether the interval holds the truth.
    """

    pages: int
    delay: float = float("inf")
    lasted: float = float("inf")
    late: float = float("nan")
    holds: bool = False


def windows(spec: FewRows) -> Iterator[WindowCounts]:
    """All windows that have rows, the reference first."""
    hours, rng = spec.seconds // HOUR, np.random.default_rng([spec.seed, 992])
    level, phase = np.zeros(spec.columns), rng.uniform(0, 2 * np.pi, spec.columns)
    begin, end = spec.drifts
    held = np.zeros(0)
    for t in range((REFERENCE_DAYS + spec.days) * 24):
        level = 0.8 * level + 0.6 * rng.standard_normal(spec.columns)
        mean = spec.wander * level + spec.season * (np.sin(2 * np.pi * t / 24 + phase) + (t // 24 % 7 >= 5))
        n = rng.poisson(spec.rows / 24 * (1 + 0.6 * np.sin(2 * np.pi * t / 24)))
        if spec.at_once:
            runs = t % 24 == _JOB and t // 24 % 7 < _WORKING
            n = rng.poisson(spec.rows) if runs else 0
        if n:
            drawn = rng.standard_normal((spec.columns, n)) + mean[:, None]
            drawn[0] += spec.shift * (begin <= t < end)
            counts = bucketed(drawn).ravel()
            held = counts + held if held.size else counts
        if (t + 1) % hours == 0 and held.size:
            yield WindowCounts(Window(MONDAY + (t + 1 - hours) * HOUR, MONDAY + (t + 1) * HOUR), held)
            held = np.zeros(0)


def judge(spec: FewRows) -> Life:
    """Learn and evaluate as the daemon does."""
    columns = [WatchedColumn(f"number {i}", ColumnType.NUMBER, BUCKETS) for i in range(spec.columns)]
    seen = list(windows(spec))
    split = sum(one.window.end <= MONDAY + REFERENCE_DAYS * DAY for one in seen)
    calibration = learn(columns, seen[:split], BUDGET, drift.DriftSettings())
    limits = drift.limits(columns, BUDGET.limit(spec.seconds, calibration.raised))
    state, life = drift.begin(calibration), Life(0)
    begin, end = (MONDAY + hour * HOUR for hour in spec.drifts)
    pages = 0
    for place, counts in enumerate(seen[split:], split + 1):
        before = state.incident.member[0]
        state, decision = drift.advance(calibration, state, counts, limits)
        pages += decision.opened
        if decision.joined.any():
            span = drift.span_needed(state, decision)
            recent = [one for one in seen[:place] if one.window.start >= span.start]
            state = drift.dated(calibration, state, decision, recent)
        if decision.joined[0] and np.isinf(life.delay) and counts.window.end > begin:
            since, first, last = (
                float(x[0]) for x in (state.incident.since, state.incident.earliest, state.incident.latest)
            )
            delay = (counts.window.end - begin) / spec.seconds
            life = Life(0, delay, life.lasted, (since - begin) / HOUR, first <= begin <= last)
        if before and not state.incident.member[0] and np.isfinite(life.delay) and np.isinf(life.lasted):
            lasted = (counts.window.end - end) / spec.seconds
            life = Life(0, life.delay, lasted, life.late, life.holds)
    return Life(pages, life.delay, life.lasted, life.late, life.holds)
