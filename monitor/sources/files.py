"""Predictions in files: Parquet, CSV and JSON lines, read a piece at a time into batches of the prediction log.

Memory does not grow with the files. Each row is held against the rules of the ingest, but may be of any age.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

from monitor.errors import InputError
from monitor.predictions.batches import Batch, split
from monitor.predictions.intake import KEPT_OF_A_RECORD, Refusal
from monitor.predictions.schema import Rules, read_prediction
from monitor.predictions.settings import PredictionSettings
from monitor.predictions.sheet import look_through
from monitor.predictions.values import RecordError
from monitor.records import Rejected, Stream
from monitor.sources import lines, places
from monitor.sources.places import Place
from monitor.store.quarantine import Quarantined

FIELDS = (
    "id",
    "timestamp",
    "version",
    "prediction",
    "confidence",
    "latency_ms",
    "error",
    "automated",
    "cost",
)
OUTCOMES = ("truth", "reviewed", "corrected", "feedback")
_NAMES = ("client", "model")
Progress = Callable[[int, float], None]
"""Told after each piece: rows read so far, and the share of the bytes that they stood in."""

_KIND = "predictions"
_FIRST_LINE = {".csv": 2}
_CHECKED = ("timestamp", "confidence", "latency_ms", "automated", "cost")
"""Fields whose values can be wrong one by one, and are read so."""
_PIECE = 65_536
_BLOCK = 8_000_000
_AGES = 1e11
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
        if column in self.skip or (column in FIELDS and column in self.fields and column not in own):
            return None
        if column in own:
            return own[column]
        if column in OUTCOMES:
            return f"outcome.{column}"
        if column in FIELDS or column.partition(".")[0] in (
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
    """Reads files of predictions. `taken` and `refused` (by reason) count rows; `examples` are kept; `ignored` are the
    columns that mean nothing here.

    With a `stream`, rows that name no other are its own, and rows of others are passed over (`others` counts them);
    without one, each row has to name its client and model. `with_outcomes` keeps columns of what became known
    (`outcome.truth`, ...) beside the predictions.
    """

    def __init__(
        self,
        files: Sequence[Path | Place],
        stream: Stream | None,
        settings: PredictionSettings,
        now: float,
        columns: ColumnMap | None = None,
        *,
        with_outcomes: bool = False,
    ) -> None:
        self._places = [places.at(str(file)) if isinstance(file, Path) else file for file in files]
        self._stream = stream
        self._columns = columns or ColumnMap()
        self._rules = Rules(settings.model_copy(update={"retention": _AGES}), now, "")
        self._base_seconds = int(settings.base_window)
        self._with_outcomes = with_outcomes
        self.taken = 0
        self.others = 0
        self.ignored: set[str] = set()
        self.refused: Counter[str] = Counter()
        self._kept: list[Refusal] = []

    @property
    def examples(self) -> list[Rejected]:
        """The first of the refused rows."""
        return [one.rejected for one in self._kept]

    def quarantined(self, now: float) -> list[Quarantined]:
        """The refused rows as they are kept: the first ones, and for each reason the number of the others."""
        found = [Quarantined(now, _KIND, one.reason, one.rejected) for one in self._kept]
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

    def batches(self, progress: Progress = lambda _rows, _share: None) -> Iterator[list[Batch]]:
        """The batches of the files, some at a time, in the order of the files.

        Raises:
            InputError: a file cannot be read, or a column has a type that cannot be used.
        """
        total = sum(place.size for place in self._places) or 1
        before = 0
        for place in self._places:
            began = self.read
            for piece, share in pieces(place, read_as_text=self._columns.theirs(_CHECKED)):
                yield self.take(piece, place, self.read - began)
                progress(self.read, (before + share * place.size) / total)
            before += place.size

    def take(self, piece: pa.RecordBatch, place: Place | None = None, first: int = 0) -> list[Batch]:
        """The batches of some rows, whose columns are named as in the files.

        `place` is the file that they stand in, from its row `first` on: refused ones are then told by file and line
        (each row taken for one line; row of a Parquet file, counted from 1).
        """
        number = self.read
        sheet = look_through(self._renamed(piece), self._rules, with_outcomes=self._with_outcomes)
        self.ignored |= sheet.ignored
        for index, record in sheet.doubtful:
            line = first + index + _FIRST_LINE.get(place.suffix, 1) if place else number + index
            self._refuse(number + index, record, f"{place.name}:{line}" if place else f"row {line}")
        found = []
        for stream, clear in sheet.clear:
            if self._stream is None or stream == self._stream:
                self.taken += clear.num_rows
                found += split(stream, clear, self._base_seconds)
            else:
                self.others += clear.num_rows
        return found

    def _renamed(self, piece: pa.RecordBatch) -> pa.RecordBatch:
        names = self._columns.rename(piece.schema.names)
        kept = [index for index, name in enumerate(names) if name is not None]
        stream = self._stream
        said = None if stream is None else {name.encode(): value for name, value in stream.labels}
        return (
            piece.select(kept).rename_columns([names[index] for index in kept]).replace_schema_metadata(said)
        )

    def _refuse(self, index: int, record: dict[str, object], where: str) -> None:
        try:
            read_prediction(record, self._rules)
            error = RecordError("repeated_id", f"id {record.get('id')!r} stands in several rows")
        except RecordError as found:
            error = found
        self.refused[error.reason] += 1
        if len(self._kept) < _KEPT:
            client, model = (str(record.get(name) or "") for name in _NAMES)
            shown = json.dumps(record, default=str)[:KEPT_OF_A_RECORD].encode()
            rejected = Rejected(index, f"{where}: {error.message}", error.hint, client, model, shown)
            self._kept.append(Refusal(error.reason, rejected))


def pieces(
    place: Place, groups: Sequence[int] | None = None, read_as_text: Sequence[str] = _CHECKED
) -> Iterator[tuple[pa.RecordBatch, float]]:
    """The rows of a file some at a time, and the share of the file that is read then; of a Parquet file, only some
    row groups if they are named; of a CSV file, some columns as the texts that they are.

    Raises:
        InputError: the file cannot be read, or its name ends in none of .parquet, .csv, .ndjson, .jsonl.
    """
    readers = {".csv": _csv, ".ndjson": _json, ".jsonl": _json}
    reader = readers.get(place.suffix)
    if reader is None and place.suffix != ".parquet":
        raise InputError(f"{place.name} is of no known kind", hint=f"known are {', '.join(places.KINDS)}")
    try:
        yield from _parquet(place, groups) if reader is None else reader(place, read_as_text)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise InputError(f"{place.name} cannot be read: {error}") from error


def row_groups(place: Place) -> int:
    """How many row groups a Parquet file has.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with place.open() as source, pa.parquet.ParquetFile(source) as file:
            return int(file.num_row_groups)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{place.name} cannot be read: {error}") from error


def _parquet(place: Place, groups: Sequence[int] | None) -> Iterator[tuple[pa.RecordBatch, float]]:
    with place.open() as source, pa.parquet.ParquetFile(source) as file:
        chosen = list(range(file.num_row_groups)) if groups is None else list(groups)
        total = sum(file.metadata.row_group(group).num_rows for group in chosen)
        rows = 0
        for piece in file.iter_batches(batch_size=_PIECE, row_groups=chosen):
            rows += piece.num_rows
            yield piece, rows / max(1, total)


def _csv(place: Place, read_as_text: Sequence[str]) -> Iterator[tuple[pa.RecordBatch, float]]:
    """Columns named in `read_as_text` come as texts: else the first block decides, and another kind ends the file."""
    convert = pa.csv.ConvertOptions(column_types=dict.fromkeys(read_as_text, pa.string()))
    options = pa.csv.ReadOptions(block_size=_BLOCK)
    with place.open() as file, pa.csv.open_csv(file, options, convert_options=convert) as reader:
        for piece in reader:
            yield piece, min(1.0, file.tell() / max(1, place.size))


def _json(place: Place, read_as_text: Sequence[str]) -> Iterator[tuple[pa.RecordBatch, float]]:
    rows = 0
    try:
        with place.open() as file, pa.json.open_json(file, pa.json.ReadOptions(block_size=_BLOCK)) as reader:
            for piece in reader:
                yield _flat(piece), min(1.0, file.tell() / max(1, place.size))
                rows += piece.num_rows
    except pa.ArrowInvalid:
        yield from lines.read(place, rows, read_as_text)


def _flat(piece: pa.RecordBatch) -> pa.RecordBatch:
    """Objects inside records as columns with a dot: `{"features": {"a": 1}}` as `features.a`."""
    names: list[str] = []
    columns: list[pa.Array] = []
    for name, values in zip(piece.schema.names, piece.columns, strict=True):
        if pa.types.is_struct(values.type):
            names += [f"{name}.{inner.name}" for inner in values.type]
            columns += values.flatten()
        else:
            names.append(name)
            columns.append(values)
    return pa.RecordBatch.from_arrays(columns, names=names)
