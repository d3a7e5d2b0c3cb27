"""The meaning of a budget: after how many windows a change of a given size is detected."""

from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from monitor.config.units import DAY, HOUR, MINUTE, format_duration
from monitor.drift import window_length
from monitor.drift.columns import FIRST, ColumnType, Floats, WatchedColumn, WindowCounts
from monitor.drift.decision import e_detector
from monitor.drift.decision.breaks import jumped
from monitor.drift.decision.budget import Budget, limits
from monitor.drift.model import control_charts, kalman_filter, location_coupling
from monitor.drift.model.autocorrelation import Autocorrelation
from monitor.drift.model.calibration import Calibration, fit
from monitor.drift.model.control_charts import Charts
from monitor.drift.model.scores import Family
from monitor.drift.model.season import Season
from monitor.drift.model.tails import Tails
from monitor.drift.settings import DriftSettings
from monitor.records import Window
from monitor.visible import counted

RUNS = 40
MOST, KNOWN = 336, 48
"""The most windows after a shift, and those before it."""
SHIFTS, SLOW_SHIFTS = (0.2, 0.5), (0.5, 1.0)
"""Shifts of the examples, in standard deviations; in windows of more than an hour, the latter."""
BUCKETS, TYPICAL_COLUMNS, TYPICAL_ROWS_AN_HOUR, TYPICAL_WINDOWS = 50, 20, 1000, 336


@dataclass(frozen=True, slots=True)
class Delay:
    """A shift (in standard deviations) is detected after `windows`, the median over the `of` number columns.

    If less than half of them detect it within two weeks of hours, it is the median of the `detected` that do; None if
    none does, or if the shift is below the smallest relevant effect.
    """

    shift: float
    windows: float | None
    detected: int
    of: int


def delays(calibration: Calibration, needed: Floats, shifts: tuple[float, ...] = SHIFTS) -> list[Delay]:
    """Simulate the fitted location charts of the number columns."""
    chosen = np.flatnonzero(
        (calibration.scores.family == Family.LOCATION) & np.isfinite(calibration.scores.scale)
    )
    if not chosen.size:
        return []
    rng = np.random.default_rng(20)
    chosen = np.resize(chosen, RUNS)
    limit = needed[calibration.scores.column[chosen]] / calibration.scores.weight[chosen]
    charts = _only(calibration.charts, chosen)
    least, never = calibration.least, np.full(RUNS, np.inf)
    return [
        _delay(
            shift, chosen, _simulated_delays(charts, limit, shift, least, rng) if shift >= least else never
        )
        for shift in shifts
    ]


def _delay(shift: float, chosen: np.ndarray, after: Floats) -> Delay:
    columns = np.array([np.median(after[chosen == one]) for one in np.unique(chosen)])
    middle, finite = float(np.median(columns)), columns[np.isfinite(columns)]
    if np.isfinite(middle):
        return Delay(shift, middle, columns.size, columns.size)
    return Delay(shift, float(np.median(finite)) if finite.size else None, finite.size, columns.size)


# Quoted, because numpy loads its random module (3 MB) on first access.
def _simulated_delays(
    charts: Charts, limit: Floats, shift: float, least: float, rng: "np.random.Generator"
) -> Floats:
    """The windows after which each chart detects the shift, infinite if not within `MOST`, shape (charts,). It begins
    when the filter knows the level, and is also found if the location jumps in one window.
    """
    # The location effect (scaled mean rank) of a normal variable that is shifted by `shift` standard deviations.
    effect = np.sqrt(3) * (2 * NormalDist().cdf(shift / np.sqrt(2)) - 1)
    delay = np.full(len(limit), np.inf)
    state, evidence = (
        kalman_filter.begin(charts.autocorrelation, charts.season),
        e_detector.begin(len(limit), kalman_filter.AGES),
    )
    process = rng.standard_normal(len(limit)) * np.sqrt(charts.autocorrelation.variance)
    rows = np.maximum(charts.typical_rows, 1.0)
    correlation = charts.autocorrelation.correlation
    for t in range(-KNOWN, MOST):
        process = correlation * process + rng.standard_normal(len(limit)) * np.sqrt(
            charts.autocorrelation.variance * (1 - correlation**2)
        )
        effects = charts.mean + effect * (t >= 0) + process + rng.standard_normal(len(limit)) / np.sqrt(rows)
        state, scored = control_charts.step(charts, state, effects, rows, 0, 1.0)
        if t < 0:
            continue
        evidence = e_detector.advance(
            evidence,
            scored.score,
            scored.margin,
            control_charts.lambdas(charts, scored),
            control_charts.score_caps(charts),
            scored.deviation,
            rows,
            t + 1.0,
        )
        found = (evidence.mean().sum(axis=1) >= limit) | jumped(charts, least, scored)
        delay = np.where(np.isinf(delay) & found, t + 1.0, delay)
        if np.isfinite(delay).all():
            break
    return delay


def _only(charts: Charts, chosen: np.ndarray) -> Charts:
    season = charts.season
    flat = Season(
        season.scheme, season.zone, np.zeros((1, chosen.size)), season.variance.mean(axis=0)[None, chosen],
        np.ones(chosen.size), 0.0, np.zeros((1, chosen.size)),
    )  # fmt: skip
    return replace(
        charts,
        family=charts.family[chosen],
        coupling=location_coupling.no_coupling(chosen.size),
        mean=charts.mean[chosen],
        season=flat,
        autocorrelation=Autocorrelation(
            charts.autocorrelation.correlation[chosen], charts.autocorrelation.variance[chosen]
        ),
        inflation=charts.inflation[chosen],
        dependence=charts.dependence[chosen],
        tails=Tails(charts.tails.threshold, charts.tails.scale, charts.tails.shape),
        tolerated=charts.tolerated[chosen],
        largest=charts.largest[chosen],
        typical_rows=charts.typical_rows[chosen],
        effect_sizes=charts.effect_sizes[chosen],
        tail_shape=charts.tail_shape[chosen],
    )


def meaning(calibration: Calibration, needed: Floats, budget: Budget) -> str:
    """`1 false alarm in 30 days: a shift of 0.2 sd is found in about 12 windows of 1h, 0.5 sd in about 4`."""
    shifts = SHIFTS if calibration.seconds <= HOUR else SLOW_SHIFTS
    delays_in_words = _in_words(delays(calibration, needed, shifts), calibration.seconds)
    raised = (
        f"; the limit is raised {calibration.raised:.1f} times by the replay"
        if calibration.raised > 1
        else ""
    )
    return f"{budget}: {delays_in_words}{raised}" if delays_in_words else f"{budget}{raised}"


def _in_words(results: list[Delay], seconds: int) -> str:
    parts = []
    for index, one in enumerate(results):
        subject, length = (
            "a shift of " * (index == 0) + f"{one.shift:g} sd",
            f" of {format_duration(seconds)}",
        )
        if one.windows is None:
            many = f"{MOST} windows{length}" if index == 0 else f"{MOST}"
            parts.append(f"{subject} takes more than {many}")
            continue
        after = round(one.windows)
        many = f"{counted(after, 'window')}{length}" if index == 0 else f"{after}"
        some = f" on {one.detected} of {one.of} number columns" if one.detected < one.of else ""
        verb = "is found " * (index == 0 or results[0].windows is None)
        time = f" ({format_duration(after * seconds)})" if HOUR < seconds < DAY else ""
        parts.append(f"{subject} {verb}in about {many}{time}{some}")
    wander = any(result.detected < result.of and result.windows for result in results)
    return ", ".join(parts) + (" (the others fluctuate too much)" if wander else "")


def typical(settings: DriftSettings) -> str:
    """The meaning of the settings for a model with twenty features and a thousand rows an hour, without
    autocorrelation, in windows of the configured length. For a real model it is known after learning.
    """
    rows = TYPICAL_ROWS_AN_HOUR
    seconds = window_length.length(rows, HOUR, MINUTE, settings)
    rng = np.random.default_rng(21)
    columns = [WatchedColumn(f"feature {i}", ColumnType.NUMBER, BUCKETS) for i in range(TYPICAL_COLUMNS)]
    shares = np.full(BUCKETS, 1 / BUCKETS)
    windows = []
    for t in range(TYPICAL_WINDOWS):
        counts = np.zeros((TYPICAL_COLUMNS, BUCKETS + 3))
        counts[:, FIRST : FIRST + BUCKETS] = rng.multinomial(
            max(round(rows * seconds / HOUR), 1), shares, TYPICAL_COLUMNS
        )
        windows.append(WindowCounts(Window(t * seconds, (t + 1) * seconds), counts.ravel()))
    calibration = fit(columns, windows, min_effect=settings.min_effect)
    needed = limits(calibration.columns, settings.budget.limit(seconds))
    whose = "for all models together" if settings.scope == "fleet" else "for each model"
    return (
        f"{meaning(calibration, needed, settings.budget)} ({whose}; on {TYPICAL_COLUMNS} features with "
        f"{counted(rows, 'row')} an hour without autocorrelation; `watchkeeper status` shows it for each model)"
    )
