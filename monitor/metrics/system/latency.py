"""Latency: the percentiles p50, p90, p95 and p99, and the mean, in seconds.

A percentile is the geometric middle of the bucket that contains its rank; buckets are 2 % wide. If the baseline has no
latency, the stream's own past replaces it.
"""

from collections.abc import Iterator
from weakref import WeakKeyDictionary

from monitor.metrics import intervals
from monitor.metrics.intervals import Interval
from monitor.metrics.metric import MetricInfo, Subject
from monitor.metrics.quantiles import Quantiles, percentile
from monitor.records import Better, Labels, Measurement
from monitor.windows.profile import Slice

_WHERE = ("version", "segment")
LATENCY = {
    percent: MetricInfo(
        f"latency_p{percent}",
        "seconds",
        Better.LOWER,
        f"{percent} % of the predictions took at most this long.",
        _WHERE,
        "smallest bucket that holds the rank, its geometric middle (within 1 %)",
        "`latency_ms`",
    )
    for percent in (50, 90, 95, 99)
}
LATENCY_MEAN = MetricInfo(
    "latency_mean",
    "seconds",
    Better.LOWER,
    "Mean latency of a prediction.",
    _WHERE,
    "sum / n",
    "`latency_ms`",
)
INFO = (*LATENCY.values(), LATENCY_MEAN)


def measure(subject: Subject) -> Iterator[Measurement]:
    """Latency percentiles and mean with 95 % intervals, for the whole window and by version and segment."""
    for where, part, base in subject.scopes():
        yield from _latency(subject, where, part, base)


_BASELINE: WeakKeyDictionary[Slice, dict[float, float | None]] = WeakKeyDictionary()


def _baseline_percentile(base: Slice, share: float) -> float | None:
    """Return the baseline's percentile in milliseconds; computed once per baseline."""
    percentiles = _BASELINE.setdefault(base, {})
    if share not in percentiles:
        percentiles[share] = percentile(base.column("latency_ms"), share)
    return percentiles[share]


def _latency(subject: Subject, where: Labels, part: Slice, base: Slice | None) -> Iterator[Measurement]:
    column = part.column("latency_ms")
    usual = base.column("latency_ms") if base is not None else None
    n = column.finite
    if n < subject.settings.min_rates:
        for info in (*LATENCY.values(), LATENCY_MEAN):
            yield subject.not_measured(info, _no_latency(part), n, where=where)
        return
    quantiles = Quantiles(column)
    for percent, info in LATENCY.items():
        share = percent / 100
        low, high = intervals.rank_interval(n, share)
        interval = (quantiles.at(low) / 1000, quantiles.at(high) / 1000)
        before = _seconds(_baseline_percentile(base, share)) if base is not None else None
        value = quantiles.at(share * n) / 1000
        usually = before if before is not None or where else subject.usual.get(info.name)
        yield subject.ok(info, value, n, where=where, interval=_around(value, interval), baseline=usually)
    mean, deviation = column.mean or 0.0, column.deviation or 0.0
    low, high = intervals.of_mean(mean, deviation**2, n)
    usual_mean = _seconds(usual.mean) if usual is not None else None
    yield subject.ok(
        LATENCY_MEAN,
        mean / 1000,
        n,
        where=where,
        interval=(low / 1000, high / 1000),
        baseline=usual_mean if usual_mean is not None or where else subject.usual.get(LATENCY_MEAN.name),
    )


def _no_latency(part: Slice) -> str:
    return "no prediction in the window" if part.rows == 0 else "no prediction carried `latency_ms`"


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _around(value: float, interval: Interval) -> Interval:
    return min(value, interval[0]), max(value, interval[1])
