"""Rows of files into batches of the prediction log: which column is what, and which rows are refused.

Each row is held against the rules of the ingest, but may be of any age.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from monitor.errors import InputError
from monitor.predictions.batches import Batch, split
from monitor.predictions.fields import OUTCOME_FIELDS, PREDICTION_FIELDS
from monitor.predictions.intake import KEPT_OF_A_RECORD
from monitor.predictions.schema import Rules, read_outcome, read_prediction
from monitor.predictions.settings import PredictionSettings
from monitor.predictions.sheet import Sheet, look_through, look_through_outcomes
from monitor.predictions.values import RecordError
from monitor.records import Rejected, Stream
from monitor.sources import dialect
from monitor.sources.delimited import Piece
from monitor.sources.known import slices, telling
from monitor.sources.places import Place
from monitor.store.quarantine import Quarantined

_NAMES = ("client", "model")
Read = Callable[[dict[str, object], Rules], object]
"""Reads one record, or says what is wrong with it."""

_KIND = "predictions"
_FIRST_LINE = {".csv": 2, ".tsv": 2}
_AGES = 1e11
_NO_TIME = "call the column that says when a row was made `timestamp`: the past must not count as now"
_KEPT = 100


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """Which column of a file holds what.

    `fields` gives the file's name for a field that is called otherwise there (`{"prediction": "y_hat"}`). A column that
    is named `features.x`, `segments.x` or `probabilities.x` is that. `segments` and `skip` name further columns; every
    other column is a feature, or, when `features` is not empty, only those are.
    """

    fields: dict[str, str] = field(default_factory=dict)
    features: Sequence[str] = ()
    segments: Sequence[str] = ()
    skip: Sequence[str] = ()

    def rename(self, columns: Sequence[str]) -> list[str | None]:
        """The log's names for the columns of a file, None for those that are left out.

        `client` and `model` name the stream where a file has both; alone, each is a feature like any other.
        """
        named = [self.named(column) for column in columns]
        if set(_NAMES) <= set(columns):
            named = [
                column if column in (*_NAMES, "environment") else name
                for column, name in zip(columns, named, strict=True)
            ]
        return named

    def theirs(self, fields: Sequence[str]) -> list[str]:
        """What fields of a record are called in the file."""
        return [self.fields.get(name, name) for name in fields]

    def named(self, column: str) -> str | None:
        """The log's name for a column of the file, or None when it is left out."""
        own = {theirs: ours for ours, theirs in self.fields.items()}
        if column in self.skip or (
            column in PREDICTION_FIELDS and column in self.fields and column not in own
        ):
            return None
        if column in own:
            return own[column]
        if column in OUTCOME_FIELDS:
            return f"outcome.{column}"
        if column in PREDICTION_FIELDS or column.partition(".")[0] in (
            "features",
            "segments",
            "probabilities",
            "outcome",
        ):
            return column
        if column in self.segments:
            return f"segments.{column}"
        return f"features.{column}" if not self.features or column in self.features else None


class FileReader:
    """Takes rows of files. `taken` and `refused` (by reason) count rows; `examples` are kept; `ignored` are the columns
    that mean nothing here.

    With a `stream`, rows that name no other are its own, and rows of others are passed over (`others` counts them);
    without one, each row has to name its client and model. What became known later (`outcome.truth`, ...) stays beside
    the predictions.
    """

    def __init__(
        self,
        stream: Stream | None,
        settings: PredictionSettings,
        now: float,
        columns: ColumnMap | None = None,
    ) -> None:
        self._stream = stream
        self.columns = columns or ColumnMap()
        self._rules = Rules(settings.model_copy(update={"retention": _AGES}), now, "")
        self._base_seconds = int(settings.base_window)
        self._place: Place | None = None
        self._began = 0
        self._broken: list[int] = []
        self._theirs: list[str] = []
        self.taken = 0
        self.others = 0
        self.ignored: set[str] = set()
        self.refused: Counter[str] = Counter()
        self._kept: list[Quarantined] = []

    @property
    def examples(self) -> list[Rejected]:
        """The first of the refused rows."""
        return [one.rejected for one in self._kept]

    def quarantined(self, now: float) -> list[Quarantined]:
        """The refused rows as they are kept: the first ones, and for each reason the number of the others."""
        found = [replace(one, at=now) for one in self._kept]
        rest = self.refused - Counter(one.reason for one in self._kept)
        for reason, count in rest.items():
            stream = self._stream or Stream("", "")
            error = f"{count:,} more rows of files were refused for this"
            found.append(
                Quarantined(now, _KIND, reason, Rejected(0, error, "", stream.client, stream.model), count)
            )
        return found

    @property
    def read(self) -> int:
        """Rows read so far."""
        return self.taken + self.others + sum(self.refused.values())

    @property
    def in_file(self) -> int:
        """Rows read so far of the file at hand, without lines that are no rows."""
        return self.read - self._began - len(self._broken)

    def turn_to(self, place: Place) -> None:
        """Say which file the next rows stand in: refused ones are told by file and line (each row taken for one line;
        row of a Parquet file, counted from 1).
        """
        self._place, self._began, self._broken = place, self.read, []

    def take(self, rows: pa.RecordBatch) -> list[Batch]:
        """The batches of some rows, whose columns are named as in the log.

        Raises:
            InputError: a column has a type that cannot be used, or nothing says when the rows were made.
        """
        if rows.num_rows and "timestamp" not in rows.schema.names:
            where = self._place.name if self._place else "the table"
            hint = dialect.doubt(self._theirs) or _NO_TIME
            raise InputError(f"{where} has no column 'timestamp'", hint=hint)
        found = []
        for stream, clear in self._clear(look_through(rows, self._rules, with_outcomes=True), read_both):
            found += split(stream, clear, self._base_seconds)
        return found

    def take_outcomes(self, rows: pa.RecordBatch) -> list[tuple[Stream, pa.RecordBatch]]:
        """The outcomes in some rows that say anything yet; columns are named as in an outcome that is sent.

        Raises:
            InputError: a column has a type that cannot be used.
        """
        found = self._clear(look_through_outcomes(rows, self._rules), read_outcome)
        return [(stream, part) for stream, some in found for part in slices(telling(some))]

    def refuse_broken(self, piece: Piece) -> None:
        """Refuse the lines that are no rows."""
        for one in piece.broken:
            self._broken.append(one.line)
            where = f"{self._place.name}:{one.line}" if self._place else f"line {one.line}"
            rejected = Rejected(
                self.read, f"{where}: {one.reason}", one.hint, *self._named(), one.text.encode()
            )
            self._keep("malformed", rejected)

    def renamed(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Rows whose columns are named as in the files with the names of the log."""
        self._theirs = list(rows.schema.names)
        names = self.columns.rename(self._theirs)
        kept = [index for index, name in enumerate(names) if name is not None]
        stream = self._stream
        said = None if stream is None else {name.encode(): value for name, value in stream.labels}
        return (
            rows.select(kept).rename_columns([names[index] for index in kept]).replace_schema_metadata(said)
        )

    def _clear(self, sheet: Sheet, read: Read) -> Iterator[tuple[Stream, pa.RecordBatch]]:
        """The clear rows of the streams that are asked for; the doubtful ones are refused."""
        number, first = self.read, self.in_file
        self.ignored |= sheet.ignored
        for index, record in sheet.doubtful:
            self._refuse(number + index, record, self._where(first + index), read)
        for stream, clear in sheet.clear:
            if self._stream is None or stream == self._stream:
                self.taken += clear.num_rows
                yield stream, clear
            else:
                self.others += clear.num_rows

    def _where(self, row: int) -> str:
        if self._place is None:
            return f"row {row}"
        line = row + _FIRST_LINE.get(self._place.suffix, 1)
        for broken in self._broken:
            line += broken <= line
        return f"{self._place.name}:{line}"

    def _refuse(self, index: int, record: dict[str, object], where: str, read: Read) -> None:
        try:
            read(record, self._rules)
            error = RecordError("repeated_id", f"id {record.get('id')!r} stands in several rows")
        except RecordError as found:
            error = found
        client, model = (str(record.get(name) or "") for name in _NAMES)
        shown = json.dumps(record, default=str)[:KEPT_OF_A_RECORD].encode()
        self._keep(
            error.reason, Rejected(index, f"{where}: {error.message}", error.hint, client, model, shown)
        )

    def _keep(self, reason: str, rejected: Rejected) -> None:
        self.refused[reason] += 1
        if len(self._kept) < _KEPT:
            self._kept.append(Quarantined(0.0, _KIND, reason, rejected))

    def _named(self) -> tuple[str, str]:
        return (self._stream.client, self._stream.model) if self._stream else ("", "")


def read_both(record: dict[str, object], rules: Rules) -> None:
    """Check a prediction, and what became known of it where it says that.

    Raises:
        RecordError: one of them cannot be taken.
    """
    read_prediction(record, rules)
    told = record.get("outcome")
    if isinstance(told, dict):
        names = {name: record.get(name) for name in (*_NAMES, "environment")}
        read_outcome({**names, "id": record.get("id") or "-", **told}, rules)
