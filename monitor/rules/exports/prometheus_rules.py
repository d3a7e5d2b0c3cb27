"""Rules as a Prometheus rule file: recording rules for conditions, and an alerting rule per alert."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML

from monitor.config.units import format_duration
from monitor.rules.engine.threshold import ShareLimit
from monitor.rules.exports.exposed import used_thresholds
from monitor.rules.exports.promql import (
    FIRES,
    HOLDS,
    Figures,
    NotExposedError,
    Terms,
    matcher,
    quoted,
    thresholds,
)
from monitor.rules.exports.templates import literal, template
from monitor.rules.language.matchers import Matcher
from monitor.rules.rule import Entry, Rule, RuleSet

ACTIVE, RECORDED = "watchkeeper:rule:active", "watchkeeper:rule"
_BASE_WINDOW = 60
_HEADER = """\
# Written by: watchkeeper export rules
# Only one of the two should page: these rules through Alertmanager, or the daemon itself.
#
# They evaluate the series of /metrics and give the daemon's results at each evaluation, with these differences:
# - The last seconds ("open") are evaluated once per evaluation here, and every few seconds in the daemon.
# - A missing value does not change a firing alert. Before that it restarts `for`, and after that `keep_firing_for`;
#   the daemon pauses both waits.
# - The daemon keeps a flapping alert open until its condition was false for 15 minutes.
# - NoData, Storm and StoreDown, silences, client pages and digests exist in the daemon only.
"""


@dataclass(frozen=True, slots=True)
class Exported:
    """A rule file for Prometheus, and the reasons why some rules are missing or differ, by name."""

    document: dict[str, Any]
    left_out: dict[str, str] = field(default_factory=dict)
    differs: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The file as YAML."""
        notes = [f"# {name} is not exported: {reason}\n" for name, reason in self.left_out.items()]
        notes += [f"# {name}: {what}\n" for name, what in self.differs.items()]
        return _HEADER + "".join(notes) + dump(self.document)


def export(rules: RuleSet, interval: float = 60.0) -> Exported:
    """Translate all rules that have an equivalent, with their overrides for clients and environments."""
    written: list[dict[str, Any]] = []
    exported = Exported({"groups": [{"name": "watchkeeper", "interval": format_duration(interval)}]})
    labels = labels_used(rules)
    for entry in rules.entries:
        try:
            written += _entry(entry, labels)
        except NotExposedError as reason:
            exported.left_out[entry.rule.name] = str(reason)
            continue
        differences = _differences(entry.rule)
        if differences:
            exported.differs[entry.rule.name] = "; ".join(differences)
    exported.document["groups"][0]["rules"] = written
    return exported


def labels_used(rules: RuleSet) -> frozenset[str]:
    """The labels that any rule uses, and that the series of any metric may therefore have."""
    labels: set[str] = set()
    for rule in rules.every():
        for used in used_thresholds(rule.condition, rule.by):
            labels |= {*used.by, *(one_matcher.name for one_matcher in used.threshold.matchers)}
    return frozenset(labels)


def dump(document: dict[str, Any]) -> str:
    """YAML in block style."""
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 4096
    out = io.StringIO()
    yaml.dump(document, out)
    return out.getvalue()


def _differences(rule: Rule) -> list[str]:
    differences = []
    if rule.of > 1:
        differences.append(
            f"the last {rule.of} windows are the last {rule.of} evaluations, as far apart as windows are measured"
        )
    if isinstance(rule.condition, ShareLimit):
        differences.append(
            f"of many {rule.condition.of}s, /metrics exposes only the worst (web.metrics.max_features)"
        )
    if any(
        threshold.level.reference not in ("", "baseline") and threshold.matchers
        for threshold in thresholds(rule.condition)
    ):
        differences.append("past values are those of the series with the same labels")
    return differences


def _entry(entry: Entry, also: frozenset[str]) -> list[dict[str, Any]]:
    """A rule and its overrides. Equal conditions are recorded once."""
    written: list[dict[str, Any]] = []
    recorded: list[tuple[Rule, str]] = []
    variants = [(entry.rule, ()), *((override.rule, override.matchers) for override in entry.overrides)]
    for position, (rule, matchers) in enumerate(variants):
        if rule is None:
            continue
        equal = [name for other, name in recorded if _has_equal_condition(other, rule)]
        name = equal[0] if equal else rule.name + (f" {position + 1}" if position else "")
        if not equal:
            recorded.append((rule, name))
            written += _recorded(rule, name, also)
        later = [override for _, override in variants[position + 1 :]]
        written.append(_alert(rule, name, (*rule.matchers, *matchers), later))
    return written


def _has_equal_condition(one: Rule, other: Rule) -> bool:
    return (one.condition, one.by, one.needed, one.of, one.annotations) == (
        other.condition, other.by, other.needed, other.of, other.annotations,
    )  # fmt: skip


def _recorded(rule: Rule, name: str, also: frozenset[str]) -> list[dict[str, Any]]:
    terms = Terms(name, rule.by, also)
    figures = terms.add(rule.condition)
    by = ", ".join(terms.labels)
    firing = f'max by ({by}) (ALERTS{{alertname={quoted(rule.name)},alertstate="firing"}})'
    fires, holds = terms.recorded(FIRES, "1"), terms.recorded(HOLDS, "1")
    if rule.of > 1:
        terms.put("watchkeeper:rule:window", f"({holds} and {firing}) or {fires}")
        fires = holds = _of_windows(rule, name, by)
    terms.put(ACTIVE, f"({fires} == 1) or (({firing}) unless ({holds} == 0))")
    active = f"max by ({by}) ({ACTIVE}{{rule={quoted(name)}}})"
    for figure, expression in needed(rule, figures).items():
        record = f"{RECORDED}:{figure}"
        before = f"max by ({by}) ({record}{{rule={quoted(name)}}})"
        # While it is kept firing its figures stay known: it may go on with them when nothing is measured.
        terms.put(record, f"(({expression}) and {active}) or ({before} and ({active} or {firing}))")
    return terms.records


def needed(rule: Rule, figures: Figures) -> dict[str, str]:
    """The values that alerts of the rule show, as PromQL, by name: always `value`."""
    words = " ".join(text for name, text in rule.annotations if name in ("summary", "impact"))
    expressions = {"value": figures.value}
    for name, placeholder in (("limit", "limit"), ("baseline", "baseline"), ("rows", "n")):
        expression = getattr(figures, name)
        if f"{{{placeholder}}}" in words and expression is not None:
            expressions[name] = expression
    return expressions


def _of_windows(rule: Rule, name: str, by: str) -> str:
    """Whether enough of the last windows were beyond the limit. A window is measured again when a twentieth of it is
    new.
    """
    longest = max(rule.condition.lengths(), default=0)
    step = max(_BASE_WINDOW, longest // 20 // _BASE_WINDOW * _BASE_WINDOW)
    windows = f"max by ({by}) (watchkeeper:rule:window{{rule={quoted(name)}}})"
    return f"(sum_over_time(({windows})[{rule.of * step - 1}s:{step}s]) >= bool {rule.needed} and {windows})"


def _alert(
    rule: Rule, name: str, matchers: Sequence[Matcher], later: Sequence[Sequence[Matcher]]
) -> dict[str, Any]:
    """The alerting rule. `matchers` select its streams; streams that match one of `later` have their own rule."""
    by = ("client", "environment", "model", *rule.by)
    chosen = _value(name, matchers)
    without = "".join(f" unless {_value(name, one)}" for one in later if one)
    written: dict[str, Any] = {
        "alert": rule.name,
        "expr": f"max by ({', '.join(by)}) ({chosen} and {ACTIVE}{{rule={quoted(name)}}}{without})",
    }
    if rule.wait:
        written["for"] = format_duration(rule.wait)
    if rule.keep:
        written["keep_firing_for"] = format_duration(rule.keep)
    written["labels"] = {label: literal(text) for label, text in rule.labels}
    written["annotations"] = {
        label: template(text, rule, name, by)
        for label, text in rule.annotations
        if label in ("summary", "impact")
    }
    if rule.action != "none":
        written["annotations"]["action"] = rule.action
    return written


def _value(name: str, matchers: Iterable[Matcher]) -> str:
    chosen = [f"rule={quoted(name)}", *(matcher(one) for one in matchers)]
    return f"{RECORDED}:value{{{','.join(chosen)}}}"
