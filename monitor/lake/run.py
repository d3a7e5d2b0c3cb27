"""One run over a lake: counts, stores, measures."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from monitor.config.units import format_duration
from monitor.errors import InputError, NotFoundError
from monitor.lake import local
from monitor.lake.measure import measure_history
from monitor.lake.storage import WindowStorage, check_length
from monitor.lake.task import CountingTask, Engine, PartialProfiles, Progress, merge_counts
from monitor.metrics import MetricSettings
from monitor.predictions.settings import PredictionSettings
from monitor.records import Rejected, Stream, Window
from monitor.sources.files.chunked import TIMES
from monitor.sources.files.csv_dialect import DETECTED, Dialect
from monitor.sources.files.date_order import order_of
from monitor.sources.files.locations import Location
from monitor.store import lake_profiles
from monitor.store import streams as stream_rows
from monitor.store.db import Store
from monitor.windows import baseline
from monitor.windows.baseline import Baseline
from monitor.windows.layout import build
from monitor.windows.settings import WindowSettings

_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class LakeSettings:
    """The settings that a run needs."""

    predictions: PredictionSettings = field(default_factory=PredictionSettings)
    windows: WindowSettings = field(default_factory=WindowSettings)
    metrics: MetricSettings = field(default_factory=MetricSettings)

    @property
    def base_seconds(self) -> int:
        """Length of the daemon's base windows."""
        return int(self.predictions.base_window)


@dataclass(frozen=True, slots=True)
class LakeResult:
    """The result of a run.

    `windows` have new profiles and measurements; `left` were already counted by the daemon and are unchanged; `others`
    are rows of other models than the requested one; the columns `ignored` cannot be measured.
    """

    rows: int
    windows: tuple[tuple[Stream, Window], ...]
    left: tuple[tuple[Stream, Window], ...] = ()
    rejected: dict[str, int] = field(default_factory=dict)
    others: int = 0
    examples: tuple[Rejected, ...] = ()
    ignored: frozenset[str] = frozenset()


def profile_lake(
    store: Store,
    places: Sequence[Location],
    stream: Stream | None,
    seconds: int,
    settings: LakeSettings,
    now: float,
    progress: Progress = lambda _rows, _share: None,
    engine: Engine = local.run,
    dialect: Dialect = DETECTED,
    *,
    anew: bool = False,
) -> LakeResult:
    """Count files into windows of `seconds`, and measure each against its stream's baseline.

    `anew` deletes the results of earlier runs for these streams.

    Raises:
        NotFoundError: the stream has no baseline, so its features have no buckets.
        InputError: a file cannot be read, the date order is unknown, or the window length is invalid.
    """
    if seconds < 1 or seconds % settings.base_seconds:
        raise InputError(
            f"{format_duration(seconds)} is not a valid window length",
            hint=f"use a multiple of the base window, {format_duration(settings.base_seconds)}",
        )
    dialect = replace(dialect, dates=order_of(places, TIMES, dialect))
    baselines = _baselines(store, stream)
    _prepare(store, baselines, seconds, anew=anew)
    encoded = {stream: build.encode(pinned.layout) for stream, pinned in baselines.items()}
    max_segments = settings.windows.max_segments
    task = CountingTask(
        tuple(places), stream, seconds, settings.predictions, encoded, max_segments, now, dialect
    )
    storage = WindowStorage(
        store, settings.base_seconds, {s: pinned.layout for s, pinned in baselines.items()}, now
    )
    total = PartialProfiles()
    for counted in engine(task, progress):
        storage.add(counted.profiles)
        total = merge_counts([total, replace(counted, profiles=[])])
    storage.flush()
    measure_history(store, sorted(storage.written), settings.base_seconds, settings.metrics, now)
    return LakeResult(
        storage.rows,
        tuple(sorted(storage.written)),
        tuple(sorted(storage.left)),
        dict(total.rejected),
        total.others,
        tuple(total.examples[:_EXAMPLES]),
        frozenset(total.ignored),
    )


def _baselines(store: Store, stream: Stream | None) -> dict[Stream, Baseline]:
    """The baselines of the requested streams."""
    with store.read() as connection:
        requested = stream_rows.streams(connection) if stream is None else [stream]
        loaded = {
            requested_stream: baseline.load(connection, requested_stream) for requested_stream in requested
        }
    if stream is not None and loaded[stream] is None:
        hint = f"set one first: watchkeeper baseline set {stream} FILE"
        raise NotFoundError(f"{stream} has no baseline", hint=hint)
    return {requested_stream: pinned for requested_stream, pinned in loaded.items() if pinned is not None}


def _prepare(store: Store, streams: Iterable[Stream], seconds: int, *, anew: bool) -> None:
    with store.write() as connection:
        for stream in streams:
            if anew:
                lake_profiles.remove(connection, stream)
            check_length(connection, stream, seconds)
