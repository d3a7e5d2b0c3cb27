"""A model's past from files: its predictions, and what became known of them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from monitor.predictions.batches import Batch
from monitor.predictions.settings import PredictionSettings
from monitor.records import Stream
from monitor.sources import known, places
from monitor.sources.dialect import FOUND, Dialect
from monitor.sources.files import ColumnMap, FileReader
from monitor.sources.known import Known
from monitor.sources.pieces import CHECKED, NAMED, pieces
from monitor.sources.places import Place

Progress = Callable[[int, float], None]
"""Told after each piece: rows read so far, and the share of the bytes that they stood in."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some of what the files hold."""

    batches: list[Batch] = field(default_factory=list)
    known: list[Known] = field(default_factory=list)


class HistoryReader(FileReader):
    """Reads files for the prediction log. `outcomes` counts the rows of which something is known."""

    def __init__(
        self,
        files: Sequence[Path | Place],
        stream: Stream | None,
        settings: PredictionSettings,
        now: float,
        columns: ColumnMap | None = None,
        said: Dialect = FOUND,
    ) -> None:
        super().__init__(stream, settings, now, columns)
        self._said = said
        self._places = [places.at(str(file)) if isinstance(file, Path) else file for file in files]
        self.outcomes = 0

    def parts(self, progress: Progress = lambda _rows, _share: None) -> Iterator[Part]:
        """What the files hold, some at a time, in the order of the files.

        Raises:
            InputError: a file cannot be read, or a column has a type that cannot be used.
        """
        total = sum(place.size for place in self._places) or 1
        as_text = self.columns.theirs((*CHECKED, *NAMED))
        before = 0
        for place in self._places:
            self.turn_to(place)
            for piece in pieces(place, read_as_text=as_text, said=self._said):
                rows = self.renamed(piece.rows)
                self.refuse_broken(piece)
                if known.is_only_known(rows.schema.names):
                    part = Part(known=self.take_outcomes(known.as_outcomes(rows)))
                else:
                    part = Part(*known.parted(self.take(known.with_ids(rows, place, self.in_file))))
                self.outcomes += sum(told.num_rows for _, told in part.known)
                yield part
                progress(self.read, (before + piece.share * place.size) / total)
            before += place.size
