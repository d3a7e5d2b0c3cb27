"""Backtests as tables: how often and how long each rule fired, compared with the alerts that really fired, or with
other rules.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.backtest.run import Backtest, Firing


@dataclass(frozen=True, slots=True)
class ReportLine:
    """The row of one rule. The second pair of numbers is for the comparison: real alerts, or other rules."""

    rule: str
    times: int
    seconds: float
    other_times: int
    other_seconds: float


def summary(result: Backtest, really: Sequence[Firing]) -> list[ReportLine]:
    """Each rule that would have fired or did fire, most often first."""
    return _lines(result.firings, really, result.end)


def compare(one: Backtest, other: Backtest) -> list[ReportLine]:
    """Two rule files over the same period."""
    return _lines(one.firings, other.firings, one.end)


def _lines(one: Sequence[Firing], other: Sequence[Firing], end: float) -> list[ReportLine]:
    rules = sorted({firing.rule for firing in (*one, *other)})
    lines = []
    for rule in rules:
        first = [f for f in one if f.rule == rule]
        second = [f for f in other if f.rule == rule]
        lines.append(ReportLine(rule, len(first), _total(first, end), len(second), _total(second, end)))
    return sorted(lines, key=lambda line: (-line.times, line.rule))


def _total(firings: Sequence[Firing], end: float) -> float:
    return sum(firing.seconds(end) for firing in firings)
