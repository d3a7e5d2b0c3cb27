"""Volume (predictions per window) and throughput (predictions per second)."""

from collections.abc import Iterator

from monitor.metrics import intervals
from monitor.metrics.metric import MetricInfo, Subject
from monitor.records import Better, Labels, Measurement
from monitor.windows.profile import Slice

_WHERE = ("version", "segment")
VOLUME = MetricInfo(
    "volume", "predictions", Better.NONE, "Number of predictions in the window.", _WHERE,
    "number of rows", "predictions",
)  # fmt: skip
THROUGHPUT = MetricInfo(
    "throughput", "per second", Better.NONE, "Predictions per second, over the window.", _WHERE,
    "rows / window length", "predictions",
)  # fmt: skip
INFO = (VOLUME, THROUGHPUT)


def measure(subject: Subject) -> Iterator[Measurement]:
    """Volume and throughput with Poisson intervals, for the whole window and by version and segment."""
    for where, part, base in subject.scopes():
        yield from _volume(subject, where, part, base)


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
