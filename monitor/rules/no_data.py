"""The alert about an alert: it was open, or asked to be watched, and can no longer be judged."""

from collections.abc import Iterable, Iterator, Mapping

from monitor.durations import format_duration
from monitor.records import Alert, DataState, Labels, Severity, labels
from monitor.rules.condition import All, Finding
from monitor.rules.rule import Rule

NAME = "NoData"
KEEP = 60.0

_ANNOTATIONS = (
    (
        "checks",
        "Is anything still sent for this stream?\nIs the sample large enough?\nWhat does the alert say?",
    ),
    (
        "impact",
        "Nobody can say whether {rule} of {client}/{model} is over: what it looks at is not measured.",
    ),
    ("summary", "{client}/{model} {environment}: {rule} cannot be judged any more"),
)

OVER = Finding(False, False, "it is judged again, or over")
"""What is found of a `NoData` alert whose alert has data again, or is no longer there."""


def findings(rules: Mapping[str, Rule], alerts: Iterable[Alert]) -> Iterator[tuple[Rule, Labels, Finding]]:
    """Look at the alerts themselves: a finding for each without data, which fires where one that is open (or
    whose rule has a `no_data` tier) was watched without any for longer than its rule allows.
    """
    for alert in alerts:
        rule = rules.get(alert.rule)
        if rule is None or alert.data is DataState.OK:
            continue
        is_watched = alert.is_open or rule.no_data_tier is not None
        fires = is_watched and alert.unjudged >= rule.no_data_for
        waited = format_duration(round(alert.unjudged))
        reason = f"{alert.rule} has not been judged for {waited}: {alert.reason}"
        instance = labels(rule=alert.rule, **dict(alert.instance))
        yield (
            sibling(rule.no_data_tier or Severity.WARNING),
            instance,
            Finding(fires, fires, reason),
        )


def sibling(severity: Severity) -> Rule:
    """The rule of a `NoData` alert."""
    return Rule(
        NAME, severity, All(()), keep=KEEP, labels=(("severity", severity.value),), annotations=_ANNOTATIONS
    )
