"""Multi-window, multi-burn-rate budgets (Google's SRE workbook, chapter 5, table 5-8).

A budget is what an objective leaves for errors: 99.9 % leaves 0.1 %. A burn rate of 1 spends it in exactly
the 30 days of the period. A pair of windows fires when both the long one (so that it matters) and the short
one (so that it stops soon after the end) burn faster than the pair's rate.
"""

from dataclasses import dataclass, replace

from monitor.durations import format_duration
from monitor.rules.condition import Finding, Findings, Question, unknown
from monitor.rules.level import Level
from monitor.rules.threshold import Threshold
from monitor.rules.wording import figure

PAIRS = {
    "page": ((14.4, 3600, 300), (6.0, 21600, 1800)),
    "ticket": ((3.0, 86400, 7200), (1.0, 259200, 21600)),
}
"""Tier: (burn rate, long window, short window) in seconds, for a period of 30 days."""


@dataclass(frozen=True, slots=True)
class Burn:
    """An error budget that is spent too fast. `metric` is a share of failures, such as `error_rate`."""

    metric: str
    objective: float
    pairs: tuple[tuple[float, int, int], ...]
    samples: float = 0

    @classmethod
    def of(cls, metric: str, objective: float, tier: str, samples: float = 0) -> "Burn":
        """The pairs of a tier."""
        return cls(metric, objective, PAIRS[tier], samples)

    def judge(self, question: Question) -> Findings:
        """One finding: the pair that burns, else the one nearest to it."""
        found = [self._pair(rate, long, short, question) for rate, long, short in self.pairs]
        for wanted in (True, None, False):
            for finding in found:
                if finding.fires is wanted:
                    return {(): finding}
        return {(): unknown(self.metric, "has no pair of windows")}

    def lengths(self) -> set[int]:
        """All windows of all pairs."""
        return {length for _, long, short in self.pairs for length in (long, short)}

    def metrics(self) -> set[str]:
        """The share of failures."""
        return {self.metric}

    def thresholds(self, rate: float, long: int, short: int) -> tuple[Threshold, Threshold]:
        """What a pair asks of its long and of its short window."""
        level = Level(offset=rate * (1 - self.objective))
        over_long = Threshold(self.metric, long, level, is_above=True, samples=self.samples)
        return over_long, Threshold(self.metric, short, level, is_above=True)

    def _pair(self, rate: float, long: int, short: int, question: Question) -> Finding:
        budget = 1 - self.objective
        bare = Question(question.stream, question.readings, (), question.now)
        pair = self.thresholds(rate, long, short)
        over_long, over_short = (threshold.judge(bare)[()] for threshold in pair)
        if over_long.fires is None or over_short.fires is None:
            return over_long if over_long.fires is None else over_short
        fires = over_long.fires and over_short.fires
        spent = (over_long.value or 0.0) / budget
        reason = (
            f"the budget of {self.objective * 100:g} % burns at {spent:.3g} times its rate over"
            f" {format_duration(long)} ({figure(over_long.value, over_long.unit)}), and over"
            f" {format_duration(short)} {figure(over_short.value, over_short.unit)} (limit: {rate:g} times)"
        )
        return replace(over_long, fires=fires, holds=fires, reason=reason, limit=rate * budget)
