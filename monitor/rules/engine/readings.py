"""The measurements of one tick, indexed for the rules."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from monitor.measurement_table import MeasurementSequence
from monitor.records import Labels, Measurement, Stream

OPEN = 0
"""The window length that stands for the open base window, which has not ended yet."""

Past = Callable[[Stream, str, Labels, int, float, float], float | None]
"""(stream, metric, labels, window length, start, end) -> the mean of the measurements in that period, or None."""


def no_past(
    _stream: Stream, _metric: str, _labels: Labels, _seconds: int, _start: float, _end: float
) -> None:
    """A past without measurements."""


@dataclass(frozen=True, slots=True)
class Readings:
    """The measurements of one tick by stream and window length (seconds; `OPEN` for the open window).

    `past` gives measurements of an earlier day. Measurements are kept for the stream that was asked for last, so that
    hundreds of rules over thousands of features stay cheap.
    """

    measured: Mapping[tuple[Stream, int], Sequence[Measurement]]
    past: Past = no_past
    _by_stream: dict[Stream, dict[tuple[int, str], Sequence[Measurement]]] = field(default_factory=dict)
    _index: dict[tuple[Stream, int], dict[str, list[Measurement]]] = field(default_factory=dict)

    def streams(self) -> list[Stream]:
        """Every stream that has readings, in order."""
        return sorted({stream for stream, _ in self.measured})

    def find(self, stream: Stream, seconds: int, metric: str) -> Sequence[Measurement]:
        """All measurements of one metric over windows of that length: one for each set of labels."""
        by_metric = self._by_stream.get(stream)
        if by_metric is None:
            self._by_stream.clear()
            by_metric = self._by_stream[stream] = {}
        some = by_metric.get((seconds, metric))
        if some is None:
            some = by_metric[seconds, metric] = self._find(stream, seconds, metric)
        return some

    def holders(self, stream: Stream, seconds: int, metric: str) -> Sequence[object]:
        """What holds the measurements that `find` returns: while it is the same, they are the same."""
        measured = self.measured.get((stream, seconds), ())
        return (
            measured.holders(metric)
            if isinstance(measured, MeasurementSequence)
            else self.find(stream, seconds, metric)
        )

    def _find(self, stream: Stream, seconds: int, metric: str) -> Sequence[Measurement]:
        measured = self.measured.get((stream, seconds), ())
        if isinstance(measured, MeasurementSequence):
            return measured.of(metric)
        index = self._index.get((stream, seconds))
        if index is None:
            index = self._index[stream, seconds] = _by_metric(measured)
        return index.get(metric, ())


def _by_metric(measurements: Iterable[Measurement]) -> dict[str, list[Measurement]]:
    index: dict[str, list[Measurement]] = {}
    for measurement in measurements:
        index.setdefault(measurement.metric, []).append(measurement)
    return index
