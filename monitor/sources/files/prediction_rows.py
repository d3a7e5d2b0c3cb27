"""Rows of files as batches of the prediction log: maps the columns, and rejects invalid rows.

The rules are those of the HTTP ingest, except that rows may be of any age.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import msgspec
import pyarrow as pa

from monitor.errors import InputError
from monitor.predictions.fields import GROUPS, OUTCOME_FIELDS, PREDICTION_FIELDS, UNITED
from monitor.predictions.intake.rejected_record import redacted, without_secrets, written
from monitor.predictions.intake.schema import Rules, read_outcome, read_prediction
from monitor.predictions.intake.validated_batch import ValidatedBatch, validate_outcomes, validate_predictions
from monitor.predictions.intake.validation import RecordError
from monitor.predictions.log.batch import Batch, split
from monitor.predictions.log.hashing import KnownIds
from monitor.predictions.settings import PredictionSettings
from monitor.predictions.texts.call_columns import SENT
from monitor.records import Rejected, Stream
from monitor.sources.files import csv_dialect
from monitor.sources.files.csv_reader import UnreadableRow
from monitor.sources.files.locations import Location
from monitor.sources.files.outcome_rows import not_empty, slices
from monitor.store.quarantine import Quarantined
from monitor.times.reading import DateOrder
from monitor.visible import counted

_STREAM_COLUMNS = ("client", "model")
ReadRecord = Callable[[dict[str, object], Rules], object]
"""Reads one record, or raises a `RecordError`."""

_KIND = "predictions"
_OBJECTS = (*UNITED, "true_outputs")
"""Fields of outcomes that are objects; their members are no columns."""
_FIRST_LINE = {".csv": 2, ".tsv": 2}
_NO_TIME = (
    "rename the column with the time of each row to `timestamp`: without it, old rows would count as new"
)
_MAX_EXAMPLES = 100


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """What the columns of a file contain.

    `fields` gives the file's name of a field that has another name there (`{"prediction": "y_hat"}`). Columns named
    `features.x`, `segments.x`, `probabilities.x` or `attributions.x` have that meaning. `segments` and `skip` name
    further columns. Every other column is a feature; if `features` is not empty, only those are.
    """

    fields: dict[str, str] = field(default_factory=dict)
    features: Sequence[str] = ()
    segments: Sequence[str] = ()
    skip: Sequence[str] = ()

    def rename(self, columns: Sequence[str]) -> list[str | None]:
        """The log's names for the columns of a file; None for columns that are skipped.

        `client` and `model` name the stream if a file has both; one alone is an ordinary feature.
        """
        named = [self.named(column) for column in columns]
        if set(_STREAM_COLUMNS) <= set(columns):
            named = [
                column if column in (*_STREAM_COLUMNS, "environment") else name
                for column, name in zip(columns, named, strict=True)
            ]
        return named

    def file_names(self, fields: Sequence[str]) -> list[str]:
        """The names of fields in the file."""
        return [self.fields.get(name, name) for name in fields]

    def named(self, column: str) -> str | None:
        """The log's name for a column of the file; None if it is skipped."""
        own = {theirs: ours for ours, theirs in self.fields.items()}
        if column in self.skip or (
            column in PREDICTION_FIELDS and column in self.fields and column not in own
        ):
            return None
        if column in own:
            return own[column]
        if column in OUTCOME_FIELDS or column.partition(".")[0] in _OBJECTS:
            return f"outcome.{column}"
        if column in PREDICTION_FIELDS or column.partition(".")[0] in (*GROUPS, "outcome") or column in SENT:
            return column
        if column in self.segments:
            return f"segments.{column}"
        return f"features.{column}" if not self.features or column in self.features else None


class FileReader:
    """Reads rows of files. `accepted` and `rejected` (by reason) count rows; `examples` are some rejected rows;
    `ignored` are columns without meaning here.

    With a `stream`, rows that name no other stream belong to it, and rows of others are skipped (`others` counts them).
    Without one, each row must name its client and model. Outcomes (`outcome.truth`, ...) stay beside their predictions.
    """

    def __init__(
        self,
        stream: Stream | None,
        settings: PredictionSettings,
        now: float,
        columns: ColumnMap | None = None,
        dates: DateOrder | None = None,
    ) -> None:
        self._stream = stream
        self.columns = columns or ColumnMap()
        self._seen = KnownIds()
        self._rules = Rules(settings, now, is_history=True, dates=dates)
        self._base_seconds = int(settings.base_window)
        self._place: Location | None = None
        self._began = 0
        self._unreadable: list[int] = []
        self._file_columns: list[str] = []
        self._names: list[str | None] = []
        self.accepted = 0
        self.others = 0
        self.ignored: set[str] = set()
        self.rejected: Counter[str] = Counter()
        self._quarantined: list[Quarantined] = []

    @property
    def examples(self) -> list[Rejected]:
        """The first rejected rows."""
        return without_secrets([quarantined.rejected for quarantined in self._quarantined])

    def quarantined(self, now: float) -> list[Quarantined]:
        """The rejected rows for the quarantine: the first ones, and per reason the number of the others."""
        entries = [
            replace(entry, at=now, rejected=rejected)
            for entry, rejected in zip(self._quarantined, self.examples, strict=True)
        ]
        remaining = self.rejected - Counter(entry.reason for entry in self._quarantined)
        for reason, count in remaining.items():
            stream = self._stream or Stream("", "")
            error = f"{counted(count, 'more row')} of files rejected for this reason"
            entries.append(
                Quarantined(now, _KIND, reason, Rejected(0, error, "", stream.client, stream.model), count)
            )
        return entries

    @property
    def read(self) -> int:
        """Rows read so far."""
        return self.accepted + self.others + sum(self.rejected.values())

    @property
    def rows_in_file(self) -> int:
        """Rows read so far of the current file, without unreadable lines."""
        return self.read - self._began - len(self._unreadable)

    def set_date_order(self, order: DateOrder | None) -> None:
        """Set the order of day and month in times such as 10/11/2026."""
        self._rules = msgspec.structs.replace(self._rules, dates=order)

    def start_file(self, place: Location) -> None:
        """Set the file of the next rows. Rejected rows are reported by file and line, assuming one line per row; for
        Parquet by row, from 1.
        """
        self._place, self._began, self._unreadable = place, self.read, []

    def batches_of(self, rows: pa.RecordBatch) -> list[Batch]:
        """The batches of some rows whose columns have the names of the log.

        Raises:
            InputError: a column has an unusable type, or there is no column with times.
        """
        if rows.num_rows and "timestamp" not in rows.schema.names:
            where = self._place.name if self._place else "the table"
            hint = csv_dialect.doubt(self._file_columns) or _NO_TIME
            raise InputError(f"{where} has no column 'timestamp'", hint=hint)
        batches = []
        for stream, valid in self._valid_rows(self._validated(rows), read_both):
            batches += split(stream, valid, self._base_seconds)
        return batches

    def _validated(self, rows: pa.RecordBatch) -> ValidatedBatch:
        return validate_predictions(rows, self._rules, with_outcomes=True, seen=self._seen)

    def outcomes_of(self, rows: pa.RecordBatch) -> list[tuple[Stream, pa.RecordBatch]]:
        """The outcomes in some rows, without empty ones. The columns have the names of an outcome request.

        Raises:
            InputError: a column has an unusable type.
        """
        validated = self._valid_rows(validate_outcomes(rows, self._rules), read_outcome)
        return [(stream, part) for stream, outcomes in validated for part in slices(not_empty(outcomes))]

    def reject_unreadable(self, lines: Iterable[UnreadableRow]) -> None:
        """Reject unreadable lines."""
        current = self._place.name if self._place else ""
        for line in lines:
            file = line.file or current
            if file == current:
                self._unreadable.append(line.line)
            where = f"{file}:{line.line}" if file else f"line {line.line}"
            rejected = Rejected(
                self.read, f"{where}: {line.reason}", line.hint, *self._named(), redacted(line.text).encode()
            )
            self._record("malformed", rejected)

    def renamed(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Rows with the column names of the log instead of those of the file."""
        self._file_columns = list(rows.schema.names)
        self._names = names = self.columns.rename(self._file_columns)
        kept = [index for index, name in enumerate(names) if name is not None and name not in names[:index]]
        self.ignored |= {f"{name} (its second column)" for name in names if name and names.count(name) > 1}
        stream = self._stream
        labels = None if stream is None else {name.encode(): value for name, value in stream.labels}
        return (
            rows.select(kept).rename_columns([names[index] for index in kept]).replace_schema_metadata(labels)
        )

    def ignore(self, names: Iterable[str]) -> None:
        """Note that columns, given by their name in the log, are not used; reports give their name in the file."""
        self.ignored |= {self._file_columns[self._names.index(name)] for name in names}

    def _valid_rows(self, batch: ValidatedBatch, read: ReadRecord) -> Iterator[tuple[Stream, pa.RecordBatch]]:
        """The valid rows of the requested streams; invalid rows are rejected."""
        number, first = self.read, self.rows_in_file
        self.ignored |= batch.ignored
        for index, record in batch.suspect:
            self._reject(number + index, record, self._where(first + index), read)
        for stream, valid in batch.valid:
            if self._stream is None or stream == self._stream:
                self.accepted += valid.num_rows
                yield stream, valid
            else:
                self.others += valid.num_rows

    def _where(self, row: int) -> str:
        if self._place is None:
            return f"row {row}"
        line = row + _FIRST_LINE.get(self._place.suffix, 1)
        for broken in self._unreadable:
            line += broken <= line
        return f"{self._place.name}:{line}"

    def _reject(self, index: int, record: dict[str, object], where: str, read: ReadRecord) -> None:
        try:
            read(record, self._rules)
            message = f"id {record.get('id')!r} also occurs in an earlier row"
            hint = "each prediction needs its own id; the first one was accepted"
            error = RecordError("repeated_id", message, hint=hint)
        except RecordError as raised:
            error = raised
        client, model = (str(record.get(name) or "") for name in _STREAM_COLUMNS)
        message = f"{where}: {error.message}"
        self._record(error.reason, Rejected(index, message, error.hint, client, model, written(record)))

    def _record(self, reason: str, rejected: Rejected) -> None:
        self.rejected[reason] += 1
        if len(self._quarantined) < _MAX_EXAMPLES:
            self._quarantined.append(Quarantined(0.0, _KIND, reason, rejected))

    def _named(self) -> tuple[str, str]:
        return (self._stream.client, self._stream.model) if self._stream else ("", "")


def read_both(record: dict[str, object], rules: Rules) -> None:
    """Check a prediction, and its outcome if the record has one.

    Raises:
        RecordError: one of them is invalid.
    """
    read_prediction(record, rules)
    outcome = record.get("outcome")
    if isinstance(outcome, dict):
        names = {name: record.get(name) for name in (*_STREAM_COLUMNS, "environment")}
        read_outcome({**names, "id": record.get("id") or "-", **outcome}, rules)
