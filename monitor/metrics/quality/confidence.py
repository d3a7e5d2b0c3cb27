"""Confidence: mean, spread, share of low confidence; entropy and margin of the probabilities."""

from collections.abc import Iterator

import numpy as np

from monitor.metrics import intervals
from monitor.metrics.metric import MetricInfo, Subject, too_few
from monitor.records import Better, Labels, Measurement
from monitor.windows.profile import ColumnCounts, Slice

_WHERE = ("version", "segment")
CONFIDENCE_MEAN = MetricInfo(
    "confidence_mean",
    "",
    Better.NONE,
    "Mean confidence of the predictions.",
    _WHERE,
    "sum / n",
    "`confidence`",
)
CONFIDENCE_SPREAD = MetricInfo(
    "confidence_spread", "", Better.NONE, "Standard deviation of the confidence.", _WHERE,
    "square root of the mean squared distance from the mean", "`confidence`",
)  # fmt: skip
CONFIDENCE_LOW_SHARE = MetricInfo(
    "confidence_low_share", "share", Better.LOWER, "Share of the predictions with a low confidence.", _WHERE,
    "answers below `low_confidence` / answers; the line is taken at whole hundredths", "`confidence`",
)  # fmt: skip
ENTROPY = MetricInfo(
    "prediction_entropy", "", Better.NONE, "Mean entropy of the probabilities: 0 is certain, 1 is uniform.",
    _WHERE, "-sum p ln p / ln(classes), mean over rows", "`probabilities` of all classes", "Shannon 1948",
)  # fmt: skip
MARGIN = MetricInfo(
    "prediction_margin", "", Better.NONE, "Mean lead of the likeliest class over the second.", _WHERE,
    "largest - second largest probability, mean over rows", "`probabilities` of all classes",
)  # fmt: skip
INFO = (CONFIDENCE_MEAN, CONFIDENCE_SPREAD, CONFIDENCE_LOW_SHARE, ENTROPY, MARGIN)


def measure(subject: Subject) -> Iterator[Measurement]:
    """The metrics of confidence, for all rows and by version and segment."""
    for where, part, base in subject.scopes():
        yield from _confidence(subject, where, part, base)
        for info, name in ((ENTROPY, "entropy"), (MARGIN, "margin")):
            counts = part.column(name)
            usual = base.column(name) if base is not None else None
            if counts.n > 0 or (usual is not None and usual.n > 0):
                yield _mean(subject, info, where, counts, usual, "probabilities")


def _confidence(subject: Subject, where: Labels, part: Slice, base: Slice | None) -> Iterator[Measurement]:
    counts = part.column("confidence")
    usual = base.column("confidence") if base is not None else None
    yield _mean(subject, CONFIDENCE_MEAN, where, counts, usual, "`confidence`")
    n = counts.n
    if n < max(subject.settings.min_rates, 2):
        yield subject.not_measured(CONFIDENCE_SPREAD, _why(part, n, 2), n, where=where)
    else:
        spread = counts.deviation or 0.0
        error = spread / (2 * n) ** 0.5
        yield subject.ok(
            CONFIDENCE_SPREAD,
            spread,
            n,
            where=where,
            interval=(max(0.0, spread - intervals.Z * error), spread + intervals.Z * error),
            baseline=usual.deviation if usual is not None else None,
        )
    if n < subject.settings.min_rates:
        yield subject.not_measured(CONFIDENCE_LOW_SHARE, _why(part, n, 1), n, where=where)
        return
    low = below(counts, subject.settings.low_confidence)
    m = usual.n if usual is not None else 0.0
    usual_low = below(usual, subject.settings.low_confidence) if usual is not None else 0.0
    yield subject.ok(
        CONFIDENCE_LOW_SHARE,
        low / n,
        n,
        where=where,
        interval=intervals.wilson(low, n),
        p_value=intervals.two_shares(low, n, usual_low, m) if m else None,
        baseline=usual_low / m if m else None,
    )


def below(counts: ColumnCounts, limit: float) -> float:
    """The number of scores below a limit; a limit between two edges is moved to the nearest edge."""
    edge = int(np.abs(counts.column.edges[:-1] - limit).argmin())
    if limit > counts.column.edges[-2] + 0.5 / counts.column.buckets:
        edge = counts.column.buckets
    return counts.below + float(counts.regular[:edge].sum())


def _mean(
    subject: Subject,
    info: MetricInfo,
    where: Labels,
    counts: ColumnCounts,
    usual: ColumnCounts | None,
    what: str,
) -> Measurement:
    n = counts.finite
    mean = counts.mean
    if mean is None or n < subject.settings.min_rates:
        return subject.not_measured(info, f"no answer carried {what}", n, where=where)
    deviation = counts.deviation or 0.0
    p_value = None
    if usual is not None and usual.mean is not None:
        error = (deviation**2 / n + (usual.deviation or 0.0) ** 2 / usual.finite) ** 0.5
        p_value = intervals.two_sided((mean - usual.mean) / error) if error > 0 else 1.0
    return subject.ok(
        info,
        mean,
        n,
        where=where,
        interval=intervals.of_mean(mean, deviation**2, n),
        p_value=p_value,
        baseline=usual.mean if usual is not None else None,
    )


def _why(part: Slice, n: float, needed: int) -> str:
    return (
        too_few(n, needed)
        if n
        else "no answer carried `confidence`"
        if part.rows
        else "no prediction in the window"
    )
