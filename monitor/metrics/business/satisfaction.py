"""Satisfaction and net promoter score, from the feedback in outcomes."""

import math
from collections.abc import Iterator

from monitor.metrics import intervals
from monitor.metrics.metric import MetricInfo, Subject
from monitor.records import Better, Labels, Measurement
from monitor.windows.kernel.tally import Tally
from monitor.windows.profile import Slice

_WHERE = ("version", "segment")
SATISFACTION = MetricInfo(
    "satisfaction", "", Better.HIGHER, "Mean feedback, on the scale that users have (1 to 5, or 0 and 1).",
    _WHERE, "sum of feedback / n", "outcomes with `feedback`",
)  # fmt: skip
NET_PROMOTER_SCORE = MetricInfo(
    "net_promoter_score", "points", Better.HIGHER, "Promoters minus detractors, -100 to 100, on a scale from 0 to 10.",
    _WHERE, "100 (share from `promoters_from` on - share of 6 and less)", "outcomes with `feedback` beyond 5",
    "Reichheld 2003",
)  # fmt: skip
INFO = (SATISFACTION, NET_PROMOTER_SCORE)
_DETRACTORS_TO, _OTHER_SCALES_TO = 6, 5


def measure(subject: Subject) -> Iterator[Measurement]:
    """Mean feedback, and the net promoter score on a scale to 10, for the whole window and by version and segment."""
    for where, part, base in subject.scopes():
        yield from _feedback(subject, where, part, base)


def _feedback(subject: Subject, where: Labels, part: Slice, base: Slice | None) -> Iterator[Measurement]:
    tally = part.tally("feedback")
    n = sum(tally.values())
    if n < subject.settings.min_rates:
        if not where:
            yield subject.not_measured(SATISFACTION, "no outcome said `feedback`", n)
        return
    total, squares = _moments(tally)
    usual = base.tally("feedback") if base is not None else {}
    m = sum(usual.values())
    variance = intervals.variance_of(total, squares, n)
    interval = intervals.of_mean(total / n, variance, n)
    before = _moments(usual)[0] / m if m else None
    yield subject.ok(SATISFACTION, total / n, n, where=where, interval=interval, baseline=before)
    if max(float(label) for label in tally) > _OTHER_SCALES_TO:
        score, spread = _net_promoters(tally, n, subject.settings.promoters_from)
        half = intervals.Z * spread / math.sqrt(n)
        yield subject.ok(
            NET_PROMOTER_SCORE,
            score,
            n,
            where=where,
            interval=(score - half, score + half),
            baseline=_net_promoters(usual, m, subject.settings.promoters_from)[0] if m else None,
        )


def _moments(tally: Tally) -> tuple[float, float]:
    pairs = [(float(label), count) for label, count in tally.items()]
    return math.fsum(v * c for v, c in pairs), math.fsum(v * v * c for v, c in pairs)


def _net_promoters(tally: Tally, n: float, promoters_from: int) -> tuple[float, float]:
    """The score, and the standard deviation of a single answer's contribution."""
    promoters = sum(count for label, count in tally.items() if float(label) >= promoters_from) / n
    detractors = sum(count for label, count in tally.items() if float(label) <= _DETRACTORS_TO) / n
    score = promoters - detractors
    return 100 * score, 100 * math.sqrt(max(promoters + detractors - score**2, 0.0))
