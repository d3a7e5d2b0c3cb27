"""What an engine is given, and what it hands back piece by piece."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field

from monitor.predictions.batches import Batch
from monitor.predictions.settings import PredictionSettings
from monitor.records import Rejected, Stream, Window
from monitor.sources.delimited import Piece
from monitor.sources.dialect import FOUND, Dialect
from monitor.sources.files import ColumnMap, FileReader
from monitor.sources.places import Place
from monitor.windows import assembly
from monitor.windows.count import count
from monitor.windows.layout import Layout
from monitor.windows.outcomes import count_outcomes
from monitor.windows.profile import Profile, merge

NO_BASELINE = "no_baseline"
"""Why rows of a stream that has no layout are refused."""


@dataclass(frozen=True, slots=True)
class Work:
    """Which files to count, into windows of how many seconds, by which layouts (encoded, so that they travel).

    With a `stream` rows that name no other are its own; without one, rows name their client and model. `said` is what
    somebody says of CSV files.
    """

    places: tuple[Place, ...]
    stream: Stream | None
    seconds: int
    settings: PredictionSettings
    layouts: Mapping[Stream, bytes]
    most_segments: int
    now: float
    said: Dialect = FOUND


@dataclass(frozen=True, slots=True)
class Counted:
    """What became of some rows: profiles of windows, to be added up; how many rows were refused, by reason; and columns
    of which nothing can be measured.
    """

    profiles: list[tuple[Stream, Window, Profile]] = field(default_factory=list)
    refused: Mapping[str, int] = field(default_factory=dict)
    others: int = 0
    examples: list[Rejected] = field(default_factory=list)
    ignored: Set[str] = frozenset()


Progress = Callable[[int, float], None]
"""Told now and then: rows read so far, and the share of the work that is done."""
Engine = Callable[[Work, Progress], Iterator[Counted]]


class PieceCounter:
    """Counts pieces of files, by the layout of their stream."""

    def __init__(self, work: Work) -> None:
        settings = work.settings.model_copy(update={"base_window": float(work.seconds)})
        # Ids are for joining, which needs the log; and the same id twice is no mistake in a lake.
        columns = ColumnMap(skip=("id",))
        self._reader = FileReader(work.stream, settings, work.now, columns)
        self._layouts = {stream: assembly.decode(blob) for stream, blob in work.layouts.items()}
        self._most_segments = work.most_segments

    @property
    def read(self) -> int:
        """Rows read so far."""
        return self._reader.read

    def count(self, piece: Piece) -> Counted:
        """Count rows whose columns are named as in the files.

        Raises:
            InputError: a column has a type that cannot be used.
        """
        reader = self._reader
        refused, others, known = dict(reader.refused), reader.others, len(reader.examples)
        profiles: list[tuple[Stream, Window, Profile]] = []
        homeless = 0
        reader.refuse_broken(piece)
        for batch in reader.take(reader.renamed(piece.rows)):
            layout = self._layouts.get(batch.stream)
            if layout is None:
                homeless += batch.rows.num_rows
            else:
                profiles.append((batch.stream, batch.window, self._count(batch, layout)))
        now_refused = {reason: n - refused.get(reason, 0) for reason, n in reader.refused.items()}
        if homeless:
            now_refused[NO_BASELINE] = homeless
        ignored = frozenset(reader.ignored)
        return Counted(profiles, now_refused, reader.others - others, reader.examples[known:], ignored)

    def _count(self, batch: Batch, layout: Layout) -> Profile:
        profile = count(batch.rows, layout, self._most_segments)
        if any(name.startswith("outcome.") for name in batch.rows.schema.names):
            return merge([profile, count_outcomes(batch.rows, layout, self._most_segments)])
        return profile


def add_up(counted: Iterable[Counted]) -> Counted:
    """Several results as one; profiles of one window are merged."""
    profiles: dict[tuple[Stream, Window], list[Profile]] = {}
    refused: dict[str, int] = {}
    others, examples, ignored = 0, [], set[str]()
    for one in counted:
        for stream, window, profile in one.profiles:
            profiles.setdefault((stream, window), []).append(profile)
        for reason, n in one.refused.items():
            refused[reason] = refused.get(reason, 0) + n
        others += one.others
        examples += one.examples
        ignored |= one.ignored
    merged = [(stream, window, merge(parts)) for (stream, window), parts in sorted(profiles.items())]
    return Counted(merged, refused, others, examples, ignored)
