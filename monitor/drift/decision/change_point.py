"""When a drift began: the likeliest change point, with the interval that the evidence allows.

For each window in which the drift of a column may have begun, the errors since then are compared with those of no drift
at all: a Bayes factor, with a normal prior on the size of the effect, of the errors' shift by a drift of that age. All
windows are equally likely beforehand. The interval is the smallest set of windows that holds 90 % of the probability.
It is computed from the windows before a column joins the incident, which happens rarely, so no state is kept for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from monitor.drift.columns import Floats, WindowCounts
from monitor.drift.decision.decide import Decision
from monitor.drift.decision.e_detector import SIGNS, Unseen, unseen_gain
from monitor.drift.decision.state import DecisionState
from monitor.drift.model import control_charts, kalman_filter, season
from monitor.drift.model.calibration import Calibration, density, distances, score_reference
from monitor.drift.model.kalman_filter import AGES
from monitor.drift.model.scores import UNSEEN_WEIGHT
from monitor.records import Window

PROBABILITY = 0.9
LEAST_WINDOWS, MOST_WINDOWS = 24, 400
_CLIP = 6.0
_DENSE_SIZE = 2.0


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """A drift began with window `at` (its number), and between the windows `earliest` and `latest`."""

    at: int
    earliest: int
    latest: int


@dataclass(frozen=True, slots=True, eq=False)
class _Past:
    """The windows up to the decision: scores, deviations and rows (windows, charts), responses (windows, charts, AGES),
    the same of the chart of all columns (windows,) and (windows, AGES), and the counts of values outside the reference
    (windows, columns).
    """

    windows: Sequence[Window]
    score: Floats
    deviation: Floats
    rows: Floats
    response: Floats
    dense_score: Floats
    dense_response: Floats
    outside: Floats
    seen: Floats


def span_needed(state: DecisionState, decision: Decision) -> Window:
    """The span of the windows that `dated` needs: twice the time since the evidence began, at least 24 windows."""
    seconds, end = decision.window.seconds, decision.window.end
    begun = float(state.incident.since[decision.joined].min())
    length = min(max(2 * (end - begun), LEAST_WINDOWS * seconds), MOST_WINDOWS * seconds)
    return Window(end - int(length // seconds) * seconds, end)


def dated(
    calibration: Calibration, state: DecisionState, decision: Decision, counts: Sequence[WindowCounts]
) -> DecisionState:
    """The state after `decision`, with the change points of the columns that joined, and their evidence since then.

    `counts` are the windows in the span that `span_needed` names, in order; the last is that of the decision.
    """
    past = _past(calibration, counts)
    sudden = np.append((decision.broken >= 0) & (decision.ratio[:-1] <= 1), False)
    for index in np.flatnonzero(decision.joined):
        last = len(counts) - 1
        point = (
            ChangePoint(last, last, last) if sudden[index] else _found(calibration, state, past, int(index))
        )
        state = _moved(calibration, state, past, int(index), point)
    return state


def change_point(support: Floats) -> ChangePoint:
    """The likeliest of some windows by their log Bayes factors (windows,), and the range of the likely ones."""
    chance = np.exp(support - support.max())
    chance /= chance.sum()
    order = np.argsort(-chance, kind="stable")
    likely = order[: int(np.searchsorted(np.cumsum(chance[order]), PROBABILITY)) + 1]
    return ChangePoint(int(order[0]), int(likely.min()), int(likely.max()))


def support(score: Floats, response: Floats, sign: float, size: float) -> Floats:
    """The log Bayes factor of a drift that began in each window (windows,), from standard normal scores (windows,) and
    their shift by a drift of size one that began 0, 1, 2, ... windows ago (windows, AGES). `size` is the standard
    deviation of the prior; effects of the other `sign` count as none.
    """
    shift = _since(response * np.clip(score, -_CLIP, _CLIP)[:, None])
    information = _since(response**2)
    factor = shift**2 / (information + 1 / size**2) / 2
    return np.asarray(np.where(shift * sign > 0, factor, 0.0) - np.log1p(information * size**2) / 2)


def _since(values: Floats) -> Floats:
    """The sum of (windows, AGES) from each window on (windows,), where the age selects the column."""
    windows = len(values)
    older = np.concatenate([np.cumsum(values[::-1, -1])[::-1], np.zeros(AGES)])
    total = older[AGES - 1 : AGES - 1 + windows].copy()
    for age in range(AGES - 1):
        total[: max(windows - age, 0)] += values[age:, age]
    return np.asarray(total)


def _past(calibration: Calibration, counts: Sequence[WindowCounts]) -> _Past:
    scores, charts = calibration.scores, calibration.charts
    windows = [count.window for count in counts]
    effects, rows = score_reference(scores, counts)
    cells = season.cells(windows, charts.season.scheme, calibration.zone)
    gaps = distances([window.start for window in windows], calibration.seconds)
    state = kalman_filter.begin(charts.autocorrelation, charts.season)
    dense_state = kalman_filter.begin(calibration.dense.autocorrelation, calibration.dense.season)
    steps, together = [], []
    for t in range(len(counts)):
        cell, gap = int(cells[t]), float(gaps[t])
        state, scored = control_charts.step(charts, state, effects[t], rows[t], cell, gap)
        raw = density(scores, scored.score, scored.margin, scored.observed) / calibration.dense_scale
        present = np.full(1, float(scored.observed.any()))
        dense_state, one = control_charts.step(
            calibration.dense, dense_state, np.array([raw]), present, cell, gap
        )
        steps.append(scored)
        together.append(one)
    unseen = np.array([scores.unseen_counts(count.counts) for count in counts])
    return _Past(
        windows,
        np.array([step.score for step in steps]),
        np.array([step.deviation for step in steps]),
        np.array([step.rows for step in steps]),
        np.array([step.response for step in steps]),
        np.array([one.score[0] for one in together]),
        np.array([one.response[0] for one in together]),
        unseen[:, 0],
        unseen[:, 1],
    )


def _found(calibration: Calibration, state: DecisionState, past: _Past, index: int) -> ChangePoint:
    if index == len(calibration.columns):
        return change_point(support(past.dense_score, past.dense_response, 1.0, _DENSE_SIZE))
    chart, sign, strength = _strongest(calibration, state, index)
    if state.unseen.mean()[index] * UNSEEN_WEIGHT > strength:
        gain, informative = unseen_gain(
            past.outside[:, index], past.seen[:, index], calibration.unseen[index], calibration.novel[index]
        )
        return change_point(_mixed(np.cumsum(gain[::-1], axis=0)[::-1][:, informative]))
    size = max(abs(float(state.evidence.effect()[chart, sign])), calibration.least)
    return change_point(support(past.score[:, chart], past.response[:, chart], float(SIGNS[sign]), size))


def _strongest(calibration: Calibration, state: DecisionState, index: int) -> tuple[int, int, float]:
    """The chart of a column with the most evidence, its sign, and that evidence."""
    charts = np.flatnonzero(calibration.scores.column == index)
    strength = state.evidence.mean()[charts] * calibration.scores.weight[charts, None]
    place, sign = np.unravel_index(int(strength.argmax()), strength.shape)
    return int(charts[place]), int(sign), float(strength.max())


def _mixed(gains: Floats) -> Floats:
    """The logarithm of the mean of exp(gains) over the last axis."""
    most = gains.max(axis=1, keepdims=True)
    return np.asarray(np.log(np.exp(gains - most).mean(axis=1)) + most[:, 0])


def _moved(
    calibration: Calibration, state: DecisionState, past: _Past, index: int, point: ChangePoint
) -> DecisionState:
    """The state with this change point of a column, and its evidence summed since then."""
    at = float(past.windows[point.at].start)
    incident = state.incident
    since, earliest, latest = incident.since.copy(), incident.earliest.copy(), incident.latest.copy()
    # A drift that began late in a window hardly shows in it.
    since[index], earliest[index] = at, float(past.windows[max(point.earliest - 1, 0)].start)
    latest[index] = float(past.windows[point.latest].end)
    state = replace(state, incident=replace(incident, since=since, earliest=earliest, latest=latest))
    rows, sums = past.rows[point.at :].sum(axis=0), (past.deviation * past.rows)[point.at :].sum(axis=0)
    if index == len(calibration.columns):
        dense = replace(state.dense, since=np.where(state.dense.since > 0, at, 0.0))
        return replace(state, dense=dense, dense_sums=sums, dense_rows=rows)
    mine = (calibration.scores.column == index)[:, None] & (state.evidence.since > 0)
    old = state.evidence
    evidence = replace(
        old,
        since=np.where(mine, at, old.since),
        rows=np.where(mine, rows[:, None], old.rows),
        sums=np.where(mine, sums[:, None], old.sums),
    )
    effect = np.divide(sums, rows, out=np.zeros_like(rows), where=rows > 0)
    known = (calibration.scores.column == index) & (state.recovery.effect != 0)
    recovery = replace(state.recovery, effect=np.where(known, effect, state.recovery.effect))
    unseen = _moved_unseen(state.unseen, past, index, point.at)
    return replace(state, evidence=evidence, unseen=unseen, recovery=recovery)


def _moved_unseen(unseen: Unseen, past: _Past, index: int, first: int) -> Unseen:
    if unseen.since[index] <= 0:
        return unseen
    rows, outside, since = unseen.rows.copy(), unseen.outside.copy(), unseen.since.copy()
    rows[index], outside[index] = past.seen[first:, index].sum(), past.outside[first:, index].sum()
    since[index] = float(past.windows[first].start)
    return replace(unseen, rows=rows, outside=outside, since=since)
