"""The change of each column, described by its most informative chart."""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from monitor.drift.columns import OUTSIDE, ColumnType, WatchedColumn
from monitor.drift.decision.breaks import is_usual_after
from monitor.drift.decision.decide import Decision
from monitor.drift.decision.e_detector import SIGNS
from monitor.drift.decision.state import DecisionState
from monitor.drift.explain.relation_words import relation_words, share_after
from monitor.drift.model.calibration import Calibration
from monitor.drift.model.control_charts import Scored
from monitor.drift.model.scores import UNSEEN_WEIGHT, Family

# How much more evidence a decile or shape chart needs to be preferred to one that is easier to explain.
PLAINER = 100.0

# Shares from this one on are told without decimals.
ROUNDED = 0.1


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """One column: its effect in standard deviations since its evidence began (`begun`; else in this window), the change
    in words, and the number of rows. `jumped`: the effect is the distance from the windows before, and may be as usual
    in the reference.
    """

    effect: float
    part: str
    rows: float
    begun: bool
    jumped: bool = False


def column_changes(calibration: Calibration, state: DecisionState, decision: Decision) -> list[ColumnChange]:
    """One per column; none for a skipped window."""
    scored = decision.scored
    if scored is None:
        return []
    mean, effect = state.evidence.mean(), state.evidence.effect() * SIGNS
    unseen, share = state.unseen.mean() * UNSEEN_WEIGHT, state.unseen.share()
    results = []
    for index, chart in enumerate(_strongest(calibration, state)):
        broken, pair = int(decision.broken[index]), mean[chart]
        sign = int(pair.argmax())
        if broken >= 0 and decision.ratio[index] <= 1:
            results.append(_now(calibration, scored, broken, begun=True))
        elif unseen[index] > pair.sum() * calibration.scores.weight[chart] and state.unseen.since[index] > 0:
            gone = _missing_share(calibration, scored, index)
            results.append(
                _new(calibration.columns[index], float(share[index]), float(state.unseen.rows[index]), gone)
            )
        elif state.evidence.since[chart, sign] > 0:
            size = float(effect[chart, sign])
            rows = float(state.evidence.rows[chart, sign])
            results.append(
                ColumnChange(_shown(calibration, chart, size), _part(calibration, chart, size), rows, True)
            )
        else:
            results.append(_now(calibration, scored, chart, begun=False))
    return results


def _now(calibration: Calibration, scored: Scored, chart: int, *, begun: bool) -> ColumnChange:
    jumped = begun and is_usual_after(calibration, scored, chart)
    size = float(scored.moved[chart] if jumped else scored.deviation[chart])
    part = _part(calibration, chart, size)
    return ColumnChange(_shown(calibration, chart, size), part, float(scored.rows[chart]), begun, jumped)


def _new(column: WatchedColumn, share: float, rows: float, missing: float) -> ColumnChange:
    if missing >= share / 2:  # in a column that always had values, missing ones count as new
        part = f"values are missing ({_percent(share)}), none were"
    elif column.kind is ColumnType.NUMBER:
        part = f"values outside the range of the baseline ({_percent(share)})"
    else:
        part = f"new values ({_percent(share)})"
    return ColumnChange(float(np.sqrt(share)), part, rows, True)


def _missing_share(calibration: Calibration, scored: Scored, index: int) -> float:
    """The share of missing values of a column in this window."""
    scores = calibration.scores
    chart = int(np.flatnonzero((scores.column == index) & (scores.family == Family.MISSING))[0])
    return share_after(float(scores.share[chart]), float(scored.deviation[chart]))


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= ROUNDED else f"{share:.1%}"


def _instead(usual: float, effect: float) -> str:
    return f"({_percent(share_after(usual, effect))} instead of {_percent(usual)})"


def _shown(calibration: Calibration, chart: int, effect: float) -> float:
    location = calibration.scores.family[chart] == Family.LOCATION
    return standard_deviations(effect) if location else effect


def standard_deviations(effect: float) -> float:
    """The shift of a normal column, in standard deviations, that gives this location effect."""
    share = min(max((effect / np.sqrt(3) + 1) / 2, 1e-6), 1 - 1e-6)
    return float(np.sqrt(2) * NormalDist().inv_cdf(share))


def _strongest(calibration: Calibration, state: DecisionState) -> list[int]:
    """The chart with the most evidence of each column; a simpler one wins over a decile or shape chart."""
    strength = state.evidence.mean().sum(axis=1) * calibration.scores.weight
    plain = (calibration.scores.family != Family.BIN) & (calibration.scores.family != Family.SHAPE)
    strength = np.where(plain, strength * PLAINER, strength)
    order = np.argsort(strength, kind="stable")
    best = np.zeros(len(calibration.columns), dtype=np.int64)
    best[calibration.scores.column[order]] = order
    return [int(chart) for chart in best]


def _part(calibration: Calibration, chart: int, effect: float) -> str:
    scores = calibration.scores
    column = calibration.columns[int(scores.column[chart])]
    family, place, up = int(scores.family[chart]), int(scores.place[chart]), effect > 0
    if column.relates:
        usual = float(scores.share[chart])
        return relation_words(column.relates, usual, share_after(usual, effect), is_same=place == 0)
    if family == Family.LOCATION:
        return "values are higher" if up else "values are lower"
    if family == Family.SPREAD:
        return "values are more spread out" if up else "values are less spread out"
    if family == Family.SHAPE:
        return "the shape of the distribution changed"
    if family in (Family.MISSING, Family.LEVEL):
        return f"{_share_words(column, place, family, up=up)} {_instead(float(scores.share[chart]), effect)}"
    direction = "more" if up else "less"
    return f"values {_between(calibration, column, chart)} are {direction} frequent"


def _share_words(column: WatchedColumn, place: int, family: int, *, up: bool) -> str:
    if family == Family.MISSING:
        return "more values are missing" if up else "fewer values are missing"
    direction = "more" if up else "less"
    if 0 <= place < len(column.labels):
        return f"{column.labels[place]!r} is {direction} frequent"
    return f"rare labels are {direction} frequent" if place < 0 else f"a label is {direction} frequent"


def _between(calibration: Calibration, column: WatchedColumn, chart: int) -> str:
    scores = calibration.scores
    offset = int(scores.bounds[scores.column[chart]]) + OUTSIDE + 1
    first, stop = (int(place) - offset for place in scores.spans[chart - scores.moments])
    if not column.edges:
        return f"in the {scores.place[chart]}. tenth"
    low = column.edges[max(first, 0)]
    high = column.edges[min(stop, len(column.edges) - 1)]
    return f"of {low:.4g}" if low == high else f"from {low:.4g} to {high:.4g}"
