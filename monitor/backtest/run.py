"""Evaluates rules over a history: the same conditions and the same state machine as live, moment by moment.

Signals that need the wall clock (silence, probes, the daemon's own metrics) are not stored, so rules on them never
fire.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from monitor.backtest.measurement_history import MeasurementHistory, read
from monitor.backtest.prefilter import screen
from monitor.records import Alert, DataState, Labels, Severity, State, Stream, Transition, fingerprint
from monitor.rules.engine.condition import ConditionResult, ConditionResults, EvaluationContext
from monitor.rules.engine.state import decide, remaining
from monitor.rules.rule import Rule, RuleSet
from monitor.store import streams as stream_rows
from monitor.store.db import Store

Progress = Callable[[int, int], object]


@dataclass(frozen=True, slots=True)
class Firing:
    """One episode of an alert: start, end (None: it still fires), and reason."""

    rule: str
    severity: Severity
    stream: Stream
    instance: Labels
    started_at: float
    ended_at: float | None
    reason: str

    def seconds(self, until: float) -> float:
        """Its duration, or its duration until `until`."""
        return (self.ended_at if self.ended_at is not None else until) - self.started_at


@dataclass(frozen=True, slots=True)
class Backtest:
    """The alerts that rules would have raised over a period."""

    start: float
    end: float
    firings: list[Firing] = field(default_factory=list)
    moments: int = 0


def backtest(
    store: Store,
    rules: RuleSet,
    start: float,
    end: float,
    *,
    base_seconds: int,
    streams: Sequence[Stream] = (),
    progress: Progress | None = None,
) -> Backtest:
    """Evaluate `[start, end)` of some streams, or of all. `progress` is called after each stream."""
    result = Backtest(start, end)
    moments = 0
    with store.read() as connection:
        selected = list(streams) or stream_rows.streams(connection)
    for done, stream in enumerate(selected, 1):
        with store.read() as connection:
            history = read(connection, stream, base_seconds, start, end, sorted(rules.metrics()))
        for rule in rules.for_stream(stream):
            result.firings.extend(evaluate_rule(rule, history))
        moments += len(history.moments)
        if progress is not None:
            progress(done, len(selected))
    ordered = sorted(result.firings, key=lambda firing: (firing.started_at, firing.rule, firing.stream))
    return Backtest(start, end, ordered, moments)


def evaluate_rule(rule: Rule, history: MeasurementHistory) -> list[Firing]:
    """Every episode of one rule over one stream's history."""
    if not len(history.moments):
        return []
    replay = _Replay(rule, history)
    position = replay.next(0)
    while position is not None:
        replay.visit(position)
        position = replay.next(position + 1)
    return replay.firings()


class _Replay:
    """Visits the moments at which the state can change: new measurements, and the end of a wait."""

    def __init__(self, rule: Rule, history: MeasurementHistory) -> None:
        self._rule, self._history = rule, history
        self._alerts: dict[Labels, Alert] = {}
        self._results: ConditionResults = {}
        self._done: list[Firing] = []
        self._started: dict[Labels, str] = {}
        masks = screen(rule.condition, history)
        self._is_new = _new_measurements(rule, history)
        either = masks.fires | masks.releases if rule.by else masks.releases
        self._to_fire = np.flatnonzero(masks.fires & self._is_new)
        self._to_change = np.flatnonzero(either & self._is_new)
        self._all_new = np.flatnonzero(self._is_new)

    def next(self, at: int) -> int | None:
        """The next moment to visit, at or after position `at`."""
        waits = [remaining(self._rule, alert) for alert in self._alerts.values()]
        pending = [wait for wait in waits if wait is not None]
        states = {alert.state for alert in self._alerts.values()}
        candidates = self._to_change if State.FIRING in states else self._to_fire
        if self._rule.of > 1 or states & {State.PENDING, State.RECOVERING}:
            candidates = self._all_new
        index = int(np.searchsorted(candidates, at))
        next_moments = [int(candidates[index])] if index < len(candidates) else []
        next_moments += [max(at - 1 + math.ceil(wait / self._history.step), at) for wait in pending]
        soonest = min(next_moments, default=len(self._history.moments))
        return soonest if soonest < len(self._history.moments) else None

    def visit(self, at: int) -> None:
        """Evaluate one moment. Without new measurements the results are unchanged, and only waits continue."""
        rule, history = self._rule, self._history
        history.at = at
        now = float(history.moments[at])
        if self._is_new[at]:
            self._results = rule.condition.evaluate(EvaluationContext(history.stream, history, rule.by, now))
        for instance, result in self._results.items():
            alert = self._alerts.get(instance)
            if alert is None:
                if result.fires is not True and rule.of == 1:
                    continue
                identity = fingerprint(rule.name, history.stream, instance)
                alert = Alert(identity, rule.name, rule.severity, history.stream, instance)
            if self._is_still(alert, result):
                continue
            if self._is_new[at] or remaining(rule, alert) is not None:
                # Skipped moments count as evaluated, without change; moments without data do not.
                most = math.inf if alert.data is DataState.OK else float(history.step)
                step = decide(rule, result, alert, now, most)
                self._note(alert, step.alert, step.reason)

    def _is_still(self, alert: Alert, result: ConditionResult) -> bool:
        """Whether a result changes nothing: a closed alert that does not fire, or an open one that holds."""
        if self._rule.of > 1 or alert.data is not DataState.OK:
            return False
        if alert.state is State.FIRING:
            return result.holds is True
        return result.fires is False and alert.state in (State.INACTIVE, State.RESOLVED)

    def firings(self) -> list[Firing]:
        """All episodes, including those that still fire."""
        open_episodes = [self._firing(alert, None) for alert in self._alerts.values() if alert.is_open]
        return [*self._done, *open_episodes]

    def _note(self, before: Alert, after: Alert, reason: str) -> None:
        self._alerts[after.instance] = after
        if after.is_open and not before.is_open:
            self._started[after.instance] = reason
        elif before.is_open and not after.is_open:
            self._done.append(self._firing(after, after.resolved_at))

    def _firing(self, alert: Alert, ended_at: float | None) -> Firing:
        return Firing(
            alert.rule,
            alert.severity,
            alert.stream,
            alert.instance,
            alert.fired_at or 0.0,
            ended_at,
            self._started[alert.instance],
        )


def _new_measurements(rule: Rule, history: MeasurementHistory) -> np.ndarray:
    """The moments at which any measurement that the rule reads is new."""
    is_new = np.zeros(len(history.moments), bool)
    is_new[:1] = True
    for seconds in rule.condition.lengths():
        for metric in rule.condition.metrics():
            for _, columns in history.aligned(seconds, metric):
                is_new[1:] |= columns.starts[1:] != columns.starts[:-1]
    return is_new


def actual(transitions: Iterable[Transition]) -> list[Firing]:
    """The episodes that really fired, from the stored transitions."""
    firings: list[Firing] = []
    started: dict[str, Transition] = {}
    for change in transitions:
        if change.to is State.FIRING and change.before is not State.RECOVERING:
            started[change.fingerprint] = change
        elif change.to is State.RESOLVED and change.fingerprint in started:
            firings.append(_from(started.pop(change.fingerprint), change.at))
    return [*firings, *(_from(change, None) for change in started.values())]


def _from(change: Transition, ended_at: float | None) -> Firing:
    return Firing(change.rule, change.severity, change.stream, (), change.at, ended_at, change.reason)
