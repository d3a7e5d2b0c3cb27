"""Files in chunks of rows: Parquet, CSV, JSON and Arrow. Memory does not grow with the files, except for a JSON array,
which is read as a whole.
"""

from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet

from monitor.errors import InputError
from monitor.predictions.fields import STREAM_FIELDS, FieldType, of_type
from monitor.predictions.intake.arrow_types import flat
from monitor.sources.files import csv_reader, json_reader
from monitor.sources.files.csv_dialect import DETECTED, Dialect
from monitor.sources.files.csv_reader import CsvChunk
from monitor.sources.files.local import ARROW, DELIMITED, JSON, KINDS, arrow_batches, first_line
from monitor.sources.files.locations import Location
from monitor.sources.files.pandas_metadata import restored

TIMES = ("timestamp", "outcome.timestamp")
CHECKED = (
    *TIMES,
    *of_type(FieldType.PROBABILITY, FieldType.MILLISECONDS, FieldType.NUMBER, FieldType.BOOLEAN),
    *of_type(FieldType.ITEMS, FieldType.GRADES, FieldType.LABEL_SET, FieldType.OUTPUTS),
)
"""Fields whose values are validated one by one, and therefore read as texts."""
NAMED = (*of_type(FieldType.ID, FieldType.VERSION, FieldType.LABEL), *STREAM_FIELDS)
"""Fields that are names, even if they look like numbers: `007`, `1.10`."""
NUMERIC = (
    *TIMES,
    *of_type(FieldType.PROBABILITY, FieldType.MILLISECONDS, FieldType.NUMBER, FieldType.LABEL),
)
"""Fields that are or may be numbers, and therefore may have decimal commas."""
EXACT = of_type(FieldType.ID, FieldType.VERSION)
"""Fields in which each digit of a number counts: two ids of 64 bits may be one float."""
_CHUNK_ROWS = 65_536


def chunks(
    place: Location,
    groups: Sequence[int] | None = None,
    read_as_text: Sequence[str] = (*CHECKED, *NAMED),
    dialect: Dialect = DETECTED,
    wanted: Callable[[str], bool] = lambda _name: True,
    numeric: Sequence[str] = NUMERIC,
    exact: Sequence[str] = EXACT,
) -> Iterator[CsvChunk]:
    """The rows of a file in chunks.

    `groups` selects row groups of a Parquet file. Columns in `read_as_text` stay texts in text files. `dialect` is the
    configured format of a CSV file. Of Parquet files, only the `wanted` columns are read. The texts of `numeric`
    columns may have decimal commas; numbers of `exact` ones keep all their digits.

    Raises:
        InputError: the file cannot be read, or its suffix is not in `monitor.sources.files.local.KINDS`.
    """
    if place.suffix not in KINDS:
        raise InputError(
            f"{place.name} has an unsupported file type", hint=f"supported are {', '.join(KINDS)}"
        )
    try:
        if place.suffix in DELIMITED:
            yield from csv_reader.read(place, read_as_text, dialect, numeric)
        elif place.suffix in JSON:
            yield from json_reader.read(place, read_as_text, exact)
        elif place.suffix in ARROW:
            yield from _arrow(place)
        else:
            yield from _parquet(place, groups, wanted)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{place.name} cannot be read: {first_line(error)}") from error


def row_groups(place: Location) -> int:
    """The number of row groups in a Parquet file.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        with place.open() as source, pa.parquet.ParquetFile(source) as file:
            return int(file.num_row_groups)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{place.name} cannot be read: {first_line(error)}") from error


def _parquet(
    place: Location, groups: Sequence[int] | None, wanted: Callable[[str], bool]
) -> Iterator[CsvChunk]:
    with place.open() as source, pa.parquet.ParquetFile(source) as file:
        chosen = list(range(file.num_row_groups)) if groups is None else list(groups)
        total = sum(file.metadata.row_group(group).num_rows for group in chosen)
        rows = 0
        names = file.schema_arrow.names
        columns = [name for name in names if wanted(name)]
        some = None if columns == names else columns
        for piece in file.iter_batches(batch_size=_CHUNK_ROWS, row_groups=chosen, columns=some):
            rows += piece.num_rows
            yield CsvChunk(flat(restored(piece)), rows / max(1, total))


def _arrow(place: Location) -> Iterator[CsvChunk]:
    """An Arrow file, or an Arrow stream in a file."""
    with place.open() as file:
        for rows in arrow_batches(file):
            yield CsvChunk(flat(restored(rows)), min(1.0, file.tell() / max(1, place.size)))
