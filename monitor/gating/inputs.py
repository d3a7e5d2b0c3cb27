"""Reads the predictions of a candidate or a baseline, and truths, from files and frames.

The columns have the meaning that they have for `watchkeeper load`, and each row is validated as there. Where `load`
sets a bad row aside and goes on, a gate refuses the file: a decision on the rest would be one on other items.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from monitor.comparison.tables import open_source
from monitor.errors import InputError
from monitor.predictions.fields import OUTCOME_FIELDS, STREAM_FIELDS
from monitor.predictions.intake.arrow_types import flat
from monitor.predictions.log.columns import names
from monitor.predictions.settings import PredictionSettings
from monitor.records import Stream
from monitor.sources.files.chunked import NAMED, NUMERIC, chunks
from monitor.sources.files.csv_dialect import DETECTED, Dialect, doubt
from monitor.sources.files.csv_reader import CsvChunk
from monitor.sources.files.local import PARQUET, ending
from monitor.sources.files.locations import location_of
from monitor.sources.files.prediction_rows import ColumnMap, FileReader, read_both
from monitor.visible import counted, one_line

EPOCH = 1_700_000_000
"""The time that every row gets: a gate compares items, not times."""
_USED = ("id", "prediction", "confidence", "latency_ms", "error", "cost", "automated", "outcome.truth")
_GROUPS = ("segments.", "probabilities.")
_OBJECTS = ("segments", "probabilities", "outcome")
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class ColumnRoles:
    """What the columns of the files mean.

    `fields` gives the file's name of a field that has another name there (`{"truth": "label"}`), `segments` are columns
    whose values are compared on their own, and `group` is the column that names what the items of one group have in
    common, such as a user.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    segments: Sequence[str] = ()
    group: str = ""

    @property
    def wanted(self) -> list[str]:
        """The segments and the group."""
        return [*self.segments, *([self.group] if self.group else [])]

    def may_be_used(self, column: str) -> bool:
        """Whether a column of a file may hold what a gate compares; features are not read."""
        known = {*_USED, *OUTCOME_FIELDS, *self.wanted, *self.fields.values()}
        return column in known or column.partition(".")[0] in _OBJECTS

    def mapping(self) -> ColumnMap:
        """The same for the readers of files."""
        fields = {
            f"outcome.{name}" if name in OUTCOME_FIELDS else name: column
            for name, column in self.fields.items()
        }
        return ColumnMap(fields, segments=self.wanted)


def read(
    data: object,
    what: str,
    columns: ColumnRoles,
    dialect: Dialect = DETECTED,
    *,
    truths_only: bool = False,
) -> pa.Table:
    """The valid rows of a file or frame, named as in the prediction log. `what` names it in messages.

    With `truths_only`, a row has an id and a truth, and its prediction is not read.

    Raises:
        InputError: the data cannot be read, has no column `id` or no row, or a row is invalid or occurs twice.
    """
    reader = _Reader(columns, truths_only=truths_only)
    parts: list[pa.RecordBatch] = []
    for chunk in _chunks(data, columns, dialect, reader):
        parts += reader.valid(chunk, what, data)
    if reader.rejected:
        shown = [
            f"{one_line(example.error)}{f' ({one_line(example.hint)})' if example.hint else ''}"
            for example in reader.examples[:_SHOWN]
        ]
        more = sum(reader.rejected.values()) - len(shown)
        raise InputError("; ".join([*shown, *([f"and {counted(more, 'more row')}"] if more else [])]))
    if not parts:
        raise InputError(f"{what} has no row")
    return _joined(parts)


class _Reader(FileReader):
    """Reads rows of any age as one stream."""

    def __init__(self, columns: ColumnRoles, *, truths_only: bool) -> None:
        super().__init__(Stream("gate", "gate"), PredictionSettings(), float(EPOCH), columns.mapping(), None)
        self._truths_only = truths_only

    def valid(self, chunk: CsvChunk, what: str, data: object) -> list[pa.RecordBatch]:
        """The valid rows of a chunk; the others are counted and reported.

        Raises:
            InputError: there is no column `id`, or a column has an unusable type.
        """
        renamed = self.renamed(chunk.rows)
        self.reject_unreadable(chunk.unreadable)
        if chunk.unreadable and not chunk.rows.num_rows:
            return []
        there = dict(zip(renamed.schema.names, renamed.columns, strict=True))
        kept = {name: there[name] for name in there if name in _USED or name.startswith(_GROUPS)}
        if "id" not in kept:
            raise _without_ids(what, data, list(chunk.rows.schema.names))
        if kept["id"].null_count:
            row = int(np.flatnonzero(np.asarray(kept["id"].is_null()))[0])
            raise InputError(f"{self._where(self.rows_in_file + row)}: the id is missing")
        rows = chunk.rows.num_rows
        if self._truths_only:
            kept = {name: kept[name] for name in kept if name not in ("prediction", "error")}
            kept["prediction"] = pa.array(np.zeros(rows))  # a row is valid with an answer; nobody reads it
        kept["timestamp"] = pa.array(np.full(rows, float(EPOCH)))
        batch = pa.RecordBatch.from_arrays(list(kept.values()), names=list(kept))
        batch = batch.replace_schema_metadata(renamed.schema.metadata)
        return [valid for _, valid in self._valid_rows(self._validated(batch), read_both)]


def _without_ids(what: str, data: object, read_columns: list[str]) -> InputError:
    """What to say of a table without ids: its columns, also those that were not read."""
    is_local = isinstance(data, str | Path) and "://" not in str(data)
    columns = open_source(data).names if is_local and ending(str(data)) in PARQUET else read_columns
    listed = ", ".join(one_line(name) for name in columns[:20])
    hint = f"items are joined by id; the columns are {listed}. Name the right one: --column id=NAME"
    return InputError(f"{what} has no column 'id'", hint=doubt(columns) or hint)


def _chunks(data: object, columns: ColumnRoles, dialect: Dialect, reader: _Reader) -> Iterator[CsvChunk]:
    """The rows in pieces. Names, such as ids, are read as texts from text files."""
    if isinstance(data, str | Path):
        place = location_of(str(data))
        reader.start_file(place)
        as_text = [*reader.columns.file_names(NAMED), *columns.wanted]
        numeric = reader.columns.file_names(NUMERIC)
        yield from chunks(
            place, read_as_text=as_text, dialect=dialect, wanted=columns.may_be_used, numeric=numeric
        )
        return
    source = open_source(data, dialect)
    arrays = {name: _whole(source.chunks(name), source.type(name)) for name in source.names}
    for batch in pa.table(arrays).to_batches(max_chunksize=65_536):
        yield CsvChunk(flat(batch), 0.0)


def _whole(pieces: Iterator[pa.Array], kind: pa.DataType) -> pa.Array:
    chunks = list(pieces)
    return pa.chunked_array(chunks).combine_chunks() if chunks else pa.nulls(0, kind)


def _joined(parts: list[pa.RecordBatch]) -> pa.Table:
    """One table of all parts. A column that holds texts in one part holds texts in all."""
    present = dict.fromkeys(name for part in parts for name in part.schema.names)
    columns: dict[str, Any] = {}
    for name in present:
        pieces = [
            part.column(name) if name in part.schema.names else pa.nulls(part.num_rows) for part in parts
        ]
        columns[name] = _same_type(pieces)
    return pa.table({name: column for name, column in columns.items() if name not in STREAM_FIELDS})


def _same_type(pieces: list[pa.Array]) -> pa.ChunkedArray:
    kinds = {piece.type for piece in pieces if piece.null_count < len(piece)}
    if len(kinds) <= 1 and not any(map(pa.types.is_dictionary, kinds)):
        kind = next(iter(kinds), pa.string())
        return pa.chunked_array(
            [pa.nulls(len(piece), kind) if piece.type != kind else piece for piece in pieces], kind
        )
    texts = [
        pa.nulls(len(piece), pa.string())
        if piece.null_count == len(piece)
        else (piece if pa.types.is_string(piece.type) else names(piece).cast(pa.string()))
        for piece in pieces
    ]
    return pa.chunked_array(texts, pa.string())
