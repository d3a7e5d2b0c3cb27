"""What the predictions mean for the work: automation, review, correction, satisfaction, cost."""

import math
from collections.abc import Iterator

from monitor.metrics import intervals
from monitor.metrics.subject import MetricInfo, Subject
from monitor.records import Better, Labels, Measurement
from monitor.windows.profile import Slice
from monitor.windows.tally import Tally

_WHERE = ("version", "segment")
AUTOMATION_RATE = MetricInfo(
    "automation_rate", "share", Better.HIGHER, "Share of the predictions that were acted on without a person.",
    _WHERE, "automated / predictions that say so, Wilson interval", "`automated`",
)  # fmt: skip
REVIEW_RATE = MetricInfo(
    "review_rate", "share", Better.LOWER, "Share of the predictions that a person looked at.", _WHERE,
    "reviewed / predictions, Wilson interval", "outcomes with `reviewed`",
)  # fmt: skip
CORRECTION_RATE = MetricInfo(
    "correction_rate", "share", Better.LOWER, "Share of the reviewed predictions that a person changed.", _WHERE,
    "corrected / outcomes that say so, Wilson interval", "outcomes with `corrected`",
)  # fmt: skip
SATISFACTION = MetricInfo(
    "satisfaction", "", Better.HIGHER, "Mean feedback, on the scale that users were given (1 to 5, or 0 and 1).",
    _WHERE, "sum of feedback / n", "outcomes with `feedback`",
)  # fmt: skip
NET_PROMOTER_SCORE = MetricInfo(
    "net_promoter_score", "points", Better.HIGHER, "Promoters minus detractors, -100 to 100, on a scale from 0 to 10.",
    _WHERE, "100 (share from `promoters_from` on - share of 6 and less)", "outcomes with `feedback` beyond 5",
    "Reichheld 2003",
)  # fmt: skip
COST_PER_PREDICTION = MetricInfo(
    "cost_per_prediction", "", Better.LOWER, "Mean cost of a prediction, in the currency that was sent.", _WHERE,
    "sum of cost / predictions with a cost", "`cost`",
)  # fmt: skip
INFO = (
    AUTOMATION_RATE, REVIEW_RATE, CORRECTION_RATE, SATISFACTION, NET_PROMOTER_SCORE, COST_PER_PREDICTION
)  # fmt: skip
_DETRACTORS_TO, _OTHER_SCALES_TO = 6, 5


def measure(subject: Subject) -> Iterator[Measurement]:
    """The business figures, in all and by version and segment; what nobody sends is measured for the whole only."""
    for where, part, base in subject.scopes():
        yield from _rate(subject, AUTOMATION_RATE, where, part, base, "automated", "automated_known")
        yield from _reviews(subject, where, part, base)
        yield from _rate(subject, CORRECTION_RATE, where, part, base, "corrected", "corrected_known")
        yield from _feedback(subject, where, part, base)
        yield from _cost(subject, where, part, base)


def _rate(
    subject: Subject, info: MetricInfo, where: Labels, part: Slice, base: Slice | None, name: str, known: str
) -> Iterator[Measurement]:
    amount, n = part.flag(name), part.flag(known)
    if n < subject.settings.min_rates:
        if not where:
            yield subject.not_measured(info, f"nothing said {info.needs}", n)
        return
    m = base.flag(known) if base is not None else 0.0
    usual = base.flag(name) if base is not None else 0.0
    yield subject.ok(
        info,
        amount / n,
        n,
        where=where,
        interval=intervals.wilson(amount, n),
        p_value=intervals.two_shares(amount, n, usual, m) if m else None,
        baseline=usual / m if m else None,
    )


def _reviews(subject: Subject, where: Labels, part: Slice, base: Slice | None) -> Iterator[Measurement]:
    """Predictions that nobody reported as reviewed count as not reviewed, once any review was reported."""
    amount, n = part.flag("reviewed"), float(part.rows)
    if part.flag("reviewed_known") < subject.settings.min_rates or n == 0:
        if not where:
            yield subject.not_measured(REVIEW_RATE, "no outcome said `reviewed`", n)
        return
    known = base is not None and base.flag("reviewed_known") > 0 and base.rows > 0
    usual = base.flag("reviewed") / base.rows if base is not None and known else None
    share = min(amount / n, 1.0)
    yield subject.ok(REVIEW_RATE, share, n, where=where, interval=intervals.wilson(amount, n), baseline=usual)


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


def _cost(subject: Subject, where: Labels, part: Slice, base: Slice | None) -> Iterator[Measurement]:
    n = part.flag("costed")
    if n < subject.settings.min_rates:
        if not where:
            yield subject.not_measured(COST_PER_PREDICTION, "no prediction carried `cost`", n)
        return
    mean = part.total("cost") / n
    variance = intervals.variance_of(part.total("cost"), part.total("cost_squared"), n)
    m = base.flag("costed") if base is not None else 0.0
    yield subject.ok(
        COST_PER_PREDICTION,
        mean,
        n,
        where=where,
        interval=intervals.of_mean(mean, variance, n),
        baseline=base.total("cost") / m if base is not None and m else None,
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
