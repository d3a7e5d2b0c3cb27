"""Fitting charts: what the reference windows say of each.

Mean, season and wander come first. Then the windows are replayed, to see what the filter leaves: how heavy the tails
are, how much dependence, and how far a lasting drift would move the errors.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from monitor.drift import bend, season, tails, wander
from monitor.drift.charts import Charts, begin
from monitor.drift.columns import Floats, Integers
from monitor.drift.evidence import SIZES
from monitor.drift.scores import Family
from monitor.records import Window

DAY = 24

# By family: the part of the smallest effect that matters which is taken off every score.
TOLERATED = np.array([0.1, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25])

# Scores of a lasting drift that bets are made for: the smallest lies within these, the largest is that.
LOWEST, LARGEST = (0.4, 1.5), 4.0


def fit(
    effects: Floats,
    rows: Floats,
    windows: Sequence[Window],
    kind: str,
    zone: str,
    gaps: Floats,
    family: Integers,
    least: Floats,
    leader: Integers,
) -> Charts:
    """Charts from reference windows: `effects` and `rows` are (windows, charts) of `windows`, `gaps` the distance of
    each from the one before in windows, `least` the smallest effect that matters on each chart, `leader` which chart
    it may follow.
    """
    observed, where = rows > 0, season.cells(windows, kind, zone)
    plain = _plain(effects, rows, windows, kind, zone, gaps, family, least, leader)
    heavy = _heaviness(replay(plain, effects, rows, where, gaps)[0], observed, family)
    plain = replace(plain, heaviness=heavy)
    errors, responses = replay(plain, effects, rows, where, gaps)
    inflation = _inflation(errors, observed)
    errors = errors / inflation
    seen = np.maximum(observed.sum(axis=0), 1)
    return replace(
        plain,
        inflation=inflation,
        tails=tails.fit(errors, observed, family, int(family.max()) + 1),
        largest=np.abs(errors).max(axis=0),
        bets=_bets(least - plain.tolerated, responses.sum(axis=0) / seen / inflation),
    )


def _plain(
    effects: Floats,
    rows: Floats,
    windows: Sequence[Window],
    kind: str,
    zone: str,
    gaps: Floats,
    family: Integers,
    least: Floats,
    leader: Integers,
) -> Charts:
    """Charts by what is known before any window is replayed: normal tails, no dependence, no bets."""
    bent = bend.fit(effects, rows, leader)
    effects = bent.straight(effects, rows)
    observed = rows > 0
    total = np.maximum(rows.sum(axis=0), 1e-9)
    mean = (effects * rows).sum(axis=0) / total
    centred = np.where(observed, effects - mean, 0.0)
    pattern = season.fit(centred, observed, windows, kind, zone, family)
    deviations = np.where(observed, centred - pattern.offset[season.cells(windows, kind, zone)], 0.0)
    walk = wander.fit(deviations, rows, gaps, family)
    seen = np.maximum(observed.sum(axis=0), 1)
    noise = np.divide(1.0, rows, out=np.zeros_like(rows), where=observed).sum(axis=0) / seen
    one = np.ones_like(mean)
    return Charts(
        family=family,
        bend=bent,
        mean=mean,
        season=pattern,
        wander=walk,
        inflation=one,
        tails=tails.fit(effects[:0], observed[:0], family, int(family.max()) + 1),
        tolerated=least * TOLERATED[family] + np.sqrt((noise + walk.long_run()) / seen),
        largest=one,
        typical_rows=total / seen,
        bets=np.zeros((mean.size, SIZES)),
        heaviness=np.zeros_like(mean),
    )


def _heaviness(errors: Floats, observed: np.ndarray, family: Integers) -> Floats:
    """The shape of each chart's tail. A month of few columns tells it badly: a location's is taken for heavy."""
    shape = tails.fit(errors, observed, family, int(family.max()) + 1).shape[family]
    return np.asarray(np.where(family == Family.LOCATION, np.maximum(shape, wander.HEAVY), shape))


def replay(
    charts: Charts, effects: Floats, rows: Floats, where: Integers, gaps: Floats
) -> tuple[Floats, Floats]:
    """Errors of a row of windows, and how far a lasting drift of size one moves them: both (windows, charts).

    The same to the last bit as `monitor.drift.charts.step` window by window, without what a fit does not need: what
    does not depend on the window before is computed for all windows at once.
    """
    observed, walk = rows > 0, charts.wander
    noise = np.divide(1.0, rows, out=np.zeros_like(rows), where=observed)
    extra = charts.season.variance[where] + charts.bend.doubt(effects)
    straight = charts.bend.straight(effects, rows)
    deviations = np.where(observed, straight - charts.mean - charts.season.offset[where], 0.0)
    state = begin(charts)
    level, spread, followed = state.level, state.spread, state.followed[:, -1]
    errors, responses = np.zeros_like(effects), np.zeros_like(effects)
    for t, seen in enumerate(observed):
        forecast, before = wander.predict(level, spread, walk, np.full_like(level, gaps[t]))
        expected = followed * walk.memory ** float(gaps[t])
        deviates = np.sqrt(np.maximum(before + noise[t] + extra[t], 1e-300)) * charts.inflation
        off = np.where(seen, deviations[t] - forecast, 0.0)
        errors[t], responses[t] = off / deviates, np.where(seen, (1 - expected) / deviates, 0.0)
        before = before * wander.surprise(errors[t], charts.heaviness)
        total = before + noise[t]
        gain = np.where(seen & (total > 0), before / np.maximum(total, 1e-300), 0.0)
        level, spread = forecast + gain * off, before * (1 - gain)
        followed = np.where(seen, expected + gain * (1 - expected), expected)
    return errors, responses


def _bets(least: Floats, response: Floats) -> Floats:
    """Sizes from the smallest that matters to one that every window shows, in equal proportions: (charts, SIZES).

    `response` is how far a lasting drift of size one moves an error.
    """
    safe = np.maximum(response, 1e-9)
    lowest = np.clip(least * safe, *LOWEST)
    power = np.linspace(0, 1, SIZES)
    return np.asarray(lowest[:, None] ** (1 - power) * LARGEST**power / safe[:, None])


def _inflation(errors: Floats, observed: np.ndarray) -> Floats:
    """What dependence is left: the variance of single errors or of sums over 24 windows, half each chart's own and
    half the mean of all, never below one.
    """
    ratio = (errors**2).sum(axis=0) / np.maximum(observed.sum(axis=0), 1)
    blocks = len(errors) // DAY
    if blocks >= DAY // 2:
        sums = errors[: blocks * DAY].reshape(blocks, DAY, -1).sum(axis=1)
        counts = observed[: blocks * DAY].reshape(blocks, DAY, -1).sum(axis=1)
        ratio = np.maximum(ratio, (sums**2).sum(axis=0) / np.maximum(counts.sum(axis=0), 1))
    return np.asarray(np.sqrt(np.maximum(1.0, 0.5 * ratio + 0.5 * ratio.mean())))
