"""Is it up, how fast, how many errors: volume, throughput, latency percentiles, error rate."""

import math
from collections.abc import Iterator
from weakref import WeakKeyDictionary

import numpy as np

from monitor.metrics import intervals
from monitor.metrics.intervals import Interval
from monitor.metrics.subject import MetricInfo, Subject, too_few
from monitor.records import Better, Labels, Measurement, labels
from monitor.windows.layout import ABOVE, BELOW
from monitor.windows.profile import ColumnCounts, Slice

_WHERE = ("version", "segment")
VOLUME = MetricInfo(
    "volume", "predictions", Better.NONE, "How many predictions were made in the window.", _WHERE,
    "number of rows", "predictions",
)  # fmt: skip
THROUGHPUT = MetricInfo(
    "throughput", "per second", Better.NONE, "Predictions a second, over the whole window.", _WHERE,
    "rows / window length", "predictions",
)  # fmt: skip
LATENCY = {
    percent: MetricInfo(
        f"latency_p{percent}",
        "seconds",
        Better.LOWER,
        f"{percent} % of the answers took at most this long.",
        _WHERE,
        "smallest bucket that holds the rank, its geometric middle (within 1 %)",
        "`latency_ms`",
    )
    for percent in (50, 90, 95, 99)
}
LATENCY_MEAN = MetricInfo(
    "latency_mean", "seconds", Better.LOWER, "Mean time of an answer.", _WHERE, "sum / n", "`latency_ms`"
)
ERROR_RATE = MetricInfo(
    "error_rate", "share", Better.LOWER, "Share of the predictions that failed; with `type`, of that type alone.",
    ("type", *_WHERE), "errors / rows, Wilson interval", "predictions", "Wilson 1927",
)  # fmt: skip
INFO = (VOLUME, THROUGHPUT, *LATENCY.values(), LATENCY_MEAN, ERROR_RATE)


def measure(subject: Subject) -> Iterator[Measurement]:
    """Volume, throughput, latency and errors, in all and by version and segment."""
    for where, part, base in subject.scopes():
        yield from _volume(subject, where, part, base)
        yield from _latency(subject, where, part, base)
        yield from _errors(subject, where, part, base)


class Ranked:
    """The values of a column by their rank (0 to n), within half a bucket."""

    def __init__(self, column: ColumnCounts) -> None:
        self._column = column
        self._upto = np.cumsum(
            np.concatenate([[column.counts[BELOW]], column.regular, [column.counts[ABOVE]]])
        )

    def at(self, rank: float) -> float:
        """The value at a rank: the geometric middle of its bucket, never outside of what was seen."""
        column = self._column
        place = int(np.searchsorted(self._upto, max(rank, 1e-9)))
        lowest, highest = float(column.extremes[0]), float(column.extremes[1])
        if place == 0:
            return lowest
        if place > column.column.buckets:
            return highest
        edges = column.column.edges
        return min(max(math.sqrt(edges[place - 1] * edges[place]), lowest), highest)


def percentile(column: ColumnCounts, share: float) -> float | None:
    """The value at this share of the ranks, within half a bucket; None without a value."""
    n = column.finite
    return None if n <= 0 else Ranked(column).at(share * n)


_USUAL: WeakKeyDictionary[Slice, dict[float, float | None]] = WeakKeyDictionary()


def _usual_latency(base: Slice, share: float) -> float | None:
    """The baseline's percentile, looked up once."""
    known = _USUAL.setdefault(base, {})
    if share not in known:
        known[share] = percentile(base.column("latency_ms"), share)
    return known[share]


def _volume(subject: Subject, where: Labels, part: Slice, base: Slice | None) -> Iterator[Measurement]:
    seconds = subject.window.seconds
    low, high = intervals.poisson(part.rows)
    span = subject.baseline.span if subject.baseline is not None else None
    usual = base.rows / span.seconds if base is not None and span is not None and span.seconds else None
    expected = None if usual is None else usual * seconds
    yield subject.ok(VOLUME, part.rows, part.rows, where=where, interval=(low, high), baseline=expected)
    interval = (low / seconds, high / seconds)
    yield subject.ok(
        THROUGHPUT, part.rows / seconds, part.rows, where=where, interval=interval, baseline=usual
    )


def _latency(subject: Subject, where: Labels, part: Slice, base: Slice | None) -> Iterator[Measurement]:
    column = part.column("latency_ms")
    usual = base.column("latency_ms") if base is not None else None
    n = column.finite
    if n < subject.settings.min_rates:
        for info in (*LATENCY.values(), LATENCY_MEAN):
            yield subject.not_measured(info, _no_latency(part), n, where=where)
        return
    ranked = Ranked(column)
    for percent, info in LATENCY.items():
        share = percent / 100
        low, high = intervals.rank_interval(n, share)
        interval = (ranked.at(low) / 1000, ranked.at(high) / 1000)
        before = _usual_latency(base, share) if base is not None else None
        value = ranked.at(share * n) / 1000
        yield subject.ok(
            info, value, n, where=where, interval=_around(value, interval), baseline=_seconds(before)
        )
    mean, deviation = column.mean or 0.0, column.deviation or 0.0
    low, high = intervals.of_mean(mean, deviation**2, n)
    usual_mean = usual.mean if usual is not None else None
    yield subject.ok(
        LATENCY_MEAN,
        mean / 1000,
        n,
        where=where,
        interval=(low / 1000, high / 1000),
        baseline=_seconds(usual_mean),
    )


def _errors(subject: Subject, where: Labels, part: Slice, base: Slice | None) -> Iterator[Measurement]:
    n = part.rows
    if n < subject.settings.min_rates:
        yield subject.not_measured(ERROR_RATE, too_few(n, subject.settings.min_rates), n, where=where)
        return
    before = base.rows if base is not None else 0
    kinds = {"": part.flag("errors"), **({} if where else part.tally("error"))}
    for kind, count in kinds.items():
        usual = (
            (base.flag("errors") if not kind else base.tally("error").get(kind, 0.0))
            if base and before
            else None
        )
        yield subject.ok(
            ERROR_RATE,
            count / n,
            n,
            where=labels(type=kind, **dict(where)),
            interval=intervals.wilson(count, n),
            p_value=None if usual is None else intervals.two_shares(count, n, usual, before),
            baseline=None if usual is None else usual / before,
        )


def _no_latency(part: Slice) -> str:
    return "no prediction in the window" if part.rows == 0 else "no prediction carried `latency_ms`"


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _around(value: float, interval: Interval) -> Interval:
    return min(value, interval[0]), max(value, interval[1])
