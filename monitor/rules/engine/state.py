"""The state machine of one alert: inactive, pending, firing, recovering, resolved. Pure.

Waits (`for`, `keep_firing_for`) count evaluated time: each evaluation adds the time since the last one, at most `step`
seconds, and nothing if the clock was set back. So a clock jump or a stopped daemon neither fires nor resolves an alert,
and a wait continues after a restart. Without data the state does not change.
"""

from dataclasses import dataclass, replace

from monitor.config.units import format_duration
from monitor.records import Alert, DataState, State, Window
from monitor.rules.engine.condition import ConditionResult
from monitor.rules.rule import Rule

FLAPPING_CHANGES = 4
FLAPPING_WITHIN = 1800.0
FLAPPING_STABLE = 900.0


@dataclass(frozen=True, slots=True)
class Step:
    """The alert after an evaluation, and the reason for its state."""

    alert: Alert
    reason: str


def decide(rule: Rule, result: ConditionResult, alert: Alert, now: float, step: float) -> Step:
    """Advance an alert by one result. `step` is the longest time that one evaluation may count for, in seconds."""
    elapsed = 0.0 if alert.evaluated_at is None else min(max(now - alert.evaluated_at, 0.0), step)
    answer, recent = _answer(rule, result, alert)
    if answer is None:
        is_missed = alert.is_open or rule.no_data_tier is not None
        return Step(_frozen(result, alert, now, elapsed if is_missed else 0.0), result.reason)
    alert = _measured(alert, result, now, recent)
    if alert.is_open:
        return _open(rule, result, alert, answer, now, elapsed)
    return _closed(rule, result, alert, answer, now, elapsed)


def remaining(rule: Rule, alert: Alert) -> float | None:
    """Seconds of evaluation until the alert fires or resolves if nothing changes; None if no wait runs."""
    if alert.data is not DataState.OK:
        return None
    if alert.state is State.PENDING:
        return max(rule.wait - alert.held, 0.0)
    return max(_keep(rule, alert) - alert.held, 0.0) if alert.state is State.RECOVERING else None


def _keep(rule: Rule, alert: Alert) -> float:
    return max(rule.keep, FLAPPING_STABLE) if alert.flapping else rule.keep


def _closed(
    rule: Rule, result: ConditionResult, alert: Alert, answer: bool, now: float, elapsed: float
) -> Step:
    if not answer:
        state = State.INACTIVE if alert.state is State.PENDING else alert.state
        return Step(replace(alert, state=state, active_since=None, held=0.0), result.reason)
    is_pending = alert.state is State.PENDING
    since, held_for = (alert.active_since, alert.held + elapsed) if is_pending else (now, 0.0)
    if held_for < rule.wait:
        wait = f"; fires if this continues for {format_duration(rule.wait)}"
        waiting = replace(alert, state=State.PENDING, active_since=since, held=held_for)
        return Step(waiting, result.reason + wait)
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
    return Step(fired, result.reason)


def _open(
    rule: Rule, result: ConditionResult, alert: Alert, answer: bool, now: float, elapsed: float
) -> Step:
    if answer and alert.state is State.FIRING:
        return Step(alert, result.reason)
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
        return Step(alert, f"{result.reason}; it came back before the alert resolved")
    return _recovering(rule, result, alert, now, alert.held + elapsed)


def _recovering(rule: Rule, result: ConditionResult, alert: Alert, now: float, held_for: float) -> Step:
    keep = _keep(rule, alert)
    if held_for < keep:
        why = "the alert is flapping: resolves after" if alert.flapping else "resolves after"
        return Step(
            replace(alert, held=held_for), f"{result.reason}; {why} {format_duration(keep)} without it"
        )
    over = replace(
        alert,
        state=State.RESOLVED,
        resolved_at=now,
        active_since=None,
        recovering_since=None,
        held=0.0,
        flapping=False,
    )
    return Step(over, result.reason)


def _answer(
    rule: Rule, result: ConditionResult, alert: Alert
) -> tuple[bool | None, tuple[tuple[int, bool], ...]]:
    """Whether the condition counts as true now: by the clear level for an open alert, and over k of n windows."""
    answer = result.holds if alert.is_open else result.fires
    if answer is None or rule.of == 1:
        return answer, alert.recent
    start = _start(result.window, alert.recent)
    recent = (*(pair for pair in alert.recent if pair[0] != start), (start, answer))[-rule.of :]
    return sum(beyond for _, beyond in recent) >= rule.needed, recent


def _start(window: Window | None, recent: tuple[tuple[int, bool], ...]) -> int:
    return window.start if window is not None else (recent[-1][0] + 1 if recent else 0)


def _frozen(result: ConditionResult, alert: Alert, now: float, elapsed: float) -> Alert:
    data = DataState.ERROR if result.is_error else DataState.NO_DATA
    since = alert.data_since if alert.data is data and alert.data_since is not None else now
    unjudged = 0.0 if alert.data is DataState.OK else alert.unjudged + elapsed
    return replace(
        alert, data=data, data_since=since, unjudged=unjudged, evaluated_at=now, reason=result.reason
    )


def _measured(
    alert: Alert, result: ConditionResult, now: float, recent: tuple[tuple[int, bool], ...]
) -> Alert:
    since = alert.data_since if alert.data is DataState.OK else now
    return replace(
        alert,
        evaluated_at=now,
        data=DataState.OK,
        data_since=since,
        unjudged=0.0,
        value=result.value,
        limit=result.limit,
        metric=result.metric,
        baseline=result.baseline,
        unit=result.unit,
        n=result.n,
        window=result.window,
        reason=result.reason,
        recent=recent,
    )


def _changes(alert: Alert, now: float) -> tuple[float, ...]:
    return (*(at for at in alert.changes if now - FLAPPING_WITHIN <= at <= now), now)


def _is_flapping(alert: Alert, changes: tuple[float, ...]) -> bool:
    return alert.flapping or len(changes) >= FLAPPING_CHANGES
