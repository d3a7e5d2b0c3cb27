"""A gate's result as annotations of GitHub Actions: lines on stdout that the runner reads."""

from monitor.gating.records import StoredResult
from monitor.gating.reports import tables
from monitor.rollouts.verdict import Outcome
from monitor.visible import counted, one_line

MOST = 10
"""GitHub shows ten annotations of a kind for a step, and silently drops the others."""
_MOST_CHARACTERS = 1000


def annotations(result: StoredResult) -> list[str]:
    """At most ten lines, the most important first: what failed, what is not decided, segments that are proven to lose.

    The last one says how many more there are.
    """
    failed = [
        *(
            ("error", metric.metric, metric.reason)
            for metric in result.metrics
            if metric.outcome is Outcome.FAIL
        ),
        *(("error", f"target {target.metric}", target.reason) for target in result.targets if target.blocks),
        *(("error", f"rule {rule.rule}", rule.reason) for rule in result.rules if rule.blocks),
    ]
    undecided = [
        *(
            ("warning", metric.metric, metric.reason)
            for metric in result.metrics
            if metric.outcome is Outcome.INCONCLUSIVE
        ),
        *(
            ("warning", f"target {target.metric}", target.reason)
            for target in result.targets
            if target.is_open
        ),
    ]
    lost = [
        (
            "warning",
            f"segment {tables.short(f'{segment.column}={segment.value}')}",
            f"{segment.metric} {tables.signed(segment.difference)} {tables.interval(segment.low, segment.high)}, "
            + counted(segment.n, "item"),
        )
        for segment in result.segments
        if segment.is_proven
    ]
    listed = [*failed, *undecided, *lost]
    if not listed:
        listed = [("notice" if result.passed else "warning", "gate", result.reason)]
    shown = listed if len(listed) <= MOST else listed[: MOST - 1]
    lines = [_line(kind, f"{result.name}: {title}", words) for kind, title, words in shown]
    rest = len(listed) - len(shown)
    return (
        [*lines, _line("warning", result.name, f"{rest} more findings are in the summary")] if rest else lines
    )


def _line(kind: str, title: str, words: str) -> str:
    shown = one_line(title)[:_MOST_CHARACTERS], one_line(words)[:_MOST_CHARACTERS]
    return f"::{kind} title={_property(shown[0])}::{_data(shown[1])}"


def _data(text: str) -> str:
    """As the toolkit of GitHub Actions escapes a message."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """As the toolkit escapes the value of a property."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")
