"""The task that an engine receives, and the partial results that it returns."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field

from monitor.predictions.log.batch import Batch
from monitor.predictions.settings import PredictionSettings
from monitor.records import Rejected, Stream, Window
from monitor.sources.files.csv_dialect import DETECTED, Dialect
from monitor.sources.files.csv_reader import CsvChunk
from monitor.sources.files.locations import Location
from monitor.sources.files.prediction_rows import ColumnMap, FileReader
from monitor.windows.kernel.count_rows import count
from monitor.windows.layout import build
from monitor.windows.layout.layout import Layout
from monitor.windows.outcome_counts import count_outcomes
from monitor.windows.profile import Profile, merge

NO_BASELINE = "no_baseline"
"""Reason of rejection for rows of a stream without layout."""


@dataclass(frozen=True, slots=True)
class CountingTask:
    """The files to count, the window length in seconds, and the layouts (encoded, so that they can be sent).

    With a `stream`, rows that name no other stream belong to it; without one, rows name their client and model.
    `dialect` is the configured format of CSV files.
    """

    places: tuple[Location, ...]
    stream: Stream | None
    seconds: int
    settings: PredictionSettings
    layouts: Mapping[Stream, bytes]
    most_segments: int
    now: float
    dialect: Dialect = DETECTED


@dataclass(frozen=True, slots=True)
class PartialProfiles:
    """A partial result: profiles of windows, to be added; the number of rejected rows, by reason; and columns that
    cannot be measured.
    """

    profiles: list[tuple[Stream, Window, Profile]] = field(default_factory=list)
    rejected: Mapping[str, int] = field(default_factory=dict)
    others: int = 0
    examples: list[Rejected] = field(default_factory=list)
    ignored: Set[str] = frozenset()


Progress = Callable[[int, float], None]
"""Called periodically with the rows read so far, and the share of the work that is done."""
Engine = Callable[[CountingTask, Progress], Iterator[PartialProfiles]]


class ChunkCounter:
    """Counts chunks of files with the layouts of their streams."""

    def __init__(self, task: CountingTask) -> None:
        settings = task.settings.model_copy(update={"base_window": float(task.seconds)})
        # Ids serve to match outcomes, which needs the log; and repeated ids are not an error in a lake.
        columns = ColumnMap(skip=("id",))
        self._reader = FileReader(task.stream, settings, task.now, columns, task.dialect.dates)
        self._layouts = {stream: build.decode(blob) for stream, blob in task.layouts.items()}
        self._most_segments = task.most_segments

    @property
    def read(self) -> int:
        """Rows read so far."""
        return self._reader.read

    def count(self, chunk: CsvChunk) -> PartialProfiles:
        """Count rows whose columns have the names of the files.

        Raises:
            InputError: a column has an unusable type.
        """
        reader = self._reader
        rejected, others, earlier_examples = dict(reader.rejected), reader.others, len(reader.examples)
        profiles: list[tuple[Stream, Window, Profile]] = []
        without_layout = 0
        reader.reject_unreadable(chunk.unreadable)
        for batch in reader.batches_of(reader.renamed(chunk.rows)):
            layout = self._layouts.get(batch.stream)
            if layout is None:
                without_layout += batch.rows.num_rows
            else:
                profiles.append((batch.stream, batch.window, self._count(batch, layout)))
        newly_rejected = {reason: n - rejected.get(reason, 0) for reason, n in reader.rejected.items()}
        if without_layout:
            newly_rejected[NO_BASELINE] = without_layout
        ignored = frozenset(reader.ignored)
        return PartialProfiles(
            profiles, newly_rejected, reader.others - others, reader.examples[earlier_examples:], ignored
        )

    def _count(self, batch: Batch, layout: Layout) -> Profile:
        profile = count(batch.rows, layout, self._most_segments)
        if any(name.startswith("outcome.") for name in batch.rows.schema.names):
            return merge([profile, count_outcomes(batch.rows, layout, self._most_segments)])
        return profile


def merge_counts(counted: Iterable[PartialProfiles]) -> PartialProfiles:
    """The sum of several results; profiles of one window are merged."""
    profiles: dict[tuple[Stream, Window], list[Profile]] = {}
    rejected: dict[str, int] = {}
    others, examples, ignored = 0, [], set[str]()
    for result in counted:
        for stream, window, profile in result.profiles:
            profiles.setdefault((stream, window), []).append(profile)
        for reason, n in result.rejected.items():
            rejected[reason] = rejected.get(reason, 0) + n
        others += result.others
        examples += result.examples
        ignored |= result.ignored
    merged = [(stream, window, merge(parts)) for (stream, window), parts in sorted(profiles.items())]
    return PartialProfiles(merged, rejected, others, examples, ignored)
