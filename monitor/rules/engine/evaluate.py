"""One evaluation of every rule for every stream: readings and stored alerts go in, changed alerts come out."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from monitor.errors import StoreError, WatchkeeperError
from monitor.records import Alert, DataState, Labels, Peak, State, Stream, Transition, fingerprint
from monitor.rules.engine import no_data
from monitor.rules.engine.condition import ConditionResult, ConditionResults, unknown
from monitor.rules.engine.condition_cache import ConditionCache
from monitor.rules.engine.readings import Readings
from monitor.rules.engine.state import decide
from monitor.rules.language.wording import bound, difference, figure, label_words, render, span
from monitor.rules.rule import Rule, RuleSet
from monitor.runtime.faults import Faults
from monitor.runtime.threads.preemption import preemptible

STEP = 10.0
"""The longest time that one evaluation may add to a wait by default, in seconds: twice the tick."""
REFRESH = 15.0
"""Interval at which an alert that keeps firing unchanged is stored, in seconds."""

_identity = lru_cache(maxsize=65536)(fingerprint)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The outcome: alerts to store, transitions to record, numbers of evaluated rules and of errors."""

    alerts: list[Alert] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)
    evaluated: int = 0
    errors: int = 0


def evaluate(
    rules: RuleSet,
    readings: Readings,
    alerts: Mapping[str, Alert],
    now: float,
    step: float = STEP,
    cache: ConditionCache | None = None,
    faults: Faults | None = None,
    in_turn: Callable[[Sequence[Stream]], Iterable[Stream]] = iter,
) -> Evaluation:
    """Evaluate every rule. Pure: the same arguments give the same outcome. A rule that raises is reported to `faults`.

    `in_turn` chooses which of the streams are evaluated, and in which order; those left out keep their state.
    `alerts` are the stored ones, by fingerprint. `step` limits what one evaluation adds to a running wait, in seconds.
    With a `cache`, only rules that read new measurements are evaluated again; the outcome is the same.
    """
    evaluator = _Evaluator(rules, readings, alerts, now, step, cache or ConditionCache(), faults or Faults())
    streams = set(readings.streams()) | {stream for _, stream in evaluator.active}
    evaluator.cache.keep(streams)
    for stream in preemptible(in_turn(sorted(streams))):
        for rule in rules.for_stream(stream):
            with evaluator.faults.isolate("rules", f"{rule.name} of {stream}"):
                evaluator.rule(rule, stream)
    evaluator.removed_rules()
    evaluator.without_data()
    return evaluator.evaluation()


def is_active(alert: Alert) -> bool:
    """Whether it is pending or open, so that each evaluation may change it."""
    return alert.state is State.PENDING or alert.is_open


@dataclass(slots=True)
class _Evaluator:
    rules: RuleSet
    readings: Readings
    alerts: Mapping[str, Alert]
    now: float
    step: float
    cache: ConditionCache
    faults: Faults
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
            if is_active(alert):
                self.active.setdefault((alert.rule, alert.stream), []).append(alert)

    def rule(self, rule: Rule, stream: Stream) -> None:
        """Evaluate one rule for one stream; active alerts without measurements keep their state."""
        self.evaluated += 1
        needs_no_alert = rule.no_data_tier is None and rule.of == 1 and (rule.name, stream) not in self.known
        results = self._results(rule, stream, if_firing=needs_no_alert)
        if needs_no_alert and not any(result.fires for result in results.values()):
            return  # no state to keep
        for instance, result in results.items():
            self._instance(rule, stream, instance, result)
        for alert in self.active.get((rule.name, stream), ()):
            if alert.instance not in results:
                self._advance(rule, alert, results.get(()) or unknown("", "was not measured"))

    def removed_rules(self) -> None:
        """Resolve alerts of rules that no longer apply to their stream."""
        for (name, stream), alerts in self.active.items():
            if name == no_data.NAME or any(rule.name == name for rule in self.rules.for_stream(stream)):
                continue
            for alert in alerts:
                state = State.RESOLVED if alert.is_open else State.INACTIVE
                reason = "the rule was removed or switched off"
                over = replace(
                    alert, state=state, resolved_at=self.now, reason=reason, evaluated_at=self.now, value=None
                )
                self._note(alert, over, reason)

    def without_data(self) -> None:
        """Evaluate the `NoData` alert of each alert that can no longer be evaluated."""
        current = {alert.fingerprint: alert for alerts in self.active.values() for alert in alerts}
        by_stream: dict[Stream, list[Alert]] = {}
        for alert in {**current, **self.changed}.values():
            if alert.data is not DataState.OK or alert.rule == no_data.NAME:
                by_stream.setdefault(alert.stream, []).append(alert)
        for stream, alerts in by_stream.items():
            with self.faults.isolate("rules", f"{no_data.NAME} of {stream}"):
                self._evaluate_no_data(stream, alerts)

    def _evaluate_no_data(self, stream: Stream, alerts: Sequence[Alert]) -> None:
        rules = {rule.name: rule for rule in self.rules.for_stream(stream)}
        self._without_data(stream, no_data.results(rules, alerts))

    def _without_data(self, stream: Stream, results: Iterable[tuple[Rule, Labels, ConditionResult]]) -> None:
        evaluated = set()
        for rule, instance, result in results:
            self._instance(rule, stream, instance, result)
            evaluated.add(instance)
        for alert in self.active.get((no_data.NAME, stream), ()):
            if alert.instance not in evaluated:
                self._advance(no_data.no_data_rule(alert.severity), alert, no_data.OVER)

    def evaluation(self) -> Evaluation:
        """The outcome to be stored."""
        return Evaluation(list(self.changed.values()), self.transitions, self.evaluated, self.errors)

    def _results(self, rule: Rule, stream: Stream, *, if_firing: bool) -> ConditionResults:
        try:
            return self.cache.results(rule, stream, self.readings, self.now, if_firing=if_firing)
        except StoreError:
            raise
        except (WatchkeeperError, ArithmeticError, ValueError, TypeError, LookupError) as error:
            self.errors += 1
            return {(): unknown("", f"cannot be evaluated: {error}", is_error=True)}

    def _instance(self, rule: Rule, stream: Stream, instance: Labels, result: ConditionResult) -> None:
        identity = _identity(rule.name, stream, instance)
        alert = self.alerts.get(identity)
        if alert is None:
            if result.fires is not True and rule.no_data_tier is None and rule.of == 1:
                return  # no state to keep
            alert = Alert(identity, rule.name, rule.severity, stream, instance)
        self._advance(rule, alert, result)

    def _advance(self, rule: Rule, alert: Alert, result: ConditionResult) -> None:
        after = decide(rule, result, alert, self.now, self.step)
        self.errors += result.is_error
        rendered = _with_annotations(rule, alert, after.alert, is_true=True in (result.fires, result.holds))
        self._note(alert, rendered, after.reason)

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
    if before.unjudged != after.unjudged or before.severity is not after.severity:
        return True
    if after.state is State.FIRING and after.data is DataState.OK:
        last = before.evaluated_at or 0.0
        is_different = (before.value, before.reason) != (after.value, after.reason)
        return is_different or abs((after.evaluated_at or 0.0) - last) >= REFRESH
    return after.state in (State.PENDING, State.RECOVERING, State.FIRING)


def _with_annotations(rule: Rule, before: Alert, alert: Alert, *, is_true: bool) -> Alert:
    """The alert with its rule's severity and labels and, while its condition is true, its rendered annotations.

    A resolved alert keeps the annotations from when it last fired.
    """
    annotations = alert.annotations
    is_changed = before.state is not alert.state or before.value != alert.value or before.n != alert.n
    if is_true and alert.is_open and is_changed:
        fields = _fields(rule, alert)
        annotations = tuple((name, render(text, fields)) for name, text in rule.annotations)
        alert = _with_worst(before, alert, dict(annotations).get("client", ""))
    if annotations is alert.annotations and (alert.severity, alert.labels) == (rule.severity, rule.labels):
        return alert
    return replace(alert, severity=rule.severity, labels=rule.labels, annotations=annotations)


def _with_worst(before: Alert, alert: Alert, sentence: str) -> Alert:
    """The alert with this moment as its worst, if it is: the figures of different metrics cannot be compared."""
    distance, is_first = _distance(alert), before.episode != alert.episode
    peak = None if is_first else alert.peak
    is_comparable = peak is None or (peak.metric, peak.unit) == (alert.metric, alert.unit)
    if not is_first and not (is_comparable and distance >= alert.worst):
        return alert
    if alert.value is not None:
        peak = Peak(alert.value, alert.metric, alert.unit)
    return replace(alert, worst=distance, at_worst=sentence, peak=peak)


def _distance(alert: Alert) -> float:
    return 0.0 if alert.value is None or alert.limit is None else abs(alert.value - alert.limit)


def _fields(rule: Rule, alert: Alert) -> dict[str, str]:
    seconds = alert.window.seconds if alert.window else 0
    return {
        **dict(rule.labels), **{label: label_words(label, value) for label, value in dict(alert.instance).items()},
        **dict(alert.stream.labels),
        "alert": rule.name, "severity": rule.severity.value, "value": figure(alert.value, alert.unit),
        "difference": difference(alert.value, alert.unit),
        "limit": bound(alert.limit, alert.unit), "baseline": figure(alert.baseline, alert.unit),
        "n": f"{alert.n:,.0f}", "window": span(seconds), "reason": alert.reason,
    }  # fmt: skip
