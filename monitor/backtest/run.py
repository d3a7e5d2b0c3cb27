"""Rules over a history: the same conditions and the same state machine as live, moment by moment.

What needs the wall clock (silence, probes, the daemon's own figures) was not stored, so rules on it stay quiet.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from monitor.backtest.history import History, read
from monitor.backtest.screen import screen
from monitor.records import Alert, DataState, Labels, Severity, State, Stream, Transition, fingerprint
from monitor.rules.condition import Finding, Findings, Question
from monitor.rules.rule import Rule, RuleSet
from monitor.rules.state import decide, remaining
from monitor.store import register
from monitor.store.db import Store

Progress = Callable[[int, int], object]


@dataclass(frozen=True, slots=True)
class Firing:
    """One episode: what fired, from when to when (None: it still does), and why."""

    rule: str
    severity: Severity
    stream: Stream
    instance: Labels
    started_at: float
    ended_at: float | None
    reason: str

    def seconds(self, until: float) -> float:
        """How long it lasted, or has lasted by `until`."""
        return (self.ended_at if self.ended_at is not None else until) - self.started_at


@dataclass(frozen=True, slots=True)
class Backtest:
    """What rules would have done over a span."""

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
    """Judge `[start, end)` of some streams, or of all. `progress` is told after each stream."""
    result = Backtest(start, end)
    moments = 0
    with store.read() as connection:
        wanted = list(streams) or register.streams(connection)
    for done, stream in enumerate(wanted, 1):
        with store.read() as connection:
            history = read(connection, stream, base_seconds, start, end, sorted(rules.metrics()))
        for rule in rules.for_stream(stream):
            result.firings.extend(judge_rule(rule, history))
        moments += len(history.moments)
        if progress is not None:
            progress(done, len(wanted))
    ordered = sorted(result.firings, key=lambda firing: (firing.started_at, firing.rule, firing.stream))
    return Backtest(start, end, ordered, moments)


def judge_rule(rule: Rule, history: History) -> list[Firing]:
    """Every episode of one rule over one stream's history."""
    if not len(history.moments):
        return []
    walk = _Walk(rule, history)
    at = walk.next(0)
    while at is not None:
        walk.visit(at)
        at = walk.next(at + 1)
    return walk.firings()


class _Walk:
    """Visits the moments at which something can happen: new figures, and the end of a wait."""

    def __init__(self, rule: Rule, history: History) -> None:
        self._rule, self._history = rule, history
        self._alerts: dict[Labels, Alert] = {}
        self._found: Findings = {}
        self._done: list[Firing] = []
        self._started: dict[Labels, str] = {}
        masks = screen(rule.condition, history)
        self._is_news = _news(rule, history)
        either = masks.fires | masks.releases if rule.by else masks.releases
        self._to_fire = np.flatnonzero(masks.fires & self._is_news)
        self._to_change = np.flatnonzero(either & self._is_news)
        self._all_news = np.flatnonzero(self._is_news)

    def next(self, at: int) -> int | None:
        """The next moment that matters, from `at` on."""
        waits = [remaining(self._rule, alert) for alert in self._alerts.values()]
        running = [wait for wait in waits if wait is not None]
        states = {alert.state for alert in self._alerts.values()}
        candidates = self._to_change if State.FIRING in states else self._to_fire
        if self._rule.of > 1 or states & {State.PENDING, State.RECOVERING}:
            candidates = self._all_news
        place = int(np.searchsorted(candidates, at))
        coming = [int(candidates[place])] if place < len(candidates) else []
        coming += [max(at - 1 + math.ceil(wait / self._history.step), at) for wait in running]
        soonest = min(coming, default=len(self._history.moments))
        return soonest if soonest < len(self._history.moments) else None

    def visit(self, at: int) -> None:
        """Judge one moment. Without new figures the findings are the last ones, and only waits go on."""
        rule, history = self._rule, self._history
        history.at = at
        now = float(history.moments[at])
        if self._is_news[at]:
            self._found = rule.condition.judge(Question(history.stream, history, rule.by, now))
        for instance, finding in self._found.items():
            alert = self._alerts.get(instance)
            if alert is None:
                if finding.fires is not True and rule.of == 1:
                    continue
                identity = fingerprint(rule.name, history.stream, instance)
                alert = Alert(identity, rule.name, rule.severity, history.stream, instance)
            if self._is_still(alert, finding):
                continue
            if self._is_news[at] or remaining(rule, alert) is not None:
                # What was skipped was watched, and nothing happened; what had no data was not.
                most = math.inf if alert.data is DataState.OK else float(history.step)
                step = decide(rule, finding, alert, now, most)
                self._note(alert, step.alert, step.reason)

    def _is_still(self, alert: Alert, finding: Finding) -> bool:
        """Whether a finding changes nothing: a closed alert that goes on not firing, or an open one that holds."""
        if self._rule.of > 1 or alert.data is not DataState.OK:
            return False
        if alert.state is State.FIRING:
            return finding.holds is True
        return finding.fires is False and alert.state in (State.INACTIVE, State.RESOLVED)

    def firings(self) -> list[Firing]:
        """Every episode, those that still last included."""
        lasting = [self._firing(alert, None) for alert in self._alerts.values() if alert.is_open]
        return [*self._done, *lasting]

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


def _news(rule: Rule, history: History) -> np.ndarray:
    """Moments at which any figure that the rule reads is a new one."""
    news = np.zeros(len(history.moments), bool)
    news[:1] = True
    for seconds in rule.condition.lengths():
        for metric in rule.condition.metrics():
            for _, columns in history.aligned(seconds, metric):
                news[1:] |= columns.starts[1:] != columns.starts[:-1]
    return news


def actual(transitions: Iterable[Transition]) -> list[Firing]:
    """What really fired, from the recorded transitions."""
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
