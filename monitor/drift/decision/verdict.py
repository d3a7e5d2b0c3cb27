"""Verdicts: the decision for each column, in numbers and words."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from monitor.clock import iso
from monitor.config.units import DAY, format_duration, format_number
from monitor.drift.columns import Floats, Role
from monitor.drift.decision.budget import Budget
from monitor.drift.decision.decide import Decision, onsets
from monitor.drift.decision.relevance import spread
from monitor.drift.decision.state import DecisionState
from monitor.drift.explain.column_changes import column_changes
from monitor.drift.model.calibration import Calibration
from monitor.metrics.system.daemon import DRIFT_EVIDENCE
from monitor.records import Labels, Measurement, Stream, Window, labels
from monitor.windows.layout.layout import is_relation

METRIC = DRIFT_EVIDENCE.name

MOST_SAID = 1e6
WORTH_SAYING = 0.01

# The evidence over limit from which a relation of two columns is measured.
WORTH_SHOWING = 0.05

# The lowest value of the metric while an incident is open: just above 1, because rules compare with `above`.
OPEN = 1.001


@dataclass(frozen=True, slots=True)
class DriftVerdict:
    """The result for one column after one window; an empty `column` stands for all columns together.

    `evidence` is compared with `limit`. `effect` is in standard deviations (for all together, a root mean square), from
    the reference, or from the windows before if the column `jumped`. `part` says what changed. `since` is when the
    evidence began, None without evidence; in an incident it is when the drift began, between `earliest` and `latest` if
    these are known. `rows` is the number of rows since then. `wave` is the wave of the incident that the column belongs
    to (0: none), and `waves` the highest number of waves so far.
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
    wave: int = 0
    waves: int = 1
    earliest: float | None = None
    latest: float | None = None
    jumped: bool = False

    @property
    def labels(self) -> Labels:
        """The labels of its measurement: feature, output or scope (a relation: `relation of amount and age`)."""
        if self.role is None:
            return labels(scope="model")
        if is_relation(self.column):
            return labels(scope=self.column)
        name = self.column.removeprefix("features.")
        return labels(output=name) if self.role is Role.OUTPUT else labels(feature=name)


def verdicts(
    stream: Stream,
    calibration: Calibration,
    state: DecisionState,
    decision: Decision,
    limits: Floats,
    budget: Budget,
) -> list[DriftVerdict]:
    """One verdict per column, followed by that for all columns together; none for a skipped window."""
    if decision.scored is None:
        return []
    since = onsets(calibration, state, decision.window)
    results = []
    for index, (column, change) in enumerate(
        zip(calibration.columns, column_changes(calibration, state, decision), strict=True)
    ):
        evidence, limit = float(decision.ratio[index] * limits[index]), float(limits[index])
        sudden = bool(decision.broken[index] >= 0 and decision.ratio[index] <= 1)
        moment = float(decision.window.start) if sudden else float(since[index])
        verdict = DriftVerdict(
            stream, decision.window, column.name, column.role, evidence, limit, change.effect, change.part,
            moment if change.begun else None, change.rows, bool(decision.ratio[index] >= 1), sudden,
            state.incident.number * bool(state.incident.member[index]), "",
            int(state.incident.wave[index]), state.incident.waves, *_bounds(state, index, moment), change.jumped,
        )  # fmt: skip
        results.append(_worded(verdict, calibration, budget))
    evidence, limit = float(decision.ratio[-1] * limits[-1]), float(limits[-1])
    together = DriftVerdict(
        stream, decision.window, "", None, evidence, limit, spread(calibration, state), "many columns at once",
        float(since[-1]) if state.dense.since[0, 0] > 0 else None, float(state.dense_rows.max(initial=0.0)),
        bool(decision.ratio[-1] >= 1), False, state.incident.number * bool(state.incident.member[-1]), "",
        int(state.incident.wave[-1]), state.incident.waves, *_bounds(state, -1, float(since[-1])),
    )  # fmt: skip
    return [*results, _worded(together, calibration, budget)]


def _bounds(state: DecisionState, index: int, since: float) -> tuple[float | None, float | None]:
    """The earliest and the latest time at which the drift of a column began, if its evidence goes back to it."""
    incident = state.incident
    if not incident.member[index] or incident.latest[index] <= 0 or incident.since[index] != since:
        return None, None
    return float(incident.earliest[index]), float(incident.latest[index])


def between(since: float, earliest: float | None, latest: float | None) -> str:
    """`since 2026-11-23T14:00:00Z, between 2026-11-23T11:00:00Z and 2026-11-23T16:00:00Z`; one time if no more is
    known.
    """
    if earliest is None or latest is None:
        return f"since {iso(since)}"
    return f"since {iso(since)}, between {iso(earliest)} and {iso(latest)}"


def measurements(results: Sequence[DriftVerdict], because: str = "") -> list[Measurement]:
    """Evidence over limit, one measurement per verdict: above 1 is significant, and stays so while the column belongs
    to an open incident.

    The measurement of the whole model (`scope`) is the highest of all, so it is above 1 while an incident is open.
    Rules page on it, and its reason is `because`. Further waves of an incident have one each (`scope="wave 2"`), so
    that a drift that goes on does not hide another; it is 0 when the wave is over. A relation of two columns is only
    measured while it has evidence: there are many of them.
    """
    values = [max(_value(verdict), OPEN * bool(verdict.incident)) for verdict in results]
    values = [*values[:-1], max(values)] if values else values
    shown = [
        not is_relation(one.column) or value >= WORTH_SHOWING
        for one, value in zip(results, values, strict=True)
    ]
    return [
        *(
            _measurement(verdict, value, verdict.labels, "" if verdict.role else because)
            for verdict, value, is_shown in zip(results, values, shown, strict=True)
            if is_shown
        ),
        *_later_waves(results),
    ]


def _later_waves(results: Sequence[DriftVerdict]) -> list[Measurement]:
    measured = []
    for wave in range(2, (results[-1].waves if results else 1) + 1):
        mine = [verdict for verdict in results if verdict.wave == wave]
        lead = max(mine, key=_value, default=results[-1])
        value = max(_value(lead), OPEN) if mine else 0.0
        reason = f"this began while another drift was open: {lead.reason}" if mine else ""
        measured.append(_measurement(lead, value, labels(scope=f"wave {wave}"), reason))
    return measured


def _measurement(verdict: DriftVerdict, value: float, named: Labels, because: str) -> Measurement:
    return Measurement(
        verdict.stream,
        verdict.window,
        METRIC,
        value,
        DRIFT_EVIDENCE.unit,
        DRIFT_EVIDENCE.better,
        n=verdict.rows,
        labels=named,
        because=because,
    )


def _value(verdict: DriftVerdict) -> float:
    return min(verdict.evidence / verdict.limit, MOST_SAID)


def _worded(verdict: DriftVerdict, calibration: Calibration, budget: Budget) -> DriftVerdict:
    return replace(verdict, reason=words(verdict, calibration, budget))


def subject(verdict: DriftVerdict) -> str:
    """What a verdict is about, in words."""
    name = verdict.column.removeprefix("features.")
    if verdict.role is None:
        return "all columns together"
    if is_relation(verdict.column):
        return name
    return f"{'output' if verdict.role is Role.OUTPUT else 'feature'} `{name}`"


def _days(seconds: float) -> str:
    """A duration of the past, in whole days if it is longer than one."""
    days = round(seconds / DAY)
    return f"{days} days" if days > 1 else format_duration(seconds)


def words(verdict: DriftVerdict, calibration: Calibration, budget: Budget) -> str:
    """The reason in one or two sentences."""
    about = subject(verdict)
    if verdict.since is None or verdict.evidence < WORTH_SAYING * verdict.limit:
        return f"{about}: no evidence of a change"
    past = _days(calibration.end - calibration.start)
    alike = "weekdays" if calibration.charts.season.scheme == "weekday" else "hours"
    time = format_duration(verdict.window.end - verdict.since)
    unit = "root mean square of " if verdict.role is None else ""
    evidence = f"{verdict.evidence:,.0f}" if verdict.evidence < MOST_SAID else "above a million"
    begun = between(verdict.since, verdict.earliest, verdict.latest)
    compared = (
        "what the windows before let expect"
        if verdict.jumped
        else f"the same {alike} of the reference ({past})"
    )
    changed = (
        f"{about}: the last {time} ({begun}) differ from {compared} "
        f"by {unit}{format_number(abs(verdict.effect), 2)} standard deviations: {verdict.part} "
        f"(n = {verdict.rows:,.0f}, e-value {evidence}); with the budget of {budget} the limit is {verdict.limit:,.0f}"
    )
    if verdict.broken:
        return changed + "; the change is so large that one window is enough"
    return changed + ("" if verdict.significant else ", so this is not an alarm")
