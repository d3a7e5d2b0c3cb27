"""What is measured of one stream: read beside the others' writing, then put down in a short transaction.

Whoever sends predictions waits while the store is written, so nothing is measured there. Between reading and writing
somebody else may have counted late rows. The number of the stream's revision tells: if it is another one, nothing is
put down, and the stream is measured again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from monitor.config.units import HOUR
from monitor.evaluation.clock_metrics import ClockMetrics
from monitor.evaluation.reference_figures import ReferenceFigures
from monitor.evaluation.usual_latency import UsualLatency
from monitor.measurement_table import MeasurementTable, merge_tables, table_of
from monitor.metrics import FAMILIES, Family, Subject, measure
from monitor.metrics.settings import MetricSettings
from monitor.records import Measurement, Stream, Window
from monitor.store import measurement_queue, profile_versions, profiles
from monitor.store import measurements as stored
from monitor.store.profiles import StoredProfile
from monitor.windows.baseline import load
from monitor.windows.rolling import Rolling


@dataclass(frozen=True, slots=True)
class MeasurementContext:
    """What streams are measured by; `base` is the length of a base window in seconds."""

    base: int
    metrics: MetricSettings
    against: ReferenceFigures
    wall: ClockMetrics
    usual: UsualLatency


@dataclass(slots=True)
class StreamMeasurements:
    """What was found of a stream at a revision of its profiles, and is to be written.

    `blocks` are the measurements of windows, `windows` those that are measured by them, `hours` the hours they lie
    in, `sums` what was added up on the way. `readings` are the measurements that rules read, by length of window,
    and `probed` how a health endpoint answered over the same windows.
    """

    stream: Stream
    revision: int
    blocks: dict[Window, MeasurementTable] = field(default_factory=dict)
    windows: list[Window] = field(default_factory=list)
    hours: list[Window] = field(default_factory=list)
    readings: dict[int, MeasurementTable] = field(default_factory=dict)
    probed: dict[int, Sequence[Measurement]] = field(default_factory=dict)
    sums: Sequence[tuple[Stream, StoredProfile]] = ()


class StreamMeasurer:
    """Measures windows of one stream whose base windows are closed up to `edge`; writes nothing."""

    def __init__(
        self, means: MeasurementContext, connection: Connection, stream: Stream, edge: int, now: float
    ) -> None:
        self.found = StreamMeasurements(
            stream, profile_versions.read(connection, stream)
        )  # before all that it speaks for
        self._means, self._connection, self._stream, self._now = means, connection, stream, now
        self._baseline = load(connection, stream)
        self._measured: dict[tuple[Window, Sequence[Family]], MeasurementTable] = {}
        self._rolling = Rolling(connection, means.base, settled=edge)

    def measure(self, window: Window, families: Sequence[Family] = FAMILIES) -> MeasurementTable:
        """The figures of a window; what was measured already is not measured again."""
        if (window, families) not in self._measured:
            profile = self._rolling.profile(self._stream, window)
            usual = self._means.usual.of(self._connection, self._stream, self._baseline, self._now)
            subject = Subject(self._stream, window, profile, self._baseline, self._means.metrics, usual)
            found = measure(subject, families)
            if window.seconds != self._means.base:
                work = (self._connection, self._rolling)
                others = self._means.against.measure(*work, self._stream, window, families, self._now)
                found = merge_tables([found, *others])
            self._measured[window, families] = found
        return self._measured[window, families]

    def note(self, window: Window) -> None:
        """Measure a window, to be written down in place of what was known of it."""
        found = self.measure(window)
        if window.seconds == HOUR and (
            others := self._means.wall.of_window(self._connection, self._stream, window)
        ):
            found = merge_tables([found, table_of(self._stream, window, others)])
        self.found.blocks[window] = found

    def finish(self) -> StreamMeasurements:
        """All that was found."""
        self.found.sums = self._rolling.sums()
        return self.found


def commit(connection: Connection, found: StreamMeasurements, now: float) -> bool:
    """Write what was found, if the profiles are still those that it was found in; False if they are not."""
    if profile_versions.hold(connection, found.stream, now) != found.revision:
        return False
    for window, block in found.blocks.items():
        stored.put(connection, found.stream, window, block, now)
    profiles.put(connection, found.stream, [total for _, total in found.sums], now)
    measurement_queue.remove(connection, found.stream, found.windows)
    return True
