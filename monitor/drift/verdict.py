"""Verdicts: what a judgement says about each column, in numbers and in words."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri

from monitor.clock import iso
from monitor.drift.budget import Budget
from monitor.drift.calibration import Calibration
from monitor.drift.columns import OUTSIDE, Column, Floats, Kind, Role, starts
from monitor.drift.decide import Judgement, onsets, spread
from monitor.drift.evidence import SIGNS
from monitor.drift.scores import UNSEEN_WEIGHT, Family
from monitor.drift.state import State
from monitor.records import Labels, Measurement, Stream, Window, labels
from monitor.settings import format_duration

METRIC = "drift_evidence"
PLAINER = 100.0
MOST_SAID = 1e6

# What an open incident is measured as at least: a little above the limit, for rules compare with `above`.
OPEN = 1.001


@dataclass(frozen=True, slots=True)
class DriftVerdict:
    """What is known about one column (or, with an empty `column`, about all together) after one window.

    `evidence` against `limit`; `effect` in standard deviations (None for all together is a root mean square); `part`
    says what moved; `since` is when the evidence began, None while there is none; `rows` are those behind it.
    """

    stream: Stream
    window: Window
    column: str
    role: Role | None
    evidence: float
    limit: float
    effect: float
    part: str
    since: float | None
    rows: float
    significant: bool
    broken: bool
    incident: int
    reason: str

    @property
    def labels(self) -> Labels:
        """As the measurement is labelled: by feature, by output, or by scope."""
        if self.role is None:
            return labels(scope="model")
        name = self.column.removeprefix("features.")
        return labels(output=name) if self.role is Role.OUTPUT else labels(feature=name)


def verdicts(
    stream: Stream,
    calibration: Calibration,
    state: State,
    judgement: Judgement,
    limits: Floats,
    budget: Budget,
) -> list[DriftVerdict]:
    """One verdict for each column, and last the one for all columns together; none for a skipped window."""
    if judgement.scored is None:
        return []
    since = onsets(calibration, state, judgement.window)
    strongest = _strongest(calibration, state)
    found = []
    for index, column in enumerate(calibration.columns):
        effect, part, rows, begun = _moved(calibration, state, judgement, index, strongest[index])
        evidence, limit = float(judgement.ratio[index] * limits[index]), float(limits[index])
        sudden = bool(judgement.broken[index] >= 0 and judgement.ratio[index] <= 1)
        moment = float(judgement.window.start) if sudden else float(since[index])
        told = DriftVerdict(
            stream, judgement.window, column.name, column.role, evidence, limit, effect, part,
            moment if begun else None, rows, bool(judgement.ratio[index] >= 1), sudden,
            state.incident.number * bool(state.incident.member[index]), "",
        )  # fmt: skip
        found.append(_worded(told, calibration, budget))
    evidence, limit = float(judgement.ratio[-1] * limits[-1]), float(limits[-1])
    together = DriftVerdict(
        stream, judgement.window, "", None, evidence, limit, spread(calibration, state), "many columns at once",
        float(since[-1]) if state.dense.since[0, 0] > 0 else None, float(state.dense_rows.max(initial=0.0)),
        bool(judgement.ratio[-1] >= 1), False, state.incident.number * bool(state.incident.member[-1]), "",
    )  # fmt: skip
    return [*found, _worded(together, calibration, budget)]


def measurements(found: Sequence[DriftVerdict]) -> list[Measurement]:
    """Evidence over limit, one measurement a verdict: above 1 is significant, and stays so while the column belongs to
    an open incident. That of the whole model (`scope`) is the highest of all: above 1 as long as an incident is open,
    which makes it the one to page on.
    """
    values = [max(_value(verdict), OPEN * bool(verdict.incident)) for verdict in found]
    values = [*values[:-1], max(values)] if values else values
    return [
        Measurement(
            verdict.stream, verdict.window, METRIC, value, n=verdict.rows, labels=verdict.labels, baseline=1.0
        )
        for verdict, value in zip(found, values, strict=True)
    ]


def _value(verdict: DriftVerdict) -> float:
    return min(verdict.evidence / verdict.limit, MOST_SAID)


def standard_deviations(effect: float) -> float:
    """The shift of a normal column, in standard deviations, that moves the mean rank by this location effect."""
    share = min(max((effect / np.sqrt(3) + 1) / 2, 1e-6), 1 - 1e-6)
    return float(np.sqrt(2) * ndtri(share))


def _strongest(calibration: Calibration, state: State) -> list[int]:
    """The chart with the most evidence of each column; one that is easier to say wins over a tenth or a shape."""
    strength = state.evidence.mean().sum(axis=1) * calibration.scores.weight
    plain = (calibration.scores.family != Family.BIN) & (calibration.scores.family != Family.SHAPE)
    strength = np.where(plain, strength * PLAINER, strength)
    order = np.argsort(strength, kind="stable")
    best = np.zeros(len(calibration.columns), dtype=np.int64)
    best[calibration.scores.column[order]] = order
    return [int(chart) for chart in best]


def _moved(
    calibration: Calibration, state: State, judgement: Judgement, index: int, chart: int
) -> tuple[float, str, float, bool]:
    """Effect, what moved, rows behind it, and whether evidence has begun."""
    scores, column = calibration.scores, calibration.columns[index]
    broken = int(judgement.broken[index])
    if broken >= 0 and judgement.ratio[index] <= 1 and judgement.scored is not None:
        effect = float(judgement.scored.deviation[broken])
        shown = standard_deviations(effect) if scores.family[broken] == Family.LOCATION else effect
        return shown, _part(calibration, broken, effect), float(judgement.scored.rows[broken]), True
    pair = state.evidence.mean()[chart]
    if float(state.unseen.mean()[index]) * UNSEEN_WEIGHT > float(pair.sum() * scores.weight[chart]):
        share = float(state.unseen.share()[index])
        what = (
            "values outside the range of the baseline"
            if column.kind is Kind.NUMBER
            else "values never seen before"
        )
        part = f"{what} ({share:.1%})"
        return (
            float(np.sqrt(share)),
            part,
            float(state.unseen.rows[index]),
            bool(state.unseen.since[index] > 0),
        )
    sign = int(pair.argmax())
    begun = bool(state.evidence.since[chart, sign] > 0)
    rows = float(state.evidence.rows[chart, sign])
    effect = float(state.evidence.effect()[chart, sign] * SIGNS[sign])
    if not begun and judgement.scored is not None:
        effect, rows = float(judgement.scored.deviation[chart]), float(judgement.scored.rows[chart])
    shown = standard_deviations(effect) if scores.family[chart] == Family.LOCATION else effect
    return shown, _part(calibration, chart, effect), rows, begun


def _part(calibration: Calibration, chart: int, effect: float) -> str:
    scores = calibration.scores
    column = calibration.columns[int(scores.column[chart])]
    family, place, up = int(scores.family[chart]), int(scores.place[chart]), effect > 0
    if family == Family.LOCATION:
        return "values are higher" if up else "values are lower"
    if family == Family.SPREAD:
        return "values are more spread out" if up else "values are less spread out"
    if family == Family.SHAPE:
        return "the shape of the distribution changed"
    if family == Family.MISSING:
        return "more values are missing" if up else "fewer values are missing"
    more = "more" if up else "less"
    if family == Family.LEVEL:
        name = column.labels[place] if 0 <= place < len(column.labels) else "rare labels"
        return f"{name!r} is {more} frequent" if place >= 0 else f"rare labels are {more} frequent"
    return f"values {_between(calibration, column, chart)} are {more} frequent"


def _between(calibration: Calibration, column: Column, chart: int) -> str:
    scores = calibration.scores
    offset = int(starts(calibration.columns)[scores.column[chart]]) + OUTSIDE + 1
    first, stop = (int(place) - offset for place in scores.spans[chart - scores.moments])
    if not column.edges:
        return f"in the {scores.place[chart]}. tenth"
    low = column.edges[max(first, 0)]
    high = column.edges[min(stop, len(column.edges) - 1)]
    return f"of {low:.4g}" if low == high else f"from {low:.4g} to {high:.4g}"


def _worded(verdict: DriftVerdict, calibration: Calibration, budget: Budget) -> DriftVerdict:
    return replace(verdict, reason=words(verdict, calibration, budget))


def words(verdict: DriftVerdict, calibration: Calibration, budget: Budget) -> str:
    """The whole reason in one or two sentences."""
    name = verdict.column.removeprefix("features.")
    who = (
        "all columns together"
        if verdict.role is None
        else f"{'output' if verdict.role is Role.OUTPUT else 'feature'} `{name}`"
    )
    if verdict.since is None:
        return f"{who}: no evidence of a change"
    past = format_duration(calibration.end - calibration.start)
    time = format_duration(verdict.window.end - verdict.since)
    unit = "root mean square of " if verdict.role is None else ""
    evidence = f"{verdict.evidence:,.0f}" if verdict.evidence < MOST_SAID else "above a million"
    told = (
        f"{who}: the last {time} (since {iso(verdict.since)}) differ from the same hours of the reference ({past}) by "
        f"{unit}{abs(verdict.effect):.2g} standard deviations: {verdict.part} (n = {verdict.rows:,.0f}, "
        f"e-value {evidence}); with the budget of {budget} the limit is {verdict.limit:,.0f}"
    )
    if verdict.broken:
        return told + "; the change is so large that one window is enough"
    return told + ("" if verdict.significant else ", so this is not an alarm")
