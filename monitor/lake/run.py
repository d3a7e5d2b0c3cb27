"""One run over a lake: count, keep, measure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from monitor.durations import format_duration
from monitor.errors import InputError, NotFoundError
from monitor.lake import here
from monitor.lake.keeping import Keeping, check_length
from monitor.lake.measured import measure_history
from monitor.lake.work import Counted, Engine, Progress, Work, add_up
from monitor.metrics import MetricSettings
from monitor.predictions.settings import PredictionSettings
from monitor.records import Rejected, Stream, Window
from monitor.sources.dialect import FOUND, Dialect
from monitor.sources.places import Place
from monitor.store import history, register
from monitor.store.db import Store
from monitor.windows import assembly, baseline
from monitor.windows.baseline import Baseline
from monitor.windows.settings import WindowSettings

_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Lake:
    """The settings that a run needs."""

    predictions: PredictionSettings = field(default_factory=PredictionSettings)
    windows: WindowSettings = field(default_factory=WindowSettings)
    metrics: MetricSettings = field(default_factory=MetricSettings)

    @property
    def base_seconds(self) -> int:
        """Length of the daemon's own windows."""
        return int(self.predictions.base_window)


@dataclass(frozen=True, slots=True)
class Profiled:
    """What a run did. `windows` have new profiles and measurements; `left` were counted by the daemon already;
    `others` are rows of other models than the one that was asked for; of the columns `ignored` nothing can be measured.
    """

    rows: int
    windows: tuple[tuple[Stream, Window], ...]
    left: tuple[tuple[Stream, Window], ...] = ()
    refused: dict[str, int] = field(default_factory=dict)
    others: int = 0
    examples: tuple[Rejected, ...] = ()
    ignored: frozenset[str] = frozenset()


def profile_lake(
    store: Store,
    places: Sequence[Place],
    stream: Stream | None,
    seconds: int,
    settings: Lake,
    now: float,
    progress: Progress = lambda _rows, _share: None,
    engine: Engine = here.run,
    said: Dialect = FOUND,
    *,
    anew: bool = False,
) -> Profiled:
    """Count files into windows of `seconds`, and measure each against its stream's baseline.

    `anew` forgets what earlier runs made of these streams.

    Raises:
        NotFoundError: the stream has no baseline yet, so its features have no buckets.
        InputError: a file cannot be read, or the length does not fit.
    """
    if seconds < 1 or seconds % settings.base_seconds:
        raise InputError(
            f"{format_duration(seconds)} is no length of a window",
            hint=f"use a multiple of the base window, {format_duration(settings.base_seconds)}",
        )
    known = _baselines(store, stream)
    _make_room(store, known, seconds, anew=anew)
    encoded = {stream: assembly.encode(one.layout) for stream, one in known.items()}
    most = settings.windows.max_segments
    work = Work(tuple(places), stream, seconds, settings.predictions, encoded, most, now, said)
    keeping = Keeping(store, settings.base_seconds, {s: one.layout for s, one in known.items()}, now)
    total = Counted()
    for counted in engine(work, progress):
        keeping.add(counted.profiles)
        total = add_up([total, replace(counted, profiles=[])])
    keeping.flush()
    measure_history(store, sorted(keeping.written), settings.base_seconds, settings.metrics, now)
    return Profiled(
        keeping.rows,
        tuple(sorted(keeping.written)),
        tuple(sorted(keeping.left)),
        dict(total.refused),
        total.others,
        tuple(total.examples[:_EXAMPLES]),
        frozenset(total.ignored),
    )


def _baselines(store: Store, stream: Stream | None) -> dict[Stream, Baseline]:
    """What the streams in question are held against."""
    with store.read() as connection:
        asked = register.streams(connection) if stream is None else [stream]
        found = {one: baseline.load(connection, one) for one in asked}
    if stream is not None and found[stream] is None:
        hint = f"set one first: watchkeeper baseline set {stream} FILE"
        raise NotFoundError(f"{stream} has no baseline", hint=hint)
    return {one: known for one, known in found.items() if known is not None}


def _make_room(store: Store, streams: Iterable[Stream], seconds: int, *, anew: bool) -> None:
    with store.write() as connection:
        for stream in streams:
            if anew:
                history.remove(connection, stream)
            check_length(connection, stream, seconds)
