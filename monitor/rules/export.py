"""Rules as a Prometheus rule file, for those whose metrics are exposed."""

import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML

from monitor.durations import format_duration
from monitor.rules.promql import BASE, NotExposedError, differences, expression
from monitor.rules.rule import Rule
from monitor.rules.wording import figure

_PLACE = re.compile(r"\{(\w+)\}")
_HEADER = """\
# Written by: watchkeeper export rules
# Only one of the two should page: either these rules through Alertmanager, or the daemon itself.
"""


@dataclass(frozen=True, slots=True)
class Exported:
    """A rule file for Prometheus, and why some rules are not in it (or differ), by name."""

    document: dict[str, Any]
    left_out: dict[str, str] = field(default_factory=dict)
    differs: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The file as YAML."""
        notes = [f"# {name} is left out: {why}\n" for name, why in self.left_out.items()]
        notes += [f"# {name} comes without: {what}\n" for name, what in self.differs.items()]
        return _HEADER + "".join(notes) + dump(self.document)


def export(rules: Iterable[Rule], interval: float = 60.0) -> Exported:
    """Translate what can be translated."""
    written: list[dict[str, Any]] = []
    exported = Exported({"groups": [{"name": "watchkeeper", "interval": format_duration(interval)}]})
    for rule in rules:
        try:
            written.append(_rule(rule))
        except NotExposedError as reason:
            exported.left_out[rule.name] = str(reason)
            continue
        what = differences(rule.condition)
        what += ["k of n windows"] if rule.of > 1 else []
        if what:
            exported.differs[rule.name] = ", ".join(what)
    exported.document["groups"][0]["rules"] = written
    return exported


def dump(document: dict[str, Any]) -> str:
    """YAML in block style."""
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 4096
    out = io.StringIO()
    yaml.dump(document, out)
    return out.getvalue()


def _rule(rule: Rule) -> dict[str, Any]:
    condition = expression(rule.condition)
    if rule.matchers:
        chosen = ",".join(str(matcher) for matcher in rule.matchers)
        condition = f"({condition}) and on ({', '.join(BASE)}) watchkeeper_model_info{{{chosen}}}"
    written: dict[str, Any] = {"alert": rule.name, "expr": condition}
    if rule.wait:
        written["for"] = format_duration(rule.wait)
    if rule.keep:
        written["keep_firing_for"] = format_duration(rule.keep)
    written["labels"] = dict(rule.labels)
    written["annotations"] = {
        name: template(text, rule) for name, text in rule.annotations if name in ("summary", "impact")
    }
    return written


def template(text: str, rule: Rule) -> str:
    """One of our templates in Prometheus's language."""

    def place(match: re.Match[str]) -> str:
        name = match[1]
        if name in (*BASE, *rule.by):
            return f"{{{{ $labels.{name} }}}}"
        if name == "value":
            return '{{ printf "%.3g" $value }}'
        fixed = {"alert": rule.name, "limit": _limit(rule), **dict(rule.labels)}
        return fixed.get(name, "")

    return _PLACE.sub(place, text)


def _limit(rule: Rule) -> str:
    level = getattr(rule.condition, "level", None)
    return figure(level.offset, "") if level is not None and not level.reference else ""
