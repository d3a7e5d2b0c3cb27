"""Predictions in files: Parquet, CSV and JSON lines, read a piece at a time into batches of the prediction log.

Memory does not grow with the files. Each row is held against the rules of the ingest, but may be of any age.
"""

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
from monitor.predictions.schema import RecordError, Rules, read_prediction
from monitor.predictions.settings import PredictionSettings
from monitor.predictions.sheet import look_through
from monitor.records import Rejected, Stream

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
Progress = Callable[[int, float], None]
"""Told after each piece: rows read so far, and the share of the bytes that they stood in."""

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

    def named(self, column: str) -> str | None:
        """The log's name for a column of the file, or None when it is left out."""
        own = {theirs: ours for ours, theirs in self.fields.items()}
        if column in self.skip or (column in FIELDS and column in self.fields and column not in own):
            return None
        if column in own:
            return own[column]
        if column in FIELDS or column.partition(".")[0] in ("features", "segments", "probabilities"):
            return column
        if column in self.segments:
            return f"segments.{column}"
        return f"features.{column}" if not self.features or column in self.features else None


class FileReader:
    """Reads files of one stream's predictions. `taken` and `refused` (by reason) count rows; `examples` are kept."""

    def __init__(
        self,
        paths: Sequence[Path],
        stream: Stream,
        settings: PredictionSettings,
        now: float,
        columns: ColumnMap | None = None,
    ) -> None:
        self._paths = paths
        self._stream = stream
        self._columns = columns or ColumnMap()
        self._rules = Rules(settings.model_copy(update={"retention": _AGES}), now, stream.client)
        self._base_seconds = int(settings.base_window)
        self.taken = 0
        self.refused: Counter[str] = Counter()
        self.examples: list[Rejected] = []

    def batches(self, progress: Progress = lambda _rows, _share: None) -> Iterator[list[Batch]]:
        """The batches of the files, some at a time, in the order of the files.

        Raises:
            InputError: a file cannot be read, or a column has a type that cannot be used.
        """
        total = sum(path.stat().st_size for path in self._paths) or 1
        before = 0
        for path in self._paths:
            for piece, share in pieces(path):
                yield self._take(piece)
                done = (before + share * path.stat().st_size) / total
                progress(self.taken + sum(self.refused.values()), done)
            before += path.stat().st_size

    def _take(self, piece: pa.RecordBatch) -> list[Batch]:
        number = self.taken + sum(self.refused.values())
        names = [self._columns.named(name) for name in piece.schema.names]
        kept = [index for index, name in enumerate(names) if name is not None]
        stream = {
            b"client": self._stream.client,
            b"model": self._stream.model,
            b"environment": self._stream.environment,
        }
        rows = (
            piece.select(kept)
            .rename_columns([names[index] for index in kept])
            .replace_schema_metadata(stream)
        )
        sheet = look_through(rows, self._rules)
        for index, record in sheet.doubtful:
            self._refuse(number + index, record)
        found = []
        for stream_found, clear in sheet.clear:
            self.taken += clear.num_rows
            found += split(stream_found, clear, self._base_seconds)
        return found

    def _refuse(self, index: int, record: dict[str, object]) -> None:
        try:
            read_prediction(record, self._rules)
            error = RecordError("repeated_id", f"id {record.get('id')!r} stands in several rows")
        except RecordError as found:
            error = found
        self.refused[error.reason] += 1
        if len(self.examples) < _KEPT:
            self.examples.append(
                Rejected(index, error.message, error.hint, self._stream.client, self._stream.model)
            )


def pieces(path: Path) -> Iterator[tuple[pa.RecordBatch, float]]:
    """The rows of a file some at a time, and the share of the file that is read then.

    Raises:
        InputError: the file cannot be read, or its name ends in none of .parquet, .csv, .ndjson, .jsonl.
    """
    readers = {".parquet": _parquet, ".csv": _csv, ".ndjson": _json, ".jsonl": _json}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path} is of no known kind", hint=f"known are {', '.join(readers)}")
    try:
        yield from reader(path)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error


def _parquet(path: Path) -> Iterator[tuple[pa.RecordBatch, float]]:
    with pa.parquet.ParquetFile(path) as file:
        rows = 0
        for piece in file.iter_batches(batch_size=_PIECE):
            rows += piece.num_rows
            yield piece, rows / max(1, file.metadata.num_rows)


def _csv(path: Path) -> Iterator[tuple[pa.RecordBatch, float]]:
    with path.open("rb") as file, pa.csv.open_csv(file, pa.csv.ReadOptions(block_size=_BLOCK)) as reader:
        for piece in reader:
            yield piece, min(1.0, file.tell() / max(1, path.stat().st_size))


def _json(path: Path) -> Iterator[tuple[pa.RecordBatch, float]]:
    with path.open("rb") as file, pa.json.open_json(file, pa.json.ReadOptions(block_size=_BLOCK)) as reader:
        for piece in reader:
            yield _flat(piece), min(1.0, file.tell() / max(1, path.stat().st_size))


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
