"""Where objects lie: what is listed, and bytes out of the middle of one."""

import re
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from monitor.errors import InputError
from monitor.sources.files import locations
from monitor.sources.source import SourceError
from monitor.visible import visible

SUFFIXES = (".jsonl", ".ndjson", ".json", ".parquet", ".pq", ".jsonl.gz", ".ndjson.gz", ".json.gz")
"""What is read of a folder. A pattern with wildcards says itself what is read."""
_WILD = re.compile(r"[*?\[]")
_COMMIT = re.compile(r"_delta_log/\d{20}\.json$")
"""The one hidden name that is listed: a commit of a Delta table says which of its files are read."""
_HINT = "is the address right, and may this daemon list and read it?"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object: its name, its size in bytes, and when it was last written, in seconds since the epoch."""

    name: str
    size: int
    modified: float


class ObjectStore(Protocol):
    """A folder or bucket. Each call raises SourceError where it cannot be reached."""

    def listed(self) -> list[StoredObject]:
        """The objects that the address matches, in no particular order."""

    def read(self, name: str, offset: int, most: int) -> bytes:
        """Up to `most` bytes from `offset` on; fewer at the end, none beyond it."""

    def open(self, name: str) -> Any:
        """A file object with random access, for the reader of Parquet."""


class LocalFolder:
    """Files of this machine. `pattern` is a folder, read with all folders in it, a file, or a path with wildcards."""

    def __init__(self, pattern: Path) -> None:
        self._root, self._pattern = _split(pattern)
        self._is_folder = _WILD.search(str(pattern)) is None

    def listed(self) -> list[StoredObject]:
        """Files that vanish meanwhile are left out. The path of one file names that file alone."""
        if self._is_folder and self._root.is_file():
            status = self._root.stat()
            return [StoredObject(str(self._root), status.st_size, status.st_mtime)]
        if not self._root.is_dir():
            raise SourceError(f"{self._root} is neither a folder nor a file", hint=_HINT)
        objects = []
        for path in self._root.glob(self._pattern):
            try:
                status = path.stat()
            except FileNotFoundError:  # removed since, or a link to nowhere
                continue
            except OSError:  # reading it says why it cannot be read
                objects.append(StoredObject(str(path), 1, time.time()))
                continue
            is_wanted = not self._is_folder or path.name.lower().endswith(SUFFIXES)
            if (
                is_wanted
                and stat.S_ISREG(status.st_mode)
                and not _is_hidden(path.relative_to(self._root).as_posix())
            ):
                objects.append(StoredObject(str(path), status.st_size, status.st_mtime))
        return objects

    def read(self, name: str, offset: int, most: int) -> bytes:
        """Bytes of a file."""
        try:
            with Path(name).open("rb") as file:
                file.seek(offset)
                return file.read(most)
        except OSError as error:
            raise SourceError(f"{visible(name)} cannot be read: {error.strerror}", hint=_HINT) from error

    def open(self, name: str) -> Any:
        """The file."""
        try:
            return Path(name).open("rb")
        except OSError as error:
            raise SourceError(f"{visible(name)} cannot be read: {error.strerror}", hint=_HINT) from error


def _is_hidden(path: str) -> bool:
    """Whether a name stands for something else than data, by the custom of Hadoop and Spark: `_SUCCESS`, `.crc`."""
    parts = _COMMIT.sub("", path).split("/")
    return any(part.startswith(("_", ".")) for part in parts)


def _split(pattern: Path) -> tuple[Path, str]:
    """The folder before the first wildcard, and the pattern within it."""
    path = pattern.absolute()
    parts = path.parts
    wild = next((index for index, part in enumerate(parts) if _WILD.search(part)), len(parts))
    if wild == len(parts):
        return path, "**/*"
    return Path(*parts[:wild]), str(Path(*parts[wild:]))


class ObjectBucket:
    """Objects of S3 and of the other stores that Arrow knows, by URL."""

    def __init__(self, url: str) -> None:
        self._url = url

    def listed(self) -> list[StoredObject]:
        """All objects that the URL matches."""
        matching = self._tried(lambda: locations.matching(self._url))
        is_folder = _WILD.search(self._url) is None
        fixed = _WILD.split(self._url, maxsplit=1)[0].rpartition("/")[0]
        return [
            StoredObject(one.name, one.size, one.modified)
            for one in matching
            if not _is_hidden(one.name.removeprefix(fixed))
            and (not is_folder or one.name.lower().endswith(SUFFIXES))
        ]

    def read(self, name: str, offset: int, most: int) -> bytes:
        """Bytes of an object."""

        def part() -> bytes:
            with locations.location_of(name).open() as file:
                file.seek(min(offset, file.size()))
                return bytes(file.read(most))

        return bytes(self._tried(part))

    def open(self, name: str) -> Any:
        """The object."""
        return self._tried(lambda: locations.location_of(name).open())

    def _tried(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except InputError as error:
            raise SourceError(error.message, hint=error.hint or _HINT) from error
        except (pa.ArrowException, OSError) as error:
            words, hint = locations.explained(self._url, error, _HINT)
            raise SourceError(words, hint=hint) from error


def store_of(url: str) -> ObjectStore:
    """The store of an address: a path, or a URL such as `s3://bucket/folder`."""
    return ObjectBucket(url) if "://" in url else LocalFolder(Path(url).expanduser())
