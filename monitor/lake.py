"""History at scale: files of predictions straight into profiles and measurements, without keeping a row.

The rows are counted by the same kernel and the same layout as live ones, a piece at a time, so memory does not grow
with the files. A window's profile takes the place of what an earlier run made of it, so running twice changes nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from monitor.errors import NotFoundError
from monitor.metrics import MetricSettings, Subject, measure
from monitor.predictions.settings import PredictionSettings
from monitor.records import Stream, Window
from monitor.sources.files import FileReader
from monitor.store import measurements, profiles
from monitor.store.db import Store
from monitor.store.profiles import StoredProfile
from monitor.windows import baseline, codec
from monitor.windows.count import count
from monitor.windows.layout import Layout
from monitor.windows.profile import Profile, merge

Progress = Callable[[int, float], None]
_MOST_OPEN = 48


@dataclass(frozen=True, slots=True)
class Profiled:
    """What a run did: rows that were counted and refused, and the windows that have profiles and measurements now."""

    taken: int
    refused: int
    windows: tuple[Window, ...]


class _Windows:
    """The windows of one run. At most some are in memory; the others wait in the store, to be added to."""

    def __init__(self, store: Store, stream: Stream, layout: Layout, now: float) -> None:
        self._store = store
        self._stream = stream
        self._layout = layout
        self._now = now
        self._open: dict[Window, Profile] = {}
        self.written: set[Window] = set()

    def add(self, window: Window, profile: Profile) -> None:
        known = self._open.get(window)
        self._open[window] = profile if known is None else merge([known, profile])
        if len(self._open) > _MOST_OPEN:
            self.flush()

    def flush(self) -> None:
        with self._store.write() as connection:
            for window, profile in sorted(self._open.items()):
                total = profile
                stored = profiles.get(connection, self._stream, window) if window in self.written else None
                if stored is not None:
                    total = merge([codec.decode(stored.blob, self._layout), profile])
                kept = StoredProfile(window, self._layout.id, total.rows, codec.encode(total))
                profiles.put(connection, self._stream, kept, self._now)
        self.written |= self._open.keys()
        self._open.clear()


def profile_files(
    store: Store,
    paths: Sequence[Path],
    stream: Stream,
    seconds: int,
    settings: PredictionSettings,
    metrics: MetricSettings,
    now: float,
    progress: Progress = lambda _rows, _share: None,
) -> Profiled:
    """Count files of one stream into windows of `seconds`, and measure each against the stream's baseline.

    Raises:
        NotFoundError: the stream has no baseline yet, so its features have no buckets.
        InputError: a file cannot be read.
    """
    with store.read() as connection:
        held_against = baseline.load(connection, stream)
    if held_against is None:
        raise NotFoundError(
            f"{stream} has no baseline", hint=f"set one first: watchkeeper baseline set {stream} FILE"
        )
    reader = FileReader(paths, stream, settings.model_copy(update={"base_window": float(seconds)}), now)
    windows = _Windows(store, stream, held_against.layout, now)
    for batches in reader.batches(progress):
        for batch in batches:
            windows.add(batch.window, count(batch.rows, held_against.layout))
    windows.flush()
    for window in sorted(windows.written):
        with store.write() as connection:
            stored = profiles.get(connection, stream, window)
            if stored is not None:
                profile = codec.decode(stored.blob, held_against.layout)
                found = measure(Subject(stream, window, profile, held_against, metrics))
                measurements.put(connection, stream, window, found, now)
    return Profiled(reader.taken, sum(reader.refused.values()), tuple(sorted(windows.written)))
