"""Fits the charts on the reference windows.

Mean, season and autocorrelation come first. The windows are then filtered again to fit the rest: the tails, the
remaining dependence, and the shift of the errors under a lasting drift.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from monitor.drift.columns import Floats, Integers
from monitor.drift.decision.e_detector import SIZES
from monitor.drift.model import (
    amplitude,
    autocorrelation,
    kalman_filter,
    location_coupling,
    season,
    tails,
    volatile_hours,
)
from monitor.drift.model.control_charts import Charts
from monitor.drift.model.location_coupling import LocationCoupling
from monitor.drift.model.scores import Family
from monitor.drift.model.season import Season
from monitor.records import Window

WINDOWS_PER_DAY = 24

# By family: the part of the smallest relevant effect that is subtracted from every score.
TOLERATED = np.array([0.1, *[0.25] * (len(Family) - 1)])

# Scores of a lasting drift of the smallest effect size (range) and of the largest one.
LOWEST, LARGEST = (0.4, 1.5), 4.0


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceEffects:
    """The effects of all reference windows, and what is known of the charts before fitting.

    `effects` and `rows` are (windows, charts). `scheme` and `zone` select the cells of the season. `gaps` (windows,) is
    the distance from the window before, in windows. `family`, `least` (smallest relevant effect) and `leader` (the
    chart to which a chart may be coupled) and `column` are (charts,).
    """

    effects: Floats
    rows: Floats
    windows: Sequence[Window]
    scheme: str
    zone: str
    gaps: Floats
    family: Integers
    least: Floats
    leader: Integers
    column: Integers

    @property
    def cells(self) -> Integers:
        """The season's cell of each window."""
        return season.cells(self.windows, self.scheme, self.zone)


@dataclass(frozen=True, slots=True, eq=False)
class _Level:
    """Coupling, mean and season, and the deviations from them (windows, charts)."""

    coupling: LocationCoupling
    mean: Floats
    season: Season
    deviations: Floats


def fit(reference: ReferenceEffects) -> Charts:
    """Fit all charts on reference windows."""
    effects, rows, gaps, family = reference.effects, reference.rows, reference.gaps, reference.family
    observed, cells = rows > 0, reference.cells
    initial = _without_tails(reference)
    shape = _tail_shape(replay(initial, effects, rows, cells, gaps)[0], observed, family)
    initial = replace(initial, tail_shape=shape)
    errors, responses, factor = replay(initial, effects, rows, cells, gaps)
    single, inflation = _inflation(errors, observed, family == Family.RELATION)
    errors = errors / inflation
    n_windows = np.maximum(observed.sum(axis=0), 1)
    return replace(
        initial,
        season=replace(initial.season, factor=factor),
        inflation=inflation,
        dependence=inflation / single,
        tails=tails.fit(errors, observed, family, int(family.max()) + 1),
        largest=np.abs(errors).max(axis=0),
        effect_sizes=_effect_sizes(
            reference.least - initial.tolerated, responses.sum(axis=0) / n_windows / inflation
        ),
    )


def _without_tails(reference: ReferenceEffects) -> Charts:
    """Fit coupling, mean, season and autocorrelation; tails stay normal, and there are no effect sizes yet."""
    rows, family, cells = reference.rows, reference.family, reference.cells
    level = _level(reference, rows)
    unsteady_hours = volatile_hours.hours(
        level.deviations, rows, cells, reference.column, len(level.season.offset)
    )
    if unsteady_hours.any():
        level = _level(reference, np.where(unsteady_hours[cells], 0.0, rows))
        alike = reference.column * len(Family) + family
        more = volatile_hours.variance(level.deviations, rows, cells, unsteady_hours, alike)
        level = replace(level, season=replace(level.season, unsteady=more))
    observed, weighed = rows > 0, level.season.weighed(rows, cells)
    process = autocorrelation.fit(level.deviations, weighed, reference.gaps, family, rows)
    n_windows = np.maximum(observed.sum(axis=0), 1)
    noise = np.divide(1.0, rows, out=np.zeros_like(rows), where=observed).sum(axis=0) / n_windows
    one = np.ones_like(level.mean)
    return Charts(
        family=family,
        coupling=level.coupling,
        mean=level.mean,
        season=level.season,
        autocorrelation=process,
        inflation=one,
        dependence=one,
        tails=tails.fit(reference.effects[:0], observed[:0], family, int(family.max()) + 1),
        tolerated=reference.least * TOLERATED[family]
        + np.sqrt((noise + process.long_run_variance()) / n_windows),
        largest=one,
        typical_rows=np.maximum(weighed.sum(axis=0), 1e-9) / n_windows,
        effect_sizes=np.zeros((one.size, SIZES)),
        tail_shape=np.zeros_like(one),
    )


def _level(reference: ReferenceEffects, weight: Floats) -> _Level:
    """Fit coupling, mean and season on the windows of each chart that have a `weight` (windows, charts)."""
    coupling = location_coupling.fit(reference.effects, weight, reference.leader)
    effects = coupling.remove(reference.effects, reference.rows)
    mean = (effects * weight).sum(axis=0) / np.maximum(weight.sum(axis=0), 1e-9)
    centred = np.where(reference.rows > 0, effects - mean, 0.0)
    pattern = season.fit(
        centred, weight > 0, reference.windows, reference.scheme, reference.zone, reference.family
    )
    deviations = np.where(reference.rows > 0, centred - pattern.offset[reference.cells], 0.0)
    return _Level(coupling, mean, pattern, deviations)


def _tail_shape(errors: Floats, observed: np.ndarray, family: Integers) -> Floats:
    """Return the tail shape of each chart. Locations count as heavy: a month of few columns does not identify it."""
    shape = tails.fit(errors, observed, family, int(family.max()) + 1).shape[family]
    return np.asarray(np.where(family == Family.LOCATION, np.maximum(shape, kalman_filter.HEAVY), shape))


def replay(
    charts: Charts, effects: Floats, rows: Floats, cells: Integers, gaps: Floats
) -> tuple[Floats, Floats, Floats]:
    """Filter consecutive windows; return the errors and their shift by a lasting drift of size one, both (windows,
    charts), and the last amplitude of the season (charts,).

    Equal to the last bit to `control_charts.step` window by window. Everything that does not depend on the window
    before is computed for all windows at once.
    """
    observed, process = rows > 0, charts.autocorrelation
    weighed = charts.season.weighed(rows, cells)
    noise = np.divide(1.0, weighed, out=np.zeros_like(rows), where=observed)
    extra = charts.season.variance[cells] + charts.coupling.extra_variance(effects)
    uncoupled = charts.coupling.remove(effects, rows)
    centred = np.where(observed, uncoupled - charts.mean, 0.0)
    offsets = charts.season.offset[cells]
    state = kalman_filter.begin(process, charts.season)
    scale = state.amplitude
    mean, variance, absorbed = state.mean, state.variance, state.absorbed[:, -1]
    errors, responses = np.zeros_like(effects), np.zeros_like(effects)
    for t, present in enumerate(observed):
        forecast, before = kalman_filter.predict(mean, variance, process, np.full_like(mean, gaps[t]))
        expected = absorbed * process.correlation ** float(gaps[t])
        scale = amplitude.predict(scale, charts.season.change, float(gaps[t]))
        doubt = extra[t] + scale.variance * offsets[t] ** 2
        deviates = np.sqrt(np.maximum(before + noise[t] + doubt, 1e-300)) * charts.inflation
        innovation = np.where(present, centred[t] - scale.factor * offsets[t] - forecast, 0.0)
        errors[t], responses[t] = innovation / deviates, np.where(present, (1 - expected) / deviates, 0.0)
        before = before * kalman_filter.shock_factor(errors[t], charts.tail_shape)
        total = before + noise[t]
        gain = np.where(present & (total > 0), before / np.maximum(total, 1e-300), 0.0)
        mean, variance = forecast + gain * innovation, before * (1 - gain)
        absorbed = np.where(present, expected + gain * (1 - expected), expected)
        scale = amplitude.update(scale, offsets[t], errors[t], deviates)
    return errors, responses, scale.factor


def _effect_sizes(least: Floats, response: Floats) -> Floats:
    """Return effect sizes (charts, SIZES): geometric steps from the smallest relevant one to one that is always seen.

    `response` is the shift of an error by a lasting drift of size one.
    """
    safe = np.maximum(response, 1e-9)
    lowest = np.clip(least * safe, *LOWEST)
    power = np.linspace(0, 1, SIZES)
    return np.asarray(lowest[:, None] ** (1 - power) * LARGEST**power / safe[:, None])


def _inflation(errors: Floats, observed: np.ndarray, related: np.ndarray) -> tuple[Floats, Floats]:
    """Return the factor by which single errors are too large, and that of errors with remaining dependence, both
    (charts,) and at least 1.

    The second is from the variance of single errors, or of sums over 24 windows if larger. Half is each chart's own,
    half the mean of all that vary. Charts of relations (`related`, bool (charts,)) have a mean of their own.
    """
    single = (errors**2).sum(axis=0) / np.maximum(observed.sum(axis=0), 1)
    ratio = single.copy()
    blocks = len(errors) // WINDOWS_PER_DAY
    if blocks >= WINDOWS_PER_DAY // 2:
        sums = errors[: blocks * WINDOWS_PER_DAY].reshape(blocks, WINDOWS_PER_DAY, -1).sum(axis=1)
        counts = observed[: blocks * WINDOWS_PER_DAY].reshape(blocks, WINDOWS_PER_DAY, -1).sum(axis=1)
        ratio = np.maximum(ratio, (sums**2).sum(axis=0) / np.maximum(counts.sum(axis=0), 1))
    varies = errors.any(axis=0)
    for kind in (related, ~related):
        for one in (single, ratio):
            usual = one[kind & varies].mean() if (kind & varies).any() else 0.0
            one[kind] = 0.5 * one[kind] + 0.5 * usual
    return np.sqrt(np.maximum(1.0, single)), np.sqrt(np.maximum(1.0, ratio))
