"""Files as rows some at a time: Parquet, CSV and JSON lines. Memory does not grow with the files."""

from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa
import pyarrow.json
import pyarrow.parquet

from monitor.errors import InputError
from monitor.predictions.readable import flat
from monitor.sources import delimited, lines, places
from monitor.sources.delimited import Piece
from monitor.sources.places import Place

CHECKED = ("timestamp", "confidence", "latency_ms", "automated", "cost", "reviewed", "corrected", "feedback")
"""Fields whose values can be wrong one by one, and are read so."""
NAMED = ("id", "version", "error", "client", "model", "environment")
"""Fields that are names, also where they look like numbers: `007`, `1.10`."""
_PIECE = 65_536
_BLOCK = 8_000_000


Reader = Callable[[Place, Sequence[str]], Iterator[Piece]]


def pieces(
    place: Place, groups: Sequence[int] | None = None, read_as_text: Sequence[str] = (*CHECKED, *NAMED)
) -> Iterator[Piece]:
    """The rows of a file some at a time; of a Parquet file, only some row groups if they are named; of a file of texts,
    some columns as the texts that they are.

    Raises:
        InputError: the file cannot be read, or its name ends in none of .parquet, .csv, .ndjson, .jsonl.
    """
    readers: dict[str, Reader] = {".csv": delimited.read, ".ndjson": _json, ".jsonl": _json}
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


def _parquet(place: Place, groups: Sequence[int] | None) -> Iterator[Piece]:
    with place.open() as source, pa.parquet.ParquetFile(source) as file:
        chosen = list(range(file.num_row_groups)) if groups is None else list(groups)
        total = sum(file.metadata.row_group(group).num_rows for group in chosen)
        rows = 0
        for piece in file.iter_batches(batch_size=_PIECE, row_groups=chosen):
            rows += piece.num_rows
            yield Piece(flat(piece), rows / max(1, total))


def _json(place: Place, read_as_text: Sequence[str]) -> Iterator[Piece]:
    rows = 0
    try:
        with place.open() as file, pa.json.open_json(file, pa.json.ReadOptions(block_size=_BLOCK)) as reader:
            for piece in reader:
                yield Piece(flat(piece), min(1.0, file.tell() / max(1, place.size)))
                rows += piece.num_rows
    except pa.ArrowInvalid:
        yield from lines.read(place, rows, read_as_text)
