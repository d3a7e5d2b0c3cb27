"""What can be read: a file of this machine, or one that lies elsewhere (see `places`), of one of some kinds."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa

GZIP = ".gz"
PARQUET = (".parquet", ".pq")
DELIMITED = (".csv", ".tsv")
JSON = (".ndjson", ".jsonl", ".json")
ARROW = (".arrow", ".feather", ".ipc")
KINDS = (*PARQUET, *DELIMITED, *JSON, *ARROW)
"""Endings of the names of files that can be read. Those of text may be compressed: `.csv.gz`."""
_ARROW_FILE = b"ARROW1"


class File(Protocol):
    """What can be read: one of `monitor.sources.places`, or simply one of this machine."""

    @property
    def name(self) -> str:
        """Its full name as people write it."""
        ...

    @property
    def size(self) -> int:
        """In bytes."""
        ...

    def open(self) -> pa.NativeFile:
        """The file for reading at any place in it, as its bytes are."""
        ...


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file of this machine, without Arrow's file systems: a daemon would hold seven megabytes for them."""

    path: Path

    @property
    def name(self) -> str:
        """Its path."""
        return str(self.path)

    @property
    def size(self) -> int:
        """In bytes."""
        return self.path.stat().st_size

    def open(self) -> pa.NativeFile:
        """The file for reading.

        Raises:
            OSError: it cannot be read.
        """
        return pa.OSFile(str(self.path))


def ending(name: str) -> str:
    """The end of a file's name that says what kind of file it is, in small letters; that of `rows.csv.gz` is `.csv`."""
    path = Path(name.lower())
    inner = Path(path.stem).suffix
    return inner if path.suffix == GZIP and inner in (*DELIMITED, *JSON) else path.suffix


def arrow_batches(file: pa.NativeFile) -> Iterator[pa.RecordBatch]:
    """What an Arrow file holds, or a stream that was written into one."""
    is_file = file.read(len(_ARROW_FILE)) == _ARROW_FILE
    file.seek(0)
    if not is_file:
        yield from pa.ipc.open_stream(file)
        return
    with pa.ipc.open_file(file) as reader:
        for number in range(reader.num_record_batches):
            yield reader.get_batch(number)


def first_line(error: Exception) -> str:
    """What somebody else's error says, in one line."""
    return (str(error).strip().splitlines() or [f"it is damaged ({type(error).__name__})"])[0]
