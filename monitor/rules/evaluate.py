"""One look of every rule at every stream: readings and the alerts so far go in, changed alerts come out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from monitor.errors import WatchkeeperError
from monitor.records import Alert, DataState, Labels, State, Stream, Transition, fingerprint
from monitor.rules import no_data
from monitor.rules.condition import Finding, Findings, Question, unknown
from monitor.rules.memory import Memory
from monitor.rules.readings import Readings
from monitor.rules.rule import Rule, RuleSet
from monitor.rules.state import decide
from monitor.rules.wording import bound, figure, render, span

STEP = 10.0
"""The longest time one look may count for by default, in seconds: twice the tick."""
REFRESH = 15.0
"""How often an alert that goes on firing unchanged is written, in seconds."""

_identity = lru_cache(maxsize=65536)(fingerprint)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one look changed: alerts to store, transitions to record; how many rules could not be judged."""

    alerts: list[Alert] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)
    evaluated: int = 0
    errors: int = 0


def judge(
    rules: RuleSet,
    readings: Readings,
    alerts: Mapping[str, Alert],
    now: float,
    step: float = STEP,
    memory: Memory | None = None,
) -> Judgement:
    """Judge every rule. Pure: the same arguments give the same answer.

    `alerts` are those stored before, by fingerprint. `step` bounds what one look adds to a running wait. With a
    `memory` of the looks before, only what reads new measurements is judged anew; the answer is the same.
    """
    look = _Look(rules, readings, alerts, now, step, memory or Memory())
    streams = set(readings.streams()) | {stream for _, stream in look.active}
    for stream in sorted(streams):
        for rule in rules.for_stream(stream):
            look.rule(rule, stream)
    look.removed_rules()
    look.without_data()
    return look.judgement()


@dataclass(slots=True)
class _Look:
    rules: RuleSet
    readings: Readings
    alerts: Mapping[str, Alert]
    now: float
    step: float
    memory: Memory
    active: dict[tuple[str, Stream], list[Alert]] = field(init=False)
    known: set[tuple[str, Stream]] = field(init=False)
    changed: dict[str, Alert] = field(default_factory=dict)
    transitions: list[Transition] = field(default_factory=list)
    evaluated: int = 0
    errors: int = 0

    def __post_init__(self) -> None:
        self.active = {}
        self.known = {(alert.rule, alert.stream) for alert in self.alerts.values()}
        for alert in self.alerts.values():
            if alert.state is State.PENDING or alert.is_open:
                self.active.setdefault((alert.rule, alert.stream), []).append(alert)

    def rule(self, rule: Rule, stream: Stream) -> None:
        """Judge one rule for one stream, and freeze the active alerts that nothing was measured for."""
        self.evaluated += 1
        findings = self._ask(rule, stream)
        is_forgetful = rule.no_data_tier is None and rule.of == 1 and (rule.name, stream) not in self.known
        if is_forgetful and not any(finding.fires for finding in findings.values()):
            return  # nothing to remember
        for instance, finding in findings.items():
            self._instance(rule, stream, instance, finding)
        for alert in self.active.get((rule.name, stream), ()):
            if alert.instance not in findings:
                self._advance(rule, alert, findings.get(()) or unknown("", "was not measured"))

    def removed_rules(self) -> None:
        """Resolve what belongs to a rule that no longer holds for its stream."""
        for (name, stream), alerts in self.active.items():
            if name == no_data.NAME or any(rule.name == name for rule in self.rules.for_stream(stream)):
                continue
            for alert in alerts:
                state = State.RESOLVED if alert.is_open else State.INACTIVE
                reason = "its rule was removed or switched off"
                over = replace(alert, state=state, resolved_at=self.now, reason=reason, evaluated_at=self.now)
                self._note(alert, over, reason)

    def without_data(self) -> None:
        """Judge, for each alert that can no longer be judged, the alert that says so."""
        current = {alert.fingerprint: alert for alerts in self.active.values() for alert in alerts}
        by_stream: dict[Stream, list[Alert]] = {}
        for alert in {**current, **self.changed}.values():
            if alert.data is not DataState.OK or alert.rule == no_data.NAME:
                by_stream.setdefault(alert.stream, []).append(alert)
        for stream, alerts in by_stream.items():
            rules = {rule.name: rule for rule in self.rules.for_stream(stream)}
            self._without_data(stream, no_data.findings(rules, alerts))

    def _without_data(self, stream: Stream, found: Iterable[tuple[Rule, Labels, Finding]]) -> None:
        said = set()
        for rule, instance, finding in found:
            self._instance(rule, stream, instance, finding)
            said.add(instance)
        for alert in self.active.get((no_data.NAME, stream), ()):
            if alert.instance not in said:
                self._advance(no_data.sibling(alert.severity), alert, no_data.OVER)

    def judgement(self) -> Judgement:
        """What is to be stored."""
        return Judgement(list(self.changed.values()), self.transitions, self.evaluated, self.errors)

    def _ask(self, rule: Rule, stream: Stream) -> Findings:
        try:
            return self.memory.findings(rule, Question(stream, self.readings, rule.by, self.now))
        except (WatchkeeperError, ArithmeticError) as error:
            self.errors += 1
            return {(): unknown("", f"could not be judged: {error}", is_error=True)}

    def _instance(self, rule: Rule, stream: Stream, instance: Labels, finding: Finding) -> None:
        identity = _identity(rule.name, stream, instance)
        alert = self.alerts.get(identity)
        if alert is None:
            if finding.fires is not True and rule.no_data_tier is None and rule.of == 1:
                return  # nothing to remember
            alert = Alert(identity, rule.name, rule.severity, stream, instance)
        self._advance(rule, alert, finding)

    def _advance(self, rule: Rule, alert: Alert, finding: Finding) -> None:
        after = decide(rule, finding, alert, self.now, self.step)
        self.errors += finding.is_error
        dressed = _dressed(rule, alert, after.alert, is_true=True in (finding.fires, finding.holds))
        self._note(alert, dressed, after.reason)

    def _note(self, before: Alert, after: Alert, reason: str) -> None:
        if before.state is not after.state:
            self.transitions.append(
                Transition(
                    after.fingerprint, self.now, before.state, after.state, after.episode, reason, after.rule,
                    after.severity, after.stream,
                )
            )  # fmt: skip
        if _is_worth_storing(before, after):
            self.changed[after.fingerprint] = after


def _is_worth_storing(before: Alert, after: Alert) -> bool:
    if before.state is not after.state or before.data is not after.data or before.recent != after.recent:
        return True
    if before.unjudged != after.unjudged:
        return True
    if after.state is State.FIRING and after.data is DataState.OK:
        last = before.evaluated_at or 0.0
        is_told_anew = (before.value, before.reason) != (after.value, after.reason)
        return is_told_anew or abs((after.evaluated_at or 0.0) - last) >= REFRESH
    return after.state in (State.PENDING, State.RECOVERING, State.FIRING)


def _dressed(rule: Rule, before: Alert, alert: Alert, *, is_true: bool) -> Alert:
    """The alert with its rule's tier, labels and, while its condition is true, its sentences: the end of an alert is
    told in the words of its fault.
    """
    annotations, worst, at_worst = alert.annotations, alert.worst, alert.at_worst
    is_changed = before.state is not alert.state or before.value != alert.value or before.n != alert.n
    if is_true and alert.is_open and is_changed:
        fields = _fields(rule, alert)
        annotations = tuple((name, render(text, fields)) for name, text in rule.annotations)
        distance = _distance(alert)
        if distance >= worst or before.episode != alert.episode:
            worst, at_worst = distance, dict(annotations).get("client", "")
    if annotations is alert.annotations and (alert.severity, alert.labels) == (rule.severity, rule.labels):
        return alert
    return replace(
        alert,
        severity=rule.severity,
        labels=rule.labels,
        annotations=annotations,
        worst=worst,
        at_worst=at_worst,
    )


def _distance(alert: Alert) -> float:
    return 0.0 if alert.value is None or alert.limit is None else abs(alert.value - alert.limit)


def _fields(rule: Rule, alert: Alert) -> dict[str, str]:
    seconds = alert.window.seconds if alert.window else 0
    return {
        **dict(rule.labels), **dict(alert.instance), **dict(alert.stream.labels),
        "alert": rule.name, "severity": rule.severity.value, "value": figure(alert.value, alert.unit),
        "limit": bound(alert.limit, alert.unit), "baseline": figure(alert.baseline, alert.unit),
        "n": f"{alert.n:,.0f}", "window": span(seconds), "reason": alert.reason,
    }  # fmt: skip
