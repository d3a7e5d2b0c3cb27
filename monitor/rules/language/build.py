"""Builds a `Rule` from its values, and checks it against the existing metrics."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from monitor.config.yaml import Document, suggest, validate
from monitor.config.yaml_text import Key
from monitor.errors import ConfigError, Problem
from monitor.records import Severity
from monitor.rules.engine.burn_rate import Burn
from monitor.rules.engine.condition import All, Condition
from monitor.rules.engine.condition import Any as Some
from monitor.rules.engine.threshold import Absent, ShareLimit, Threshold
from monitor.rules.language.level import Level
from monitor.rules.language.schema import ConditionModel, RuleModel
from monitor.rules.language.wording import FIELDS, placeholders
from monitor.rules.rule import Rule, RuleAction

PARTS = ("feature", "output", "scope", "probe")
"""Labels that make separate alerts by default: the inputs and outputs of a model."""


class RuleMetric(Protocol):
    """The properties of a metric that rules need."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the labels that it may have."""
        ...


Known = Mapping[str, tuple[str, ...]]
"""The label names of each metric."""


def known(metrics: Iterable[RuleMetric]) -> Known:
    """The metrics that rules may name, including the evidence of drift."""
    return {"drift_evidence": PARTS[:3], **{metric.name: tuple(metric.labels) for metric in metrics}}


@dataclass(slots=True)
class _Builder:
    document: Document
    known: Known
    problems: list[Problem] = field(default_factory=list)

    def condition(self, model: ConditionModel, key: Key) -> Condition:
        """Build a condition."""
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
        """A metric compared with its level; `drift: significant` is the evidence above its own limit."""
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
        return ShareLimit(threshold, model.share.of, model.share.above, clear)

    def metric(self, name: str, key: Key) -> None:
        """Report a metric that does not exist."""
        if name not in self.known:
            self.problems.append(
                self.document.problem(key, f"there is no metric {name}{suggest(name, self.known)}")
            )

    def instances(self, condition: Condition) -> tuple[str, ...]:
        """The labels that make separate alerts by default."""
        if isinstance(condition, ShareLimit):
            return ()
        carried = {label for metric in condition.metrics() for label in self.known.get(metric, ())}
        return tuple(label for label in PARTS if label in carried)

    def templates(self, model: RuleModel, by: tuple[str, ...], key: Key) -> None:
        """Report placeholders that alerts of this rule do not have."""
        fields = FIELDS | set(by) | set(model.labels)
        for name, text in model.annotations.items():
            for placeholder in sorted(placeholders(text) - fields):
                reason = f"no alert of this rule has {{{placeholder}}}{suggest(placeholder, fields)}"
                self.problems.append(self.document.problem((*key, "annotations", name), reason))


def build(data: Mapping[str, Any], document: Document, key: Key, metrics: Known) -> Rule:
    """Build a rule from its values, at `key` of the document.

    Raises:
        ConfigError: with all its errors.
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
        action=_action(model),
    )


def _action(model: RuleModel) -> RuleAction:
    """What is written; a critical breach in which data leaks (label `breach: leak`) rolls back unless it says else."""
    if model.action is not None:
        return model.action
    is_leak = model.labels.get("breach") == "leak" and model.labels["severity"] == Severity.CRITICAL
    return "rollback" if is_leak else "none"
