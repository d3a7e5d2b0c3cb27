"""A file of known size whose every read has a deadline: the clients of object stores have none for a slow answer."""

import io
from typing import TYPE_CHECKING

from monitor.runtime import call_timeout

if TYPE_CHECKING:
    from pyarrow import fs

READ_SECONDS = 60.0
_AT_ONCE = 8 << 20
"""Bytes per read: 8 MB within the deadline is slower than any usable connection."""


class SizedFile(io.RawIOBase):
    """A file of `size` bytes for random access.

    Raises:
        OSError: it cannot be opened or read, or a read took too long.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """The position of the next read."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Continue elsewhere."""
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, begin + offset)
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """Exactly `size` bytes, fewer at the end of the file; without a size, the rest."""
        left = max(0, self._size - self._at)
        wanted = left if size is None or size < 0 else min(size, left)
        parts = []
        while wanted:
            part = self._part(min(wanted, _AT_ONCE))
            if not part:
                break
            parts.append(part)
            self._at += len(part)
            wanted -= len(part)
        return b"".join(parts)

    def _part(self, size: int) -> bytes:
        """Up to `size` bytes from the current position on."""
        raise NotImplementedError


class RemoteFile(SizedFile):
    """A file that Arrow reads."""

    def __init__(self, files: "fs.FileSystem", path: str, size: int) -> None:
        super().__init__(size)
        self._file = call_timeout.within(READ_SECONDS, lambda: files.open_input_file(path))

    def _part(self, size: int) -> bytes:
        at = self._at
        return call_timeout.within(
            READ_SECONDS, lambda: bytes(self._file.read_at(size, at)), limits_memory=True
        )
