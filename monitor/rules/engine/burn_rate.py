"""Multi-window, multi-burn-rate budgets (Google's SRE workbook, chapter 5, table 5-8).

The error budget is what an objective leaves for errors: 99.9 % leaves 0.1 %. A burn rate of 1 spends it in exactly
the 30 days of the period. A pair of windows fires when both its long and its short window burn faster than the pair's
rate. The short window makes the alert resolve soon after the errors stop.
"""

from dataclasses import dataclass, replace

from monitor.config.units import DAY, HOUR, MINUTE, format_duration, format_number
from monitor.records import Labels
from monitor.rules.engine.condition import (
    ConditionResult,
    ConditionResults,
    EvaluationContext,
    unexplained,
    unknown,
)
from monitor.rules.engine.threshold import Threshold
from monitor.rules.language.level import Level
from monitor.rules.language.wording import figure

PAIRS = {
    "page": ((14.4, HOUR, 5 * MINUTE), (6.0, 6 * HOUR, 30 * MINUTE)),
    "ticket": ((3.0, DAY, 2 * HOUR), (1.0, 3 * DAY, 6 * HOUR)),
}
"""Tier: (burn rate, long window, short window) in seconds, for a period of 30 days."""


@dataclass(frozen=True, slots=True)
class Burn:
    """A condition: the error budget is spent too fast. `metric` is a share of failures, such as `error_rate`."""

    metric: str
    objective: float
    pairs: tuple[tuple[float, int, int], ...]
    samples: float = 0

    @classmethod
    def of(cls, metric: str, objective: float, tier: str, samples: float = 0) -> "Burn":
        """The pairs of a tier."""
        return cls(metric, objective, PAIRS[tier], samples)

    def evaluate(self, context: EvaluationContext) -> ConditionResults:
        """One result: of a pair that fires, otherwise of one without data, otherwise of one that does not fire."""
        results = [self._pair(rate, long, short, context) for rate, long, short in self.pairs]
        for wanted in (True, None, False):
            for result in results:
                if result.fires is wanted:
                    return {(): result}
        return {(): unknown(self.metric, "has no pair of windows")}

    def lengths(self) -> set[int]:
        """All windows of all pairs."""
        return {length for _, long, short in self.pairs for length in (long, short)}

    def metrics(self) -> set[str]:
        """The share of failures."""
        return {self.metric}

    def excludes(self, _instance: Labels, /) -> bool:
        """Never: it is about the whole stream."""
        return False

    def thresholds(self, rate: float, long: int, short: int) -> tuple[Threshold, Threshold]:
        """The thresholds of a pair, for its long and its short window."""
        level = Level(offset=rate * (1 - self.objective))
        over_long = Threshold(self.metric, long, level, is_above=True, samples=self.samples)
        return over_long, Threshold(self.metric, short, level, is_above=True)

    def _pair(self, rate: float, long: int, short: int, context: EvaluationContext) -> ConditionResult:
        budget = 1 - self.objective
        bare = EvaluationContext(context.stream, context.readings, (), context.now, context.explained)
        pair = self.thresholds(rate, long, short)
        over_long, over_short = (threshold.evaluate(bare)[()] for threshold in pair)
        if over_long.fires is None or over_short.fires is None:
            return over_long if over_long.fires is None else over_short
        fires = over_long.fires and over_short.fires
        if not context.explained:
            return unexplained(fires)
        spent = (over_long.value or 0.0) / budget
        reason = (
            f"the error budget of a {self.objective * 100:g} % objective burns at {format_number(spent)} times its rate"
            f" over {format_duration(long)} ({figure(over_long.value, over_long.unit)}), and over"
            f" {format_duration(short)} {figure(over_short.value, over_short.unit)} (limit: {rate:g} times)"
        )
        return replace(over_long, fires=fires, holds=fires, reason=reason, limit=rate * budget)
