"""What a gate found, as records: its figures and verdict, without how they are shown."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from monitor.rollouts.verdict import Outcome

SCHEMA = "watchkeeper.gate/1"


@dataclass(frozen=True, slots=True)
class MetricResult:
    """One metric on both sides.

    `difference` is candidate - baseline, `low` and `high` are its one-sided bounds of the level 1 - alpha, and `margin`
    is how much worse the candidate may be, in the unit of the metric (at the baseline's value, where it is relative).
    `p_worse` is the p-value of a candidate that is not worse, `p_adjusted` the same after Holm's correction over the
    metrics. `needed` is about how many items would decide; None if these do, or none would.
    """

    metric: str
    unit: str
    better: str
    n: int
    outcome: Outcome
    reason: str
    baseline: float | None = None
    candidate: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    margin: float | None = None
    relative_margin: float | None = None
    p_worse: float | None = None
    p_adjusted: float | None = None
    needed: int | None = None
    test: str = ""

    @property
    def is_measured(self) -> bool:
        """Whether both sides have a value."""
        return self.difference is not None


@dataclass(frozen=True, slots=True)
class TargetResult:
    """An agreed target beside the candidate's figure, with its 95 % interval.

    `standing` is kept, at_risk, missed or unknown. `is_no_news`: the baseline is as far on the wrong side, so the
    candidate is not to blame.
    """

    metric: str
    unit: str
    target: float
    is_least: bool
    standing: str
    reason: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    is_no_news: bool = False

    @property
    def blocks(self) -> bool:
        """Whether the candidate would miss the target, and the baseline does not miss it as much."""
        return self.standing == "missed" and not self.is_no_news

    @property
    def is_open(self) -> bool:
        """Whether the candidate may miss the target, and the baseline does not as much."""
        return self.standing == "at_risk" and not self.is_no_news


@dataclass(frozen=True, slots=True)
class RuleResult:
    """A rule of production that fires on the candidate's figures. It blocks unless it fires on the baseline's figures
    as well, which are no better.
    """

    rule: str
    severity: str
    instance: str
    reason: str
    blocks: bool = True


@dataclass(frozen=True, slots=True)
class SegmentResult:
    """One metric of the items of one segment. `p_adjusted` is corrected for all segments (Holm); `is_proven`: it is at
    most alpha. `low` and `high` are as in `MetricResult`.
    """

    column: str
    value: str
    metric: str
    unit: str
    n: int
    baseline: float
    candidate: float
    difference: float
    low: float
    high: float
    p_adjusted: float
    is_proven: bool


@dataclass(frozen=True, slots=True)
class StoredResult:
    """Whether a candidate may replace its baseline: `outcome`, and why in one sentence.

    `items` are those that both sides answered, `groups` the number of groups if items are grouped. `segments` are
    those that lost most, worst first; they never decide. `small_segments` counts those with too few items for a figure.
    `name` says what was compared, such as `acme/fraud`.
    """

    outcome: Outcome
    reason: str
    name: str
    candidate: str
    baseline: str
    items: int
    groups: int | None
    metrics: tuple[MetricResult, ...]
    targets: tuple[TargetResult, ...] = ()
    rules: tuple[RuleResult, ...] = ()
    segments: tuple[SegmentResult, ...] = ()
    small_segments: int = 0
    notes: tuple[str, ...] = ()
    alpha: float = 0.05
    seed: int = 0
    schema: str = field(default=SCHEMA)

    @property
    def passed(self) -> bool:
        """Whether the candidate is proven to be no worse than agreed."""
        return self.outcome is Outcome.PASS

    @property
    def needed(self) -> int | None:
        """About how many items would decide every metric; None if these do, or none would."""
        open_metrics = [metric for metric in self.metrics if metric.outcome is Outcome.INCONCLUSIVE]
        needed = [open_metric.needed for open_metric in open_metrics]
        return max((one for one in needed if one is not None), default=None)

    def metric(self, name: str) -> MetricResult | None:
        """The result of one metric, or None."""
        return next((metric for metric in self.metrics if metric.metric == name), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**asdict(self), "needed": self.needed}

    def to_json(self) -> str:
        """One JSON object. A stored result gives the same text again."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False)
