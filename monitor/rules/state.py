"""The life of one alert: inactive, pending, firing, recovering, resolved. A pure table.

Waits are counted in time that was watched: each look adds the time since the look before it, at most `step`,
and a step backwards adds nothing. So a jump of the clock, or an hour in which the daemon did not run, neither
fires nor resolves anything by itself, and a restart goes on where it stopped. What could not be judged moves
nothing.
"""

from dataclasses import dataclass, replace

from monitor.durations import format_duration
from monitor.records import Alert, DataState, State, Window
from monitor.rules.condition import Finding
from monitor.rules.rule import Rule

FLAPPING_CHANGES = 4
FLAPPING_WITHIN = 1800.0
FLAPPING_STABLE = 900.0


@dataclass(frozen=True, slots=True)
class Step:
    """The alert after a look, and the reason in words where its state changed."""

    alert: Alert
    reason: str


def decide(rule: Rule, finding: Finding, alert: Alert, now: float, step: float) -> Step:
    """Look once. `step` is the longest time that one look may count for, in seconds."""
    elapsed = 0.0 if alert.evaluated_at is None else min(max(now - alert.evaluated_at, 0.0), step)
    answer, recent = _answer(rule, finding, alert)
    if answer is None:
        is_missed = alert.is_open or rule.no_data_tier is not None
        return Step(_frozen(finding, alert, now, elapsed if is_missed else 0.0), finding.reason)
    alert = _measured(alert, finding, now, recent)
    if alert.is_open:
        return _open(rule, finding, alert, answer, now, elapsed)
    return _closed(rule, finding, alert, answer, now, elapsed)


def remaining(rule: Rule, alert: Alert) -> float | None:
    """How much longer its condition must be watched until it fires or resolves, in seconds; None: no wait runs."""
    if alert.data is not DataState.OK:
        return None
    if alert.state is State.PENDING:
        return max(rule.wait - alert.held, 0.0)
    return max(_keep(rule, alert) - alert.held, 0.0) if alert.state is State.RECOVERING else None


def _keep(rule: Rule, alert: Alert) -> float:
    return max(rule.keep, FLAPPING_STABLE) if alert.flapping else rule.keep


def _closed(rule: Rule, finding: Finding, alert: Alert, answer: bool, now: float, elapsed: float) -> Step:
    if not answer:
        state = State.INACTIVE if alert.state is State.PENDING else alert.state
        return Step(replace(alert, state=state, active_since=None, held=0.0), finding.reason)
    is_pending = alert.state is State.PENDING
    since, held = (alert.active_since, alert.held + elapsed) if is_pending else (now, 0.0)
    if held < rule.wait:
        wait = f"; firing when it lasts {format_duration(rule.wait)}"
        waiting = replace(alert, state=State.PENDING, active_since=since, held=held)
        return Step(waiting, finding.reason + wait)
    changes = _changes(alert, now)
    fired = replace(
        alert,
        state=State.FIRING,
        episode=alert.episode + 1,
        active_since=since,
        fired_at=now,
        held=0.0,
        recovering_since=None,
        resolved_at=None,
        acknowledged_at=None,
        acknowledged_by="",
        changes=changes,
        flapping=_is_flapping(alert, changes),
    )
    return Step(fired, finding.reason)


def _open(rule: Rule, finding: Finding, alert: Alert, answer: bool, now: float, elapsed: float) -> Step:
    if answer and alert.state is State.FIRING:
        return Step(alert, finding.reason)
    if answer or alert.state is State.FIRING:
        changes = _changes(alert, now)
        alert = replace(
            alert,
            state=State.FIRING if answer else State.RECOVERING,
            recovering_since=None if answer else now,
            held=0.0,
            changes=changes,
            flapping=_is_flapping(alert, changes),
        )
        elapsed = 0.0
    if answer:
        return Step(alert, f"{finding.reason}; it came back before it was over")
    return _recovering(rule, finding, alert, now, alert.held + elapsed)


def _recovering(rule: Rule, finding: Finding, alert: Alert, now: float, held: float) -> Step:
    keep = _keep(rule, alert)
    if held < keep:
        why = "it comes and goes, so it must hold" if alert.flapping else "resolved when it holds"
        return Step(replace(alert, held=held), f"{finding.reason}; {why} {format_duration(keep)}")
    over = replace(
        alert,
        state=State.RESOLVED,
        resolved_at=now,
        active_since=None,
        recovering_since=None,
        held=0.0,
        flapping=False,
    )
    return Step(over, finding.reason)


def _answer(rule: Rule, finding: Finding, alert: Alert) -> tuple[bool | None, tuple[tuple[int, bool], ...]]:
    """The finding as it counts now: by the clear level once it fires, and over k of n windows."""
    answer = finding.holds if alert.is_open else finding.fires
    if answer is None or rule.of == 1:
        return answer, alert.recent
    start = _start(finding.window, alert.recent)
    recent = (*(pair for pair in alert.recent if pair[0] != start), (start, answer))[-rule.of :]
    return sum(beyond for _, beyond in recent) >= rule.needed, recent


def _start(window: Window | None, recent: tuple[tuple[int, bool], ...]) -> int:
    return window.start if window is not None else (recent[-1][0] + 1 if recent else 0)


def _frozen(finding: Finding, alert: Alert, now: float, elapsed: float) -> Alert:
    data = DataState.ERROR if finding.is_error else DataState.NO_DATA
    since = alert.data_since if alert.data is data and alert.data_since is not None else now
    unjudged = 0.0 if alert.data is DataState.OK else alert.unjudged + elapsed
    return replace(
        alert, data=data, data_since=since, unjudged=unjudged, evaluated_at=now, reason=finding.reason
    )


def _measured(alert: Alert, finding: Finding, now: float, recent: tuple[tuple[int, bool], ...]) -> Alert:
    since = alert.data_since if alert.data is DataState.OK else now
    return replace(
        alert,
        evaluated_at=now,
        data=DataState.OK,
        data_since=since,
        unjudged=0.0,
        value=finding.value,
        limit=finding.limit,
        metric=finding.metric,
        baseline=finding.baseline,
        unit=finding.unit,
        n=finding.n,
        window=finding.window,
        reason=finding.reason,
        recent=recent,
    )


def _changes(alert: Alert, now: float) -> tuple[float, ...]:
    return (*(at for at in alert.changes if now - FLAPPING_WITHIN <= at <= now), now)


def _is_flapping(alert: Alert, changes: tuple[float, ...]) -> bool:
    return alert.flapping or len(changes) >= FLAPPING_CHANGES
