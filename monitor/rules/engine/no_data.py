"""`NoData`: the alert that another alert can no longer be evaluated because its metric is not measured."""

from collections.abc import Iterable, Iterator, Mapping

from monitor.config.units import format_duration
from monitor.records import Alert, DataState, Labels, Severity, labels
from monitor.rules.engine.condition import All, ConditionResult
from monitor.rules.rule import Rule

NAME = "NoData"
KEEP = 60.0

_ANNOTATIONS = (
    (
        "checks",
        "Does the sender still send data for this stream?\nIs the sample large enough?\nWhich reason does it show?",
    ),
    (
        "impact",
        "It is unknown whether {rule} of {client}/{model} is still true: its metric is not measured.",
    ),
    ("summary", "{client}/{model} {environment}: {rule} can no longer be evaluated"),
)

OVER = ConditionResult(False, False, "the alert is evaluated again, or it resolved")
"""The result for a `NoData` alert whose alert has data again or no longer exists."""


def results(
    rules: Mapping[str, Rule], alerts: Iterable[Alert]
) -> Iterator[tuple[Rule, Labels, ConditionResult]]:
    """A result for each alert without data. It fires if the alert is open (or its rule sets `no_data`) and has had no
    data for `no_data_for` seconds.
    """
    for alert in alerts:
        rule = rules.get(alert.rule)
        if rule is None or alert.data is DataState.OK:
            continue
        is_watched = alert.is_open or rule.no_data_tier is not None
        fires = is_watched and alert.unjudged >= rule.no_data_for
        waited = format_duration(round(alert.unjudged))
        reason = f"{alert.rule} could not be evaluated for {waited}: {alert.reason}"
        instance = labels(rule=alert.rule, **dict(alert.instance))
        yield (
            no_data_rule(rule.no_data_tier or Severity.WARNING),
            instance,
            ConditionResult(fires, fires, reason),
        )


def no_data_rule(severity: Severity) -> Rule:
    """The rule of a `NoData` alert."""
    return Rule(
        NAME, severity, All(()), keep=KEEP, labels=(("severity", severity.value),), annotations=_ANNOTATIONS
    )
