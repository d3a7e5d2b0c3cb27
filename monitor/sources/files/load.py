"""Loads past predictions and outcomes from files."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from monitor.predictions.log.batch import Batch
from monitor.predictions.settings import PredictionSettings
from monitor.records import Stream
from monitor.sources import capture_files
from monitor.sources.files import locations, outcome_rows
from monitor.sources.files.chunked import CHECKED, EXACT, NAMED, NUMERIC, TIMES, chunks
from monitor.sources.files.csv_dialect import DETECTED, Dialect
from monitor.sources.files.csv_reader import CsvChunk
from monitor.sources.files.date_order import order_of
from monitor.sources.files.locations import Location
from monitor.sources.files.outcome_rows import Outcomes
from monitor.sources.files.prediction_rows import ColumnMap, FileReader
from monitor.sources.formats.format import Format, PairingFormat
from monitor.sources.pairing.loaded_halves import LoadedHalves

Progress = Callable[[int, float], None]
"""Called after each chunk with the rows read so far, and the share of the bytes read."""


@dataclass(frozen=True, slots=True)
class LoadedRows:
    """Some of the contents of the files."""

    batches: list[Batch] = field(default_factory=list)
    outcomes: list[Outcomes] = field(default_factory=list)


class HistoryReader(FileReader):
    """Reads files for the prediction log: rows with the names of a record, or a platform's captures in a format.

    `outcomes` counts the rows that have an outcome.
    """

    def __init__(
        self,
        files: Sequence[Path | Location],
        stream: Stream | None,
        settings: PredictionSettings,
        now: float,
        columns: ColumnMap | None = None,
        dialect: Dialect = DETECTED,
        form: Format | None = None,
    ) -> None:
        super().__init__(stream, settings, now, columns, dialect.dates)
        self._dialect, self._form = dialect, form
        self._halves = LoadedHalves(form) if isinstance(form, PairingFormat) else None
        self._places = [
            locations.location_of(str(file)) if isinstance(file, Path) else file for file in files
        ]
        self.outcomes = 0

    def parts(self, progress: Progress = lambda _rows, _share: None) -> Iterator[LoadedRows]:
        """The contents of the files in parts, in the order of the files.

        Raises:
            InputError: a file cannot be read, a column has an unusable type, or the date order is unknown.
        """
        total = sum(place.size for place in self._places) or 1
        as_text = self.columns.file_names((*CHECKED, *NAMED))
        bytes_before = 0
        if self._form is None:
            self.set_date_order(order_of(self._places, self.columns.file_names(TIMES), self._dialect))
        for place in self._places:
            self.start_file(place)
            for chunk in self._chunks(place, as_text):
                rows = self.renamed(chunk.rows)
                self.reject_unreadable(chunk.unreadable)
                if outcome_rows.has_only_outcomes(rows.schema.names):
                    self.ignore(outcome_rows.without_use(rows.schema.names))
                    part = LoadedRows(outcomes=self.outcomes_of(outcome_rows.as_outcomes(rows)))
                else:
                    part = LoadedRows(
                        *outcome_rows.separated(
                            self.batches_of(outcome_rows.with_ids(rows, place, self.rows_in_file))
                        )
                    )
                self.outcomes += sum(rows.num_rows for _, rows in part.outcomes)
                yield part
                progress(self.read, (bytes_before + chunk.share * place.size) / total)
            bytes_before += place.size
        if self._halves is not None:
            self.reject_unreadable(map(capture_files.unpaired, self._halves.left()))

    def _chunks(self, place: Location, as_text: Sequence[str]) -> Iterator[CsvChunk]:
        if self._form is None:
            numeric = self.columns.file_names(NUMERIC)
            exact = self.columns.file_names(EXACT)
            return chunks(place, read_as_text=as_text, dialect=self._dialect, numeric=numeric, exact=exact)
        return capture_files.read(place, self._form, as_text, self._halves)
