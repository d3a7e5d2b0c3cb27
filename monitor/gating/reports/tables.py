"""The rows of the tables that all reports show, as texts."""

import math

from monitor.gating.records import MetricResult, SegmentResult, StoredResult
from monitor.rollouts.verdict import Outcome
from monitor.visible import counted, one_line

METRIC_HEADER = (
    "metric",
    "verdict",
    "baseline",
    "candidate",
    "difference",
    "interval",
    "margin",
    "p",
    "items",
    "why",
)
SEGMENT_HEADER = ("segment", "metric", "baseline", "candidate", "difference", "interval", "p", "items")
MOST_SEGMENTS = 10
_SMALLEST_P = 0.001
_WIDEST = 60


def metric_row(one: MetricResult) -> tuple[str, ...]:
    """The cells of a metric, as in `METRIC_HEADER`."""
    margin = "" if one.margin is None else number(one.margin)
    if one.relative_margin:
        margin = f"{margin} ({100 * one.relative_margin:.3g} %)"
    return (
        one.metric,
        one.outcome.value,
        number(one.baseline),
        number(one.candidate),
        signed(one.difference),
        interval(one.low, one.high),
        margin,
        p_value(one.p_adjusted),
        f"{one.n:,}",
        one_line(one.reason),
    )


def segment_row(one: SegmentResult) -> tuple[str, ...]:
    """The cells of a segment, as in `SEGMENT_HEADER`."""
    return (
        short(f"{one.column}={one.value}"),
        one.metric,
        number(one.baseline),
        number(one.candidate),
        signed(one.difference),
        interval(one.low, one.high),
        p_value(one.p_adjusted),
        f"{one.n:,}",
    )


def headline(result: StoredResult) -> str:
    """The verdict and its reason on one line."""
    return f"{result.outcome.value}: {one_line(result.reason)}"


def about(result: StoredResult) -> str:
    """What was compared, on one line."""
    groups = "" if result.groups is None else f" in {counted(result.groups, 'group')}"
    sides = f"{one_line(result.candidate)} against {one_line(result.baseline)}"
    return f"{sides}, {counted(result.items, 'item')}{groups}"


def findings(result: StoredResult) -> list[str]:
    """The targets and rules, each in one sentence."""
    listed = []
    for target in result.targets:
        value = (
            "" if target.value is None else f" {number(target.value)} {interval(target.low, target.high)}:"
        )
        listed.append(f"agreed target of {target.metric}:{value} {one_line(target.reason)}")
    for rule in result.rules:
        where = f" [{short(rule.instance)}]" if rule.instance else ""
        does = "would fire and blocks" if rule.blocks else "fires, and does not block"
        listed.append(f"rule {rule.rule} ({rule.severity}){where} {does}: {one_line(rule.reason)}")
    return listed


def legend(result: StoredResult) -> str:
    """How to read the tables."""
    level = f"{100 * (1 - 2 * result.alpha):.3g} %"
    return (
        f"Differences are candidate - baseline, intervals {level}. p: that the candidate is not worse, corrected for "
        f"several metrics or segments (Holm). Margins in % are shares of the baseline. Seed {result.seed}."
    )


def small_segments(result: StoredResult) -> str:
    """How many segments were too small, or nothing."""
    count = result.small_segments
    if not count:
        return ""
    return f"{count:,} {'segment has' if count == 1 else 'segments have'} too few items for a figure."


def needed(result: StoredResult) -> str:
    """How many items would decide, or nothing."""
    if result.outcome is not Outcome.INCONCLUSIVE or result.needed is None:
        return ""
    return f"About {counted(result.needed, 'item')} would decide; there are {result.items:,}."


def number(value: float | None) -> str:
    """A figure with four digits."""
    if value is None:
        return ""
    return f"{value:.4g}" if not 1e4 <= abs(value) < 1e9 else f"{value:,.0f}"


def signed(value: float | None) -> str:
    """A difference with its sign."""
    return "" if value is None else f"{value:+.3g}" if not 1e4 <= abs(value) < 1e9 else f"{value:+,.0f}"


def interval(low: float | None, high: float | None) -> str:
    """`[-0.03, 0.01]`, or nothing."""
    return "" if low is None or high is None else f"[{low:.3g}, {high:.3g}]"


def p_value(value: float | None) -> str:
    """A p-value, not below a readable minimum."""
    if value is None or math.isnan(value):
        return ""
    return f"{value:.3f}" if value >= _SMALLEST_P else f"< {_SMALLEST_P:g}"


def short(text: str) -> str:
    """A name from outside on one line, cut if it is long."""
    line = one_line(text)
    return line if len(line) <= _WIDEST else f"{line[: _WIDEST - 1]}…"
