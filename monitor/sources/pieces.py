"""Files as rows some at a time: Parquet, CSV, JSON and Arrow. Memory does not grow with the files, except for an array
of JSON, which is read whole.
"""

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet

from monitor.errors import InputError
from monitor.predictions.readable import flat
from monitor.sources import delimited, lines
from monitor.sources.delimited import Piece
from monitor.sources.dialect import FOUND, Dialect
from monitor.sources.local import ARROW, DELIMITED, JSON, KINDS, arrow_batches, first_line
from monitor.sources.places import Place

CHECKED = ("timestamp", "confidence", "latency_ms", "automated", "cost", "reviewed", "corrected", "feedback")
"""Fields whose values can be wrong one by one, and are read so."""
NAMED = ("id", "version", "error", "client", "model", "environment")
"""Fields that are names, also where they look like numbers: `007`, `1.10`."""
_PIECE = 65_536


def pieces(
    place: Place,
    groups: Sequence[int] | None = None,
    read_as_text: Sequence[str] = (*CHECKED, *NAMED),
    said: Dialect = FOUND,
) -> Iterator[Piece]:
    """The rows of a file some at a time; of a Parquet file, only some row groups if they are named; of a file of text,
    some columns as the texts that they are. `said` is what somebody says of a CSV file.

    Raises:
        InputError: the file cannot be read, or its name ends in none of `monitor.sources.local.KINDS`.
    """
    if place.suffix not in KINDS:
        raise InputError(f"{place.name} is of no known kind", hint=f"known are {', '.join(KINDS)}")
    try:
        if place.suffix in DELIMITED:
            yield from delimited.read(place, read_as_text, said)
        elif place.suffix in JSON:
            yield from lines.read(place, read_as_text)
        elif place.suffix in ARROW:
            yield from _arrow(place)
        else:
            yield from _parquet(place, groups)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{place.name} cannot be read: {first_line(error)}") from error


def row_groups(place: Place) -> int:
    """How many row groups a Parquet file has.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with place.open() as source, pa.parquet.ParquetFile(source) as file:
            return int(file.num_row_groups)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{place.name} cannot be read: {first_line(error)}") from error


def _parquet(place: Place, groups: Sequence[int] | None) -> Iterator[Piece]:
    with place.open() as source, pa.parquet.ParquetFile(source) as file:
        chosen = list(range(file.num_row_groups)) if groups is None else list(groups)
        total = sum(file.metadata.row_group(group).num_rows for group in chosen)
        rows = 0
        for piece in file.iter_batches(batch_size=_PIECE, row_groups=chosen):
            rows += piece.num_rows
            yield Piece(flat(piece), rows / max(1, total))


def _arrow(place: Place) -> Iterator[Piece]:
    """An Arrow file, or a stream that was written into one."""
    with place.open() as file:
        for rows in arrow_batches(file):
            yield Piece(flat(rows), min(1.0, file.tell() / max(1, place.size)))
