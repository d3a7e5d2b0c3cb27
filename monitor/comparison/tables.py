"""Reads tables of any kind one column at a time."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import local
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from monitor.errors import InputError
from monitor.predictions.intake.arrow_types import flat, flat_table
from monitor.sources.files.csv_dialect import DETECTED, Dialect
from monitor.sources.files.local import PARQUET, ending, first_line
from monitor.sources.files.pandas_metadata import categorical, is_index, restored
from monitor.sources.files.tables import read_table

_ROWS_AT_A_TIME = 131_072
_MANY_COLUMNS, _SMALL = 500, 64_000_000
_BYTES_AT_A_TIME = 2**20  # of a file: a column of a million rows would be eight times as much


class ColumnSource(Protocol):
    """A table with named columns. Of several columns with one name, the first is used."""

    @property
    def names(self) -> list[str]:
        """The names of the columns, in order."""
        ...

    @property
    def repeated(self) -> list[str]:
        """The names that several columns have."""
        ...

    @property
    def rows(self) -> int:
        """The number of rows."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """Notes about unreadable rows."""
        ...

    def type(self, name: str) -> pa.DataType:
        """The type of a column."""
        ...

    def chunks(self, name: str, most: int | None = None) -> Iterator[pa.Array]:
        """A column in pieces; empty if it does not exist.

        Of a very long column, an evenly spread part of at least `most` rows may be returned.
        """
        ...


class TableSource:
    """A table in memory."""

    def __init__(self, table: pa.Table, notes: Sequence[str] = ()) -> None:
        self.notes = notes
        self._table = table = flat_table(table)
        self._places = _places(table.schema)
        self.names = list(self._places)
        self.repeated = _repeated(table.schema)
        self.rows: int = table.num_rows

    def type(self, name: str) -> pa.DataType:
        """The type of a column."""
        return self._table.schema.field(self._places[name]).type

    def chunks(self, name: str, most: int | None = None) -> Iterator[pa.Array]:  # noqa: ARG002 - it is in memory
        """The pieces of a column."""
        if name in self._places:
            yield from self._table.column(self._places[name]).chunks


class ParquetSource:
    """A Parquet file. Each thread reads one column at a time."""

    notes: Sequence[str] = ()

    def __init__(self, path: Path, first: pq.ParquetFile) -> None:
        self._path = path
        self._metadata = first.metadata
        schema = self._schema = flat_table(first.schema_arrow.empty_table()).schema
        texts = (pa.types.is_string, pa.types.is_large_string)
        self._texts = [field.name for field in schema if any(test(field.type) for test in texts)]
        self._categories = categorical(schema)
        self._places = {name: place for name, place in _places(schema).items() if not is_index(name)}
        self.names = list(self._places)
        self.repeated = _repeated(schema)
        self.rows: int = first.metadata.num_rows
        self._open = local()

    def type(self, name: str) -> pa.DataType:
        """The type of a column."""
        kind = self._schema.field(self._places[name]).type
        return pa.dictionary(pa.int32(), kind) if name in self._categories else kind

    def chunks(self, name: str, most: int | None = None) -> Iterator[pa.Array]:
        """The pieces of a column, read on demand; if `most` is less, those of some row groups, evenly spread."""
        if name not in self._places:
            return
        step = max(1, self.rows // most) if most else 1
        groups = range(0, self._metadata.num_row_groups, step)
        for batch in self._file().iter_batches(
            _ROWS_AT_A_TIME, row_groups=groups, columns=[name], use_threads=False
        ):
            column = flat(batch).column(0)
            yield column.dictionary_encode() if name in self._categories else column

    def _file(self) -> pq.ParquetFile:
        if not hasattr(self._open, "file"):
            self._open.file = pq.ParquetFile(
                self._path,
                metadata=self._metadata,
                read_dictionary=self._texts,
                buffer_size=_BYTES_AT_A_TIME,
                pre_buffer=False,  # it would use Arrow's threads, and read a whole column at once
            )
        file: pq.ParquetFile = self._open.file
        return file


def open_source(data: Any, dialect: Dialect = DETECTED) -> ColumnSource:
    """Open a path, an Arrow table, or any frame with Arrow data. `dialect` is the configured format of a CSV file.

    Raises:
        InputError: it is none of these, or the file cannot be read.
    """
    if isinstance(data, str | Path):
        return _open_path(Path(data), dialect)
    if isinstance(data, pa.Table):
        return TableSource(data)
    if isinstance(data, pa.RecordBatch):
        return TableSource(pa.Table.from_batches([data]))
    if type(data).__module__.partition(".")[0] == "pandas" and hasattr(data, "columns"):
        return TableSource(_from_pandas(data))
    if hasattr(data, "__arrow_c_stream__") and not hasattr(data, "dtype"):  # a single column has one
        return TableSource(_from_stream(data))
    raise InputError(
        f"a {type(data).__name__} is not a table", hint="use pandas, Polars, Arrow, or the path of a file"
    )


def _open_path(path: Path, dialect: Dialect) -> ColumnSource:
    if ending(path.name) in PARQUET and not path.is_dir():
        try:
            return _parquet(path)
        except FileNotFoundError as error:
            raise InputError(f"{path} does not exist") from error
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{path} cannot be read: {first_line(error)}") from error
    read = read_table(path, dialect)
    return TableSource(read.rows, read.notes)


def _parquet(path: Path) -> ColumnSource:
    """A file column by column; a file of very many short columns as a whole, because each column costs a pass over its
    metadata.
    """
    first = pq.ParquetFile(path)
    about = first.metadata
    is_wide = about.num_columns > _MANY_COLUMNS
    if is_wide and sum(about.row_group(n).total_byte_size for n in range(about.num_row_groups)) < _SMALL:
        return TableSource(restored(first.read()))
    return ParquetSource(path, first)


def _places(schema: pa.Schema) -> dict[str, int]:
    """The index of each column, in order; of several with one name, the first."""
    places: dict[str, int] = {}
    for place, name in enumerate(schema.names):
        places.setdefault(name, place)
    return places


def _repeated(schema: pa.Schema) -> list[str]:
    return [name for name, count in Counter(schema.names).items() if count > 1]


def _from_stream(data: Any) -> pa.Table:
    """A table from a frame with the Arrow stream interface.

    Raises:
        InputError: it has a column of a type that Arrow does not know.
    """
    try:
        return pa.table(data)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(
            f"the {type(data).__name__} cannot be read as Arrow data: {str(error).splitlines()[0]}",
            hint="cast or drop columns of types that Arrow does not have, such as 128-bit integers",
        ) from error


def _from_pandas(frame: Any) -> pa.Table:
    """A table from pandas. Types without an Arrow equivalent become texts: mixed types, intervals, complex numbers. The
    index is left out.
    """
    columns = [_column(frame.iloc[:, index]) for index in range(len(frame.columns))]
    return pa.Table.from_arrays(columns, names=[str(name) for name in frame.columns])


def _column(series: Any) -> pa.Array | pa.ChunkedArray:
    kind = str(series.dtype)
    if kind.startswith("Sparse"):
        series = series.sparse.to_dense()
    elif kind.startswith("period"):
        series = series.dt.to_timestamp()
    try:
        array = pa.array(series, from_pandas=True)
        if not _is_interval(array.type):
            return array
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        pass
    texts = [
        None if is_missing else str(value) for value, is_missing in zip(series, series.isna(), strict=True)
    ]
    return pa.array(texts, pa.string())


def _is_interval(kind: pa.DataType) -> bool:
    """Whether a type is an interval, or a category of intervals as made by `pandas.cut`."""
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    return getattr(inner, "extension_name", "") == "pandas.interval"
