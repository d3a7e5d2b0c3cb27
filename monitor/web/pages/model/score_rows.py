"""The scores of evaluators for engineers: the mean of the last hour, by score and by evaluator with its version."""

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.health.wording import NOTHING
from monitor.metrics.quality.scores import SCORE_MEAN
from monitor.records import Measurement
from monitor.rules.language.wording import figure


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """The mean of one score by one evaluator, its 95 % interval and its sample size; `reason` if it is not measured."""

    score: str
    evaluator: str
    mean: str
    interval: str
    n: int
    reason: str


def of_measurements(measured: Sequence[Measurement]) -> list[ScoreRow]:
    """A row for each score and evaluator, by name."""
    rows = [_row(one) for one in measured if one.metric == SCORE_MEAN.name]
    return sorted(rows, key=lambda row: (row.score, row.evaluator))


def _row(one: Measurement) -> ScoreRow:
    known = one.low is not None and one.high is not None
    interval = f"{figure(one.low, one.unit)} to {figure(one.high, one.unit)}" if known else NOTHING
    mean = NOTHING if one.value is None else figure(one.value, one.unit)
    return ScoreRow(one.label("score"), one.label("evaluator"), mean, interval, round(one.n), one.reason)
