"""Translates templates of annotations to Prometheus's language, with units: both render `{value}` of 0.096 errors as
`9.6 %`.
"""

import re
from collections.abc import Iterable

from monitor.metrics import METRICS
from monitor.rules.engine.threshold import ShareLimit
from monitor.rules.exports.promql import quoted, thresholds
from monitor.rules.language.wording import LABEL_WORDS, OF_THE_LIMIT, figure, span
from monitor.rules.rule import Rule

_PLACE = re.compile(r"\{(\w+)\}")
_UNITS = {metric.name: metric.unit for metric in METRICS}
_RECORDED = {"value": "value", "limit": "limit", "baseline": "baseline", "n": "rows"}


def template(text: str, rule: Rule, name: str, by: Iterable[str]) -> str:
    """One of our templates in Prometheus's language. Other braces are kept.

    `name` is the name of the rule's records, `by` are the labels of its alerts.
    """
    translated, position = "", 0
    for match in _PLACE.finditer(text):
        translated += literal(text[position : match.start()]) + _place(match[1], rule, name, tuple(by))
        position = match.end()
    return translated + literal(text[position:])


def literal(text: str) -> str:
    """Text that Prometheus must not interpret as a template: opening braces are escaped."""
    return text.replace("{", '{{ "{" }}')


def _place(placeholder: str, rule: Rule, name: str, by: tuple[str, ...]) -> str:
    if placeholder in by:
        return _label(placeholder)
    unit = "" if placeholder == "n" else unit_of(rule)
    if placeholder == "limit" and len(limits := _limits(rule)) == 1:
        return literal(figure(next(iter(limits)), unit))
    if placeholder == "value":
        return formatted("$value", unit)
    if placeholder == "difference":
        size = formatted("$value", unit, end=' | reReplaceAll "^-" ""')
        return f"{size} {{{{ if lt $value 0.0 }}}}lower{{{{ else }}}}higher{{{{ end }}}}"
    if placeholder in _RECORDED:
        chosen = ",".join(f"{label}=%q" for label in by)
        of = " ".join(f"$labels.{label}" for label in by)
        series = f"watchkeeper:rule:{_RECORDED[placeholder]}{{rule={quoted(name)},{chosen}}}"
        query = f"printf {quoted(series)} {of}"
        template_text = f"{{{{ $found := . | first | value }}}}{formatted('$found', unit)}"
        return f"{{{{ with query ({query}) }}}}{template_text}{{{{ else }}}}-{{{{ end }}}}"
    lengths = rule.condition.lengths()
    fixed = {"alert": rule.name, "window": span(min(lengths)) if lengths else "", **dict(rule.labels)}
    return literal(fixed.get(placeholder, ""))


def _label(name: str) -> str:
    """The value of a label, as texts write it."""
    text = f"{{{{ $labels.{name} }}}}"
    for value, words in LABEL_WORDS.get(name, {}).items():
        text = (
            f"{{{{ if eq $labels.{name} {quoted(value)} }}}}{literal(words)}{{{{ else }}}}{text}{{{{ end }}}}"
        )
    return text


def unit_of(rule: Rule) -> str:
    """The unit of the values of the rule's alerts: that of its first metric."""
    if isinstance(rule.condition, ShareLimit):
        return "share"
    first = next(thresholds(rule.condition), None)
    return "" if first is None else _UNITS.get(first.metric, "")


def formatted(number: str, unit: str, *, end: str = "") -> str:
    """A number with its unit, in Prometheus's template functions; `end` are more functions for its text."""
    if unit == "share":
        return f"{{{{ {number} | humanizePercentage{end} }}}}"
    if unit == "seconds":
        return f"{{{{ {number} | humanizeDuration{end} }}}}"
    if unit == OF_THE_LIMIT:
        return f'{{{{ printf "%.2g" {number}{end} }}}} times the limit'
    large = f'{{{{ if ge {number} 1000.0 }}}}{{{{ printf "%.0f" {number}{end} }}}}'
    plain = f'{large}{{{{ else }}}}{{{{ printf "%.3g" {number}{end} }}}}{{{{ end }}}}'
    return f"{plain} {unit}" if unit else plain


def _limits(rule: Rule) -> set[float]:
    """The limits of its thresholds, if all are absolute and of one metric; otherwise empty."""
    if isinstance(rule.condition, ShareLimit):
        return {rule.condition.above}
    first = next(thresholds(rule.condition), None)
    same = [
        threshold
        for threshold in thresholds(rule.condition)
        if first is not None and threshold.metric == first.metric
    ]
    if any(threshold.level.reference for threshold in same):
        return set()
    return {threshold.level.offset for threshold in same}
