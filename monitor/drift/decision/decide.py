"""The decision on one window: from its counts and the previous state to evidence, an incident and the next state."""

from dataclasses import dataclass, replace

import numpy as np

from monitor.config.units import DAY
from monitor.drift.columns import Floats, WindowCounts
from monitor.drift.decision import current_effect, e_detector, recovery, relations, relevance
from monitor.drift.decision.breaks import BREAK_ERROR, broken_charts, is_usual_after
from monitor.drift.decision.e_detector import SIGNS, Evidence, Unseen, per_column
from monitor.drift.decision.state import DecisionState, IncidentState
from monitor.drift.decision.step_up import step_up
from monitor.drift.model import control_charts, kalman_filter, season
from monitor.drift.model.calibration import Calibration, carry_small_samples, density
from monitor.drift.model.control_charts import Scored
from monitor.drift.model.kalman_filter import KalmanState
from monitor.drift.model.scores import UNSEEN_WEIGHT
from monitor.records import Window

QUIET_WINDOWS, QUIET_DAYS = 6, 3

# Columns that join later than this after the last ones are another drift.
WAVE_WINDOWS = 24
MOST_WAVES = 5

# A chart is involved if it has at least this share of the evidence of its column's strongest chart.
INVOLVED = 0.1

# The most evidence over limit that is shown of a column whose change may be too small to be relevant.
DOUBTFUL = 0.99


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """The result for one window.

    `ratio` (columns + 1,) is evidence over limit, last for all columns together; from 1 on it is significant. `broken`
    (columns,) is the chart in which a column broke, or -1. `opened` and `closed`: the incident opened or closed with
    this window; `joined` (columns + 1,) marks the columns that joined it. `skipped` is the reason if the window was not
    evaluated.
    """

    window: Window
    ratio: Floats
    broken: np.ndarray
    joined: np.ndarray
    opened: bool
    closed: bool
    scored: Scored | None
    skipped: str = ""


def advance(
    calibration: Calibration, state: DecisionState, counts: WindowCounts, limits: Floats
) -> tuple[DecisionState, Decision]:
    """Evaluate one window against `limits` (columns + 1,). A window that is not later than the last one is skipped."""
    window = counts.window
    if state.last >= 0 and window.start <= state.last:
        return state, skipped(calibration, window, "the window was evaluated before")
    state, scored = _score(calibration, state, counts)
    broken = broken_charts(calibration, scored)
    shown, counted = relevance.ratios(calibration, state, limits, broken)
    explained = relations.explained(calibration.columns, shown, broken, state.incident.member)
    broken, shown = np.where(explained[:-1], -1, broken), np.where(explained, 0.0, shown)
    joint = step_up(np.where(explained, 0.0, counted)[:-1], _counted(calibration, state.incident, window))
    ratio = np.append(np.where(joint >= 1, joint, np.minimum(shown[:-1], DOUBTFUL)), shown[-1])
    sudden = np.append((broken >= 0) & (ratio[:-1] < 1), False)
    ratio = np.where(sudden, 1.0, ratio)
    before = state.incident
    incident, recovered = _next_incident(calibration, state, ratio, scored, window, sudden)
    opened, closed = incident.is_open and not before.is_open, before.is_open and not incident.is_open
    joined = incident.member & ~before.member
    state = _joined(calibration, state, incident, scored, broken, sudden)
    followed = relations.following(calibration.columns, incident.member)
    state = _reset_recovered(calibration, replace(state, incident=incident), recovered | followed)
    if recovered[-1] or (not incident.member[-1] and (recovered | joined).any()):
        state = _reset_common(state)
    return state, Decision(window, ratio, broken, joined, opened, closed, scored)


def skipped(calibration: Calibration, window: Window, reason: str) -> Decision:
    """The decision for a window that is not evaluated."""
    none = np.zeros(len(calibration.columns) + 1)
    return Decision(window, none, np.full(len(none) - 1, -1), none.astype(bool), False, False, None, reason)


def _score(
    calibration: Calibration, state: DecisionState, counts: WindowCounts
) -> tuple[DecisionState, Scored]:
    scores, window = calibration.scores, counts.window
    cell = int(season.cells([window], calibration.charts.season.scheme, calibration.zone)[0])
    gap = (window.start - state.last) / calibration.seconds if state.last >= 0 else 1.0
    sums, rows, carried = carry_small_samples(*scores.sums(counts.counts), state.carried)
    effects = scores.effects(sums, rows)
    filtered, scored = control_charts.step(calibration.charts, state.filter, effects, rows, cell, gap)
    evidence = e_detector.advance(
        state.evidence,
        scored.score,
        scored.margin,
        control_charts.lambdas(calibration.charts, scored),
        control_charts.score_caps(calibration.charts),
        scored.deviation,
        scored.rows,
        window.start,
    )
    new_values, checked = scores.unseen_counts(counts.counts)
    unseen = e_detector.advance_unseen(
        state.unseen, new_values, checked, calibration.unseen, calibration.novel, window.start
    )
    state = _dense(calibration, state, scored, scored.rows, cell, gap, window)
    recovered = recovery.advance(calibration, state.recovery, scored, new_values, checked)
    present = current_effect.restarted(
        current_effect.advance(calibration, state.present, scored, new_values, checked),
        recovery.just_ended(state.recovery, recovered),
        recovered.sums,
        recovered.rows,
    )
    state = replace(
        state,
        last=window.start,
        judged=state.judged + 1,
        filter=filtered,
        evidence=evidence,
        unseen=unseen,
        carried=carried,
        present=present,
        recovery=recovered,
    )
    return state, scored


def _dense(
    calibration: Calibration,
    state: DecisionState,
    scored: Scored,
    rows: Floats,
    cell: int,
    gap: float,
    window: Window,
) -> DecisionState:
    alone = state.incident.member[:-1][calibration.scores.column]  # these are told already
    observed = scored.observed & ~alone
    if not observed.any():
        return state
    raw = density(calibration.scores, scored.score, scored.margin, observed)
    effect = np.array([raw / calibration.dense_scale])
    filtered, one = control_charts.step(calibration.dense, state.dense_filter, effect, np.ones(1), cell, gap)
    lambdas = control_charts.lambdas(calibration.dense, one)
    dense = e_detector.advance(
        state.dense,
        one.score,
        one.margin,
        lambdas,
        control_charts.score_caps(calibration.dense),
        one.deviation,
        np.ones(1),
        window.start,
    )
    began = dense.since[0, 0] > 0
    return replace(
        state,
        dense_filter=filtered,
        dense=dense,
        dense_sums=(state.dense_sums + scored.deviation * rows) * began,
        dense_rows=(state.dense_rows + rows) * began,
    )


def _next_incident(
    calibration: Calibration,
    state: DecisionState,
    ratio: Floats,
    scored: Scored,
    window: Window,
    sudden: np.ndarray,
) -> tuple[IncidentState, np.ndarray]:
    """The incident after a window, and which columns recovered in it, bool (columns + 1,)."""
    before = state.incident
    small = current_effect.is_small(calibration, state.present, before.involved)
    quiet = np.where(small, before.quiet + _observed(calibration, before, scored), 0) * before.member
    has_ended = recovery.has_ended(calibration, state.recovery)
    recovered = before.member & (quiet >= quiet_windows(calibration.seconds)) & has_ended
    member = (before.member | (ratio >= 1)) & ~recovered
    opened = member.any() and not before.is_open
    begun = np.where(sudden, float(window.start), onsets(calibration, state, window))
    since = np.where(before.member, before.since, begun) * member
    number = before.number + int(opened)
    at = float(window.end) if opened else before.opened if member.any() else 0.0
    involved = _involved(calibration, state, scored, sudden, member & ~before.member) | before.involved
    involved &= member[:-1][calibration.scores.column]
    joined = member & ~before.member
    wave = np.where(joined, _waves(calibration, before, window), before.wave) * member
    last = float(window.end) if joined[:-1].any() or opened else before.joined
    waves = max(before.waves, int(wave.max()))
    earliest, latest = (
        np.where(sudden & joined, float(bound), old) * member
        for bound, old in ((window.start, before.earliest), (window.end, before.latest))
    )
    quiet = quiet * member
    return (
        IncidentState(number, at, member, quiet, since, involved, wave, last, waves, earliest, latest),
        recovered,
    )


def quiet_windows(seconds: int) -> int:
    """The number of windows in which the effect of a column must be small before it leaves the incident."""
    return QUIET_DAYS if seconds >= DAY else QUIET_WINDOWS


def _observed(calibration: Calibration, incident: IncidentState, scored: Scored) -> np.ndarray:
    """The columns of which this window shows whether their effect is small, bool (columns + 1,): any of the charts by
    which they joined has rows (any at all, if they joined by values outside the reference).
    """
    column, columns = calibration.scores.column, len(calibration.columns)
    seen = per_column((scored.observed & incident.involved).astype(float), column, columns) > 0
    known = per_column(incident.involved.astype(float), column, columns) > 0
    anything = per_column(scored.observed.astype(float), column, columns) > 0
    return np.append(np.where(known, seen, anything), scored.observed.any())


def _joined(
    calibration: Calibration,
    state: DecisionState,
    incident: IncidentState,
    scored: Scored,
    broken: np.ndarray,
    sudden: np.ndarray,
) -> DecisionState:
    """The state with the effects of the columns that join: from them, it is judged whether these are small again."""
    scores, columns = calibration.scores, len(calibration.columns)
    pairs = zip(broken, sudden[:-1], strict=True)
    usual = np.array(
        [jumps and is_usual_after(calibration, scored, chart) for chart, jumps in pairs], dtype=bool
    )
    joined = incident.member & ~state.incident.member
    fresh = incident.involved & ~state.incident.involved
    every, sign = np.arange(scores.charts), state.evidence.mean().argmax(axis=1)
    effect = state.evidence.effect()[every, sign] * SIGNS[sign]
    effect = np.where(sudden[:-1][scores.column] | (effect == 0), scored.deviation, effect) * fresh
    effect *= ~usual[scores.column]  # against the reference, nothing changed that could end
    strength = per_column(state.evidence.mean().sum(axis=1) * scores.weight, scores.column, columns)
    new_values = joined[:-1] & (state.unseen.mean() * UNSEEN_WEIGHT >= np.maximum(INVOLVED * strength, 1.0))
    share = state.unseen.share() * new_values
    members = incident.member[:-1]
    return replace(
        state,
        recovery=recovery.joined(state.recovery, incident.involved, effect, share, members),
        present=current_effect.joined(
            state.present, effect, share, state.dense_effect(), together=bool(joined[-1])
        ),
    )


def _counted(calibration: Calibration, before: IncidentState, window: Window) -> np.ndarray:
    """The columns that make others significant, bool (columns,): all but those of an earlier wave, or one column that
    joins long after many would be another page with little evidence.
    """
    return np.asarray(~before.member[:-1] | (not _is_another(calibration, before, window)))


def _is_another(calibration: Calibration, before: IncidentState, window: Window) -> bool:
    """Whether columns that join with this window are another wave."""
    return bool(window.end - before.joined > WAVE_WINDOWS * calibration.seconds)


def _waves(calibration: Calibration, before: IncidentState, window: Window) -> np.ndarray:
    """The wave of each column that joins with this window (columns + 1,): that of the last ones, or the next if those
    joined long ago. All columns together are no wave of their own: the drift of one column moves their evidence about
    the limit for as long as it lasts.
    """
    newest = int(before.wave.max())
    is_new = not newest or _is_another(calibration, before, window)
    waves = np.full(len(before.wave), min(newest + is_new, MOST_WAVES))
    waves[-1] = max(newest, 1)
    return waves


def _involved(
    calibration: Calibration, state: DecisionState, scored: Scored, sudden: np.ndarray, joined: np.ndarray
) -> np.ndarray:
    """The charts by which columns join: those with a tenth of the strongest one's evidence, and those that broke."""
    column = calibration.scores.column
    evidence = state.evidence.mean().sum(axis=1) * calibration.scores.weight
    strongest = np.zeros(len(calibration.columns))
    np.maximum.at(strongest, column, evidence)
    strong = evidence >= np.maximum(INVOLVED * strongest[column], 1.0)
    broke = sudden[:-1][column] & (np.abs(scored.error) >= BREAK_ERROR)
    return np.asarray((strong | broke) & joined[:-1][column])


def onsets(calibration: Calibration, state: DecisionState, window: Window) -> Floats:
    """When the evidence of each column began, from its strongest chart, shape (columns + 1,)."""
    scores = calibration.scores
    strength = state.evidence.mean() * scores.weight[:, None]
    sign = strength.argmax(axis=1)
    every = np.arange(scores.charts)
    best, since = strength[every, sign], state.evidence.since[every, sign]
    begun = np.full(len(calibration.columns), float(window.start))
    top = state.unseen.mean() * UNSEEN_WEIGHT
    begun = np.where(state.unseen.since > 0, state.unseen.since, begun)
    order = np.argsort(best, kind="stable")
    for chart in order[np.searchsorted(best[order], 1.0) :]:
        column = scores.column[chart]
        if best[chart] >= top[column] and since[chart] > 0:
            top[column], begun[column] = best[chart], since[chart]
    dense = float(state.dense.since[0, 0])
    return np.append(begun, dense if dense > 0 else float(window.start))


def _reset_recovered(calibration: Calibration, state: DecisionState, recovered: np.ndarray) -> DecisionState:
    """Restart the evidence of recovered columns, and their filters, which followed the change."""
    if not recovered.any():
        return state
    charts = ~recovered[calibration.scores.column]
    columns = ~recovered[:-1]
    old, new = state.evidence, state.unseen
    fresh = kalman_filter.begin(calibration.charts.autocorrelation, calibration.charts.season)
    return replace(
        state,
        filter=KalmanState(
            np.where(charts, state.filter.mean, fresh.mean),
            np.where(charts, state.filter.variance, fresh.variance),
            np.where(charts[:, None], state.filter.absorbed, fresh.absorbed),
            state.filter.amplitude,
        ),
        evidence=Evidence(
            old.ratio * charts[:, None, None],
            old.rows * charts[:, None],
            old.sums * charts[:, None],
            old.since * charts[:, None],
            old.strong * charts[:, None],
        ),
        unseen=Unseen(
            new.ratio * columns[:, None], new.rows * columns, new.outside * columns, new.since * columns
        ),
    )


def _reset_common(state: DecisionState) -> DecisionState:
    """Restart the evidence of all columns together: that of a column which joined or left is not one of many."""
    none = np.zeros_like(state.dense_sums)
    dense = e_detector.begin(1, kalman_filter.AGES)
    return replace(state, dense=dense, dense_sums=none, dense_rows=np.zeros_like(none))
