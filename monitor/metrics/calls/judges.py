"""Judges: how well the scores of an evaluator agree with what people say of the same answers.

The agreement is the area under the ROC curve: the probability that an answer that people found good has a higher score
than one that they found bad. It needs no limit between good and bad scores. 0.5 is chance.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from monitor.metrics.intervals import Interval, Z
from monitor.metrics.metric import MetricInfo
from monitor.records import Better

JUDGE_AGREEMENT = MetricInfo(
    "judge_agreement", "share", Better.HIGHER,
    "Probability that an evaluator scores an answer that people found good above one that they found bad, in the last "
    "week. Each version of an evaluator has its own.",
    ("score", "evaluator"),
    "area under the ROC curve of the scores, interval of Hanley and McNeil; baseline: the weeks before",
    "`scores`, and `corrected`, `truth` or `feedback` of the same predictions, ten good and ten bad ones",
    "Hanley and McNeil 1982",
)  # fmt: skip
INFO = (JUDGE_AGREEMENT,)
FEWEST = 10
"""Good answers, and bad ones, below which the agreement is not measured."""
_WORDS = {
    **dict.fromkeys(("pass", "passed", "yes", "true", "good", "correct", "ok", "positive", "grounded"), 1.0),
    **dict.fromkeys(("fail", "failed", "no", "false", "bad", "incorrect", "negative", "ungrounded"), 0.0),
}
_FINE, _POOR = 0.7, 0.5
"""Feedback from this share of the largest on is good, up to this one bad."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """The agreement of one judge with people, over `n` answers."""

    value: float
    interval: Interval
    n: int


def verdict_of(value: float | None, label: str | None) -> float | None:
    """What a judge says as a number: the value, or 1 and 0 for words such as `pass` and `fail`."""
    return value if value is not None else _WORDS.get((label or "").strip().lower())


def is_good(corrected: bool | None, right: bool | None, feedback: float | None, most: float) -> bool | None:
    """What people say of an answer: not corrected, or right, or good feedback; None if they do not tell. `most` is the
    largest feedback of the stream.
    """
    if corrected is not None:
        return not corrected
    if right is not None:
        return right
    if feedback is None or most <= 0:
        return None
    if most <= 1:
        return feedback > 0
    return True if feedback >= _FINE * most else False if feedback <= _POOR * most else None


def agreement(scores: Mapping[str, float], good: Mapping[str, bool]) -> Agreement | None:
    """The agreement over the answers with both, by their ids; None with too few of them."""
    both = sorted(scores.keys() & good.keys())
    values, marks = np.array([scores[one] for one in both]), np.array([good[one] for one in both], bool)
    m, n = int(marks.sum()), int((~marks).sum())
    if min(m, n) < FEWEST:
        return None
    area = (_ranks(values)[marks].sum() - m * (m + 1) / 2) / (m * n)
    first, second = area / (2 - area), 2 * area**2 / (1 + area)
    spread = area * (1 - area) + (m - 1) * (first - area**2) + (n - 1) * (second - area**2)
    half = Z * float(np.sqrt(max(spread, 0.0) / (m * n)))
    return Agreement(float(area), (max(float(area) - half, 0.0), min(float(area) + half, 1.0)), m + n)


def _ranks(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Ranks from 1, equal values share the mean of theirs."""
    _, places, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[places])
