"""Readable files: the interface, local files, and the supported formats. Object stores are in `locations`."""

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
"""Suffixes of the supported files. Text files may be compressed: `.csv.gz`."""
_ARROW_FILE = b"ARROW1"


class ReadableFile(Protocol):
    """A readable file: one of `monitor.sources.files.locations`, or a local one."""

    @property
    def name(self) -> str:
        """The full name."""
        ...

    @property
    def size(self) -> int:
        """Size in bytes."""
        ...

    def open(self) -> pa.NativeFile:
        """Open the file for random access to its raw bytes."""
        ...


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A local file, without Arrow's file systems, which would cost a daemon seven megabytes."""

    path: Path

    @property
    def name(self) -> str:
        """The path."""
        return str(self.path)

    @property
    def size(self) -> int:
        """Size in bytes."""
        return self.path.stat().st_size

    def open(self) -> pa.NativeFile:
        """Open the file.

        Raises:
            OSError: the file cannot be read.
        """
        return pa.OSFile(str(self.path))


def ending(name: str) -> str:
    """The suffix that determines the format, in lower case; that of `rows.csv.gz` is `.csv`."""
    path = Path(name.lower())
    inner = Path(path.stem).suffix
    return inner if path.suffix == GZIP and inner in (*DELIMITED, *JSON) else path.suffix


def arrow_batches(file: pa.NativeFile) -> Iterator[pa.RecordBatch]:
    """The batches of an Arrow file, or of an Arrow stream in a file."""
    is_file = file.read(len(_ARROW_FILE)) == _ARROW_FILE
    file.seek(0)
    if not is_file:
        yield from pa.ipc.open_stream(file)
        return
    with pa.ipc.open_file(file) as reader:
        for number in range(reader.num_record_batches):
            yield reader.get_batch(number)


def first_line(error: Exception) -> str:
    """The first line of a library's error message."""
    return (str(error).strip().splitlines() or [f"it is damaged ({type(error).__name__})"])[0]
