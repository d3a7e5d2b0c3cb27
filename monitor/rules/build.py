"""One rule's values into a `Rule`, checked against the metrics that exist."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from monitor.errors import ConfigError, Problem
from monitor.records import Severity
from monitor.rules.burn import Burn
from monitor.rules.condition import All, Condition
from monitor.rules.condition import Any as Some
from monitor.rules.level import Level
from monitor.rules.rule import Rule
from monitor.rules.schema import ConditionModel, RuleModel
from monitor.rules.threshold import Absent, Share, Threshold
from monitor.rules.wording import FIELDS, placeholders
from monitor.yamlfile import Document, Key, suggest, validate

PARTS = ("feature", "output", "scope", "probe")
"""Labels that make an alert each unless a rule says otherwise: the inputs and outputs of a model."""


class Metric(Protocol):
    """What is known of a metric that can be measured."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """The label names it may carry."""
        ...


Known = Mapping[str, tuple[str, ...]]
"""Metric names and the label names each may carry."""


def known(metrics: Iterable[Metric]) -> Known:
    """The metrics that rules may name; what decides on drift is one of them."""
    return {"drift_evidence": PARTS[:3], **{metric.name: tuple(metric.labels) for metric in metrics}}


@dataclass(slots=True)
class _Builder:
    document: Document
    known: Known
    problems: list[Problem] = field(default_factory=list)

    def condition(self, model: ConditionModel, key: Key) -> Condition:
        """The condition that a model describes."""
        for kind, parts in (("all", model.all), ("any", model.any)):
            if parts is not None:
                built = tuple(self.condition(part, (*key, kind, i)) for i, part in enumerate(parts))
                return All(built) if kind == "all" else Some(built)
        if model.burn is not None:
            self.metric(model.burn.metric, (*key, "burn", "metric"))
            return Burn.of(model.burn.metric, model.burn.objective, model.burn.tier, model.burn.samples)
        if model.absent is not None:
            self.metric(model.absent, (*key, "absent"))
            return Absent(model.absent, model.over)
        return self.threshold(model, key)

    def threshold(self, model: ConditionModel, key: Key) -> Condition:
        """A metric against its level; `drift: significant` is the evidence beyond its own limit."""
        name = model.metric or "drift_evidence"
        if model.metric is not None:
            self.metric(name, (*key, "metric"))
        labels = self.known.get(name, ())
        for index, matcher in enumerate(model.match):
            if labels and matcher.name not in labels:
                reason = f"{name} has no label {matcher.name}{suggest(matcher.name, labels)}"
                self.problems.append(self.document.problem((*key, "match", index), reason))
        level = model.above or model.below or Level(offset=1.0)
        threshold = Threshold(
            name,
            model.over,
            level,
            model.below is None,
            model.clear,
            model.samples,
            model.confidence or 0.0,
            model.match,
            None if model.assume is None else model.assume == "beyond",
        )
        if model.share is None:
            return threshold
        clear = model.share.above if model.share.clear is None else model.share.clear
        return Share(threshold, model.share.of, model.share.above, clear)

    def metric(self, name: str, key: Key) -> None:
        """Note a metric that nobody measures."""
        if name not in self.known:
            self.problems.append(
                self.document.problem(key, f"there is no metric {name}{suggest(name, self.known)}")
            )

    def instances(self, condition: Condition) -> tuple[str, ...]:
        """The labels that make instances by default."""
        if isinstance(condition, Share):
            return ()
        carried = {label for metric in condition.metrics() for label in self.known.get(metric, ())}
        return tuple(label for label in PARTS if label in carried)

    def templates(self, model: RuleModel, by: tuple[str, ...], key: Key) -> None:
        """Note a template that names what no alert of this rule has."""
        fields = FIELDS | set(by) | set(model.labels)
        for name, text in model.annotations.items():
            for place in sorted(placeholders(text) - fields):
                reason = f"no alert of this rule has {{{place}}}{suggest(place, fields)}"
                self.problems.append(self.document.problem((*key, "annotations", name), reason))


def build(data: Mapping[str, Any], document: Document, key: Key, metrics: Known) -> Rule:
    """A rule from its values, which stand at `key` of the document.

    Raises:
        ConfigError: with each of its mistakes.
    """
    model = validate(RuleModel, document, data, key)
    builder = _Builder(document, metrics)
    condition = builder.condition(model.when, (*key, "when"))
    by = builder.instances(condition) if model.by is None else model.by
    builder.templates(model, by, key)
    if builder.problems:
        raise ConfigError(builder.problems)
    line, _ = document.positions.get(key, (1, 1))
    return Rule(
        name=model.alert,
        severity=Severity(model.labels["severity"]),
        condition=condition,
        wait=model.for_,
        keep=model.keep_firing_for,
        needed=model.windows[0],
        of=model.windows[1],
        by=by,
        matchers=model.match,
        no_data_for=model.no_data_for,
        no_data_tier=None if model.no_data == "ignore" else Severity(model.no_data),
        labels=tuple(sorted(model.labels.items())),
        annotations=tuple(sorted(model.annotations.items())),
        source=f"{document.path}:{line}",
    )
