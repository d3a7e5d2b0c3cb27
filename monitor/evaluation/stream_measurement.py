"""Measures one stream: reads outside of the write transaction, then writes in a short one.

Senders of predictions wait during a write transaction, so nothing is measured in it. If another process changes the
stream's profiles in the meantime, its profile version differs: then nothing is written, and the stream is measured
again.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from monitor.config.units import HOUR
from monitor.drift.settings import DriftSettings
from monitor.evaluation.clock_metrics import ClockMetrics
from monitor.evaluation.reference_figures import ReferenceFigures
from monitor.evaluation.usual_latency import UsualLatency
from monitor.measurement_table import MeasurementTable, merge_tables, table_of
from monitor.metrics import FAMILIES, Family, Subject, measure
from monitor.metrics.settings import MetricSettings
from monitor.records import Measurement, Stream, Window
from monitor.store import definitions, lake_profiles, measurement_queue, profile_versions, profiles
from monitor.store import measurements as stored
from monitor.store.profiles import StoredProfile
from monitor.store.targets import TargetFigure
from monitor.windows.baseline import load, load_ahead
from monitor.windows.declared import current_definitions
from monitor.windows.rolling import Rolling, StoredBlocks
from monitor.windows.settings import WindowSettings


@dataclass(frozen=True, slots=True)
class MeasurerSettings:
    """What is measured of all streams, and how long a tick may take for it. A base window has `base_seconds`.

    Measuring windows, measuring the last seconds and reading references of declines may take `seconds` each, the older
    hours of one stream `history_seconds`. What remains comes in the next ticks.
    """

    base_seconds: int
    windows: WindowSettings
    metrics: MetricSettings
    drift: DriftSettings
    seconds: float = 4.0
    history_seconds: float = 0.5


@dataclass(frozen=True, slots=True)
class MeasurementContext:
    """The inputs that are the same for all streams; `base` is the length of a base window in seconds."""

    base: int
    metrics: MetricSettings
    against: ReferenceFigures
    wall: ClockMetrics
    usual: UsualLatency


@dataclass(slots=True)
class StreamProgress:
    """The state of a stream between ticks: the end of its closed windows, and its last measurements."""

    closed_until: int
    readings: dict[int, MeasurementTable] = field(default_factory=dict)
    drift: Sequence[Measurement] = ()
    hours: set[int] = field(default_factory=set)
    probed: dict[int, Sequence[Measurement]] = field(default_factory=dict)
    judged: list[TargetFigure] | None = None


@dataclass(slots=True)
class StreamMeasurements:
    """The measurements of a stream at a revision of its profiles, to be written.

    `blocks` are the measurements by window, `windows` the windows to remove from the queue, `hours` their measured
    hours, `sums` the sums of profiles that were computed. `readings` are the measurements that rules read, by length of
    window, and `probed` the availability over the same windows.
    """

    stream: Stream
    revision: int
    blocks: dict[Window, MeasurementTable] = field(default_factory=dict)
    windows: list[Window] = field(default_factory=list)
    hours: list[Window] = field(default_factory=list)
    readings: dict[int, MeasurementTable] = field(default_factory=dict)
    probed: dict[int, Sequence[Measurement]] = field(default_factory=dict)
    sums: Sequence[tuple[Stream, StoredProfile]] = ()


def read_ahead(
    connection: Connection, base_seconds: int, wanted: Mapping[Stream, Collection[Window]]
) -> StoredBlocks:
    """Read what measuring these windows of each stream needs, in few statements."""
    profile_versions.read_ahead(
        connection, wanted
    )  # before everything else, so that later changes are detected
    load_ahead(connection, wanted)
    definitions.read_ahead(connection, wanted)
    lake_profiles.read_extents_ahead(connection, wanted)
    return StoredBlocks(connection, base_seconds, wanted)


class StreamMeasurer:
    """Measures windows of one stream whose base windows are closed up to `edge`. Writes nothing. `read` is what was
    read before of several streams.
    """

    def __init__(
        self,
        means: MeasurementContext,
        connection: Connection,
        stream: Stream,
        edge: int,
        now: float,
        read: StoredBlocks | None = None,
    ) -> None:
        self.result = StreamMeasurements(
            stream, profile_versions.read(connection, stream)
        )  # read before everything else, so that later changes are detected
        self._means, self._connection, self._stream, self._now = means, connection, stream, now
        self._baseline = load(connection, stream)
        self._declared = current_definitions.of_stream(connection, stream)
        self._measured: dict[tuple[Window, Sequence[Family]], MeasurementTable] = {}
        self._rolling = Rolling(connection, means.base, settled=edge, read=read)

    def measure(self, window: Window, families: Sequence[Family] = FAMILIES) -> MeasurementTable:
        """The measurements of a window, computed once."""
        if (window, families) not in self._measured:
            profile = self._rolling.profile(self._stream, window)
            usual = self._means.usual.of(self._connection, self._stream, self._baseline, self._now)
            subject = Subject(
                self._stream, window, profile, self._baseline, self._means.metrics, usual, self._declared
            )
            table = measure(subject, families)
            if window.seconds != self._means.base:
                work = (self._connection, self._rolling)
                others = self._means.against.measure(*work, self._stream, window, families, self._now)
                table = merge_tables([table, *others])
            self._measured[window, families] = table
        return self._measured[window, families]

    def measure_for_store(self, window: Window) -> None:
        """Measure a window, for the store."""
        table = self.measure(window)
        if window.seconds == HOUR and (
            others := self._means.wall.of_window(self._connection, self._stream, window)
        ):
            table = merge_tables([table, table_of(self._stream, window, others)])
        self.result.blocks[window] = table

    def finish(self) -> StreamMeasurements:
        """The result."""
        self.result.sums = self._rolling.sums()
        return self.result


def commit(
    connection: Connection, results: Sequence[StreamMeasurements], now: float
) -> list[StreamMeasurements]:
    """Write measurements of streams. Returns those that were not written because their profiles have changed since."""
    held = profile_versions.hold_for_streams(connection, sorted(result.stream for result in results), now)
    valid = [result for result in results if held[result.stream] == result.revision]
    blocks = [(one.stream, window, block) for one in valid for window, block in one.blocks.items()]
    stored.put_for_streams(connection, blocks, now)
    sums = {one.stream: [total for _, total in one.sums] for one in valid}
    profiles.put_for_streams(connection, sums, now)
    measurement_queue.remove(connection, {one.stream: one.windows for one in valid})
    return [result for result in results if held[result.stream] != result.revision]
