"""What a budget means in plain words: how many windows a change of some size takes to be found."""

from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from monitor.config.units import HOUR, format_duration
from monitor.drift.columns import FIRST, Column, ColumnType, Floats, WindowCounts
from monitor.drift.decision import e_detector
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

RUNS = 40
MOST = 336
SHIFTS = (0.2, 0.5)
BUCKETS, TYPICAL_COLUMNS, TYPICAL_ROWS, TYPICAL_WINDOWS = 50, 20, 1000, 336


@dataclass(frozen=True, slots=True)
class Delay:
    """A shift in standard deviations is found in `windows`, at the median of the `of` number columns.

    Where less than half of them show it within two weeks of hours, it is the median of the `found` that do; None if
    there is none, or if the shift is too small to matter.
    """

    shift: float
    windows: float | None
    found: int
    of: int


def delays(calibration: Calibration, needed: Floats, shifts: tuple[float, ...] = SHIFTS) -> list[Delay]:
    """Simulate the fitted location charts, one typical number column at a time."""
    chosen = np.flatnonzero(
        (calibration.scores.family == Family.LOCATION) & np.isfinite(calibration.scores.scale)
    )
    if not chosen.size:
        return []
    rng = np.random.default_rng(20)
    chosen = np.resize(chosen, RUNS)
    limit = needed[calibration.scores.column[chosen]] / calibration.scores.weight[chosen]
    charts = _only(calibration.charts, chosen)
    matters = [shift >= calibration.least for shift in shifts]
    return [
        _delay(shift, chosen, _found(charts, limit, shift, rng) if matter else np.full(RUNS, np.inf))
        for shift, matter in zip(shifts, matters, strict=True)
    ]


def _delay(shift: float, chosen: np.ndarray, found: Floats) -> Delay:
    columns = np.array([np.median(found[chosen == one]) for one in np.unique(chosen)])
    middle, finite = float(np.median(columns)), columns[np.isfinite(columns)]
    if np.isfinite(middle):
        return Delay(shift, middle, columns.size, columns.size)
    return Delay(shift, float(np.median(finite)) if finite.size else None, finite.size, columns.size)


# Quoted, because numpy loads its random numbers, 3 MB, when they are first named.
def _found(charts: Charts, limit: Floats, shift: float, rng: "np.random.Generator") -> Floats:
    """After how many windows each chart shows the shift, infinite if not within `MOST`."""
    # The mean rank of a normal value that is shifted against the reference by `shift` standard deviations.
    effect = np.sqrt(3) * (2 * NormalDist().cdf(shift / np.sqrt(2)) - 1)
    found = np.full(len(limit), np.inf)
    state, evidence = (
        kalman_filter.begin(charts.autocorrelation),
        e_detector.begin(len(limit), kalman_filter.AGES),
    )
    process = rng.standard_normal(len(limit)) * np.sqrt(charts.autocorrelation.variance)
    rows = np.maximum(charts.typical_rows, 1.0)
    correlation = charts.autocorrelation.correlation
    for t in range(MOST):
        process = correlation * process + rng.standard_normal(len(limit)) * np.sqrt(
            charts.autocorrelation.variance * (1 - correlation**2)
        )
        seen = charts.mean + effect + process + rng.standard_normal(len(limit)) / np.sqrt(rows)
        state, scored = control_charts.step(charts, state, seen, rows, 0, 1.0)
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
        found = np.where(np.isinf(found) & (evidence.mean().sum(axis=1) >= limit), t + 1.0, found)
        if np.isfinite(found).all():
            break
    return found


def _only(charts: Charts, chosen: np.ndarray) -> Charts:
    season = charts.season
    flat = Season(
        season.scheme, season.zone, np.zeros((1, chosen.size)), season.variance.mean(axis=0)[None, chosen]
    )
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
        tails=Tails(charts.tails.threshold, charts.tails.scale, charts.tails.shape),
        tolerated=charts.tolerated[chosen],
        largest=charts.largest[chosen],
        typical_rows=charts.typical_rows[chosen],
        effect_sizes=charts.effect_sizes[chosen],
        tail_shape=charts.tail_shape[chosen],
    )


def meaning(calibration: Calibration, needed: Floats, budget: Budget) -> str:
    """`1 false alarm in 30 days: a shift of 0.2 sd is found in about 12 windows of 1h, 0.5 sd in about 4`."""
    told = _told(delays(calibration, needed), format_duration(calibration.seconds))
    raised = (
        f"; the limit is raised {calibration.raised:.1f} times by the replay"
        if calibration.raised > 1
        else ""
    )
    return f"{budget}: {told}{raised}" if told else f"{budget}{raised}"


def _told(found: list[Delay], window: str) -> str:
    parts = []
    for index, one in enumerate(found):
        unit = f" windows of {window}" if index == 0 else ""
        if one.windows is None:
            parts.append(f"{'a shift of ' * (index == 0)}{one.shift:g} sd takes more than {MOST}{unit}")
            continue
        some = f" on {one.found} of {one.of} number columns" if one.found < one.of else ""
        verb = "is found " * (index == 0 or found[0].windows is None)
        parts.append(
            f"{'a shift of ' * (index == 0)}{one.shift:g} sd {verb}in about {one.windows:.0f}{unit}{some}"
        )
    wander = any(one.found < one.of and one.windows for one in found)
    return ", ".join(parts) + (" (the others wander too much)" if wander else "")


def typical(settings: DriftSettings) -> str:
    """What the settings mean for a model of twenty features and a thousand rows an hour that nothing else moves; what
    they mean for a real one is known once its past was learned.
    """
    rng = np.random.default_rng(21)
    columns = [Column(f"feature {i}", ColumnType.NUMBER, BUCKETS) for i in range(TYPICAL_COLUMNS)]
    shares = np.full(BUCKETS, 1 / BUCKETS)
    windows = []
    for t in range(TYPICAL_WINDOWS):
        counts = np.zeros((TYPICAL_COLUMNS, BUCKETS + 3))
        counts[:, FIRST : FIRST + BUCKETS] = rng.multinomial(TYPICAL_ROWS, shares, TYPICAL_COLUMNS)
        windows.append(WindowCounts(Window(t * HOUR, (t + 1) * HOUR), counts.ravel()))
    calibration = fit(columns, windows, min_effect=settings.min_effect)
    needed = limits(calibration.columns, settings.budget.limit(HOUR))
    whose = "for all models together" if settings.scope == "fleet" else "for each model"
    return (
        f"{meaning(calibration, needed, settings.budget)} ({whose}; on {TYPICAL_COLUMNS} features with "
        f"{TYPICAL_ROWS:,} rows an hour that do not wander; `watchkeeper status` says it for each model)"
    )
