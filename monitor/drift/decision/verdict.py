"""Verdicts: what a decision says about each column, in numbers and in words."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from monitor.clock import iso
from monitor.config.units import DAY, format_duration, format_number
from monitor.drift.columns import Floats, Role
from monitor.drift.decision.budget import Budget
from monitor.drift.decision.decide import Decision, onsets, spread
from monitor.drift.decision.state import State
from monitor.drift.explain.column_changes import column_changes
from monitor.drift.model.calibration import Calibration
from monitor.metrics.system.daemon import DRIFT_EVIDENCE
from monitor.records import Labels, Measurement, Stream, Window, labels

METRIC = DRIFT_EVIDENCE.name

MOST_SAID = 1e6
WORTH_SAYING = 0.01

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
    decision: Decision,
    limits: Floats,
    budget: Budget,
) -> list[DriftVerdict]:
    """One verdict for each column, and last the one for all columns together; none for a skipped window."""
    if decision.scored is None:
        return []
    since = onsets(calibration, state, decision.window)
    found = []
    for index, (column, what) in enumerate(
        zip(calibration.columns, column_changes(calibration, state, decision), strict=True)
    ):
        evidence, limit = float(decision.ratio[index] * limits[index]), float(limits[index])
        sudden = bool(decision.broken[index] >= 0 and decision.ratio[index] <= 1)
        moment = float(decision.window.start) if sudden else float(since[index])
        told = DriftVerdict(
            stream, decision.window, column.name, column.role, evidence, limit, what.effect, what.part,
            moment if what.begun else None, what.rows, bool(decision.ratio[index] >= 1), sudden,
            state.incident.number * bool(state.incident.member[index]), "",
        )  # fmt: skip
        found.append(_worded(told, calibration, budget))
    evidence, limit = float(decision.ratio[-1] * limits[-1]), float(limits[-1])
    together = DriftVerdict(
        stream, decision.window, "", None, evidence, limit, spread(calibration, state), "many columns at once",
        float(since[-1]) if state.dense.since[0, 0] > 0 else None, float(state.dense_rows.max(initial=0.0)),
        bool(decision.ratio[-1] >= 1), False, state.incident.number * bool(state.incident.member[-1]), "",
    )  # fmt: skip
    return [*found, _worded(together, calibration, budget)]


def measurements(found: Sequence[DriftVerdict], because: str = "") -> list[Measurement]:
    """Evidence over limit, one measurement a verdict: above 1 is significant, and stays so while the column belongs to
    an open incident. That of the whole model (`scope`) is the highest of all: above 1 as long as an incident is open,
    which makes it the one to page on, and the one that says what is `because` behind it.
    """
    values = [max(_value(verdict), OPEN * bool(verdict.incident)) for verdict in found]
    values = [*values[:-1], max(values)] if values else values
    return [
        Measurement(
            verdict.stream,
            verdict.window,
            METRIC,
            value,
            DRIFT_EVIDENCE.unit,
            DRIFT_EVIDENCE.better,
            n=verdict.rows,
            labels=verdict.labels,
            because="" if verdict.role else because,
        )
        for verdict, value in zip(found, values, strict=True)
    ]


def _value(verdict: DriftVerdict) -> float:
    return min(verdict.evidence / verdict.limit, MOST_SAID)


def _worded(verdict: DriftVerdict, calibration: Calibration, budget: Budget) -> DriftVerdict:
    return replace(verdict, reason=words(verdict, calibration, budget))


def _days(seconds: float) -> str:
    """A length of the past: whole days where it has some."""
    days = round(seconds / DAY)
    return f"{days} days" if days > 1 else format_duration(seconds)


def words(verdict: DriftVerdict, calibration: Calibration, budget: Budget) -> str:
    """The whole reason in one or two sentences."""
    name = verdict.column.removeprefix("features.")
    who = (
        "all columns together"
        if verdict.role is None
        else f"{'output' if verdict.role is Role.OUTPUT else 'feature'} `{name}`"
    )
    if verdict.since is None or verdict.evidence < WORTH_SAYING * verdict.limit:
        return f"{who}: no evidence of a change"
    past = _days(calibration.end - calibration.start)
    time = format_duration(verdict.window.end - verdict.since)
    unit = "root mean square of " if verdict.role is None else ""
    evidence = f"{verdict.evidence:,.0f}" if verdict.evidence < MOST_SAID else "above a million"
    told = (
        f"{who}: the last {time} (since {iso(verdict.since)}) differ from the same hours of the reference ({past}) by "
        f"{unit}{format_number(abs(verdict.effect), 2)} standard deviations: {verdict.part} (n = {verdict.rows:,.0f}, "
        f"e-value {evidence}); with the budget of {budget} the limit is {verdict.limit:,.0f}"
    )
    if verdict.broken:
        return told + "; the change is so large that one window is enough"
    return told + ("" if verdict.significant else ", so this is not an alarm")
