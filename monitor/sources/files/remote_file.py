"""A file in an object store whose every read has a deadline: the store's own client has none for a slow answer.

Objects of Google's store are read by its JSON API (https://cloud.google.com/storage/docs/json_api): Arrow's file sends
its first request while no other thread can run.
"""

import io
import json
import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from monitor import outgoing
from monitor.runtime import abandoned
from monitor.sources.brokers.google_tokens import GoogleTokens, TokenError

if TYPE_CHECKING:
    from pyarrow import fs

READ_SECONDS = 60.0
_AT_ONCE = 8 << 20
"""Bytes per read: 8 MB within the deadline is slower than any usable connection."""


_MOST_REFUSAL = 65_536
_GOOGLE, _SCOPE = "https://storage.googleapis.com", "https://www.googleapis.com/auth/devstorage.read_only"


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
        self._file = abandoned.within(READ_SECONDS, lambda: files.open_input_file(path))

    def _part(self, size: int) -> bytes:
        at = self._at
        return abandoned.within(READ_SECONDS, lambda: bytes(self._file.read_at(size, at)), limits_memory=True)


class GoogleFile(SizedFile):
    """An object of Google Cloud Storage; `path` is its bucket and its name."""

    def __init__(self, path: str, size: int) -> None:
        super().__init__(size)
        bucket, _, name = path.partition("/")
        address = os.environ.get("CLOUD_STORAGE_EMULATOR_ENDPOINT", _GOOGLE).rstrip("/")
        self._url = f"{address}/storage/v1/b/{quote(bucket, safe='')}/o/{quote(name, safe='')}?alt=media"

    def _part(self, size: int) -> bytes:
        try:
            headers = {
                "Authorization": f"Bearer {_tokens().current()}",
                "Range": f"bytes={self._at}-{self._at + size - 1}",
                "Accept-Encoding": "identity",
            }
            with outgoing.client(READ_SECONDS, most_bytes=size + _MOST_REFUSAL) as client:
                response = client.get(self._url, headers=headers)
        except TokenError as error:
            raise OSError(str(error)) from error
        except outgoing.FAILURES as error:
            raise OSError(outgoing.reason(error)) from error
        if response.status_code != 206:
            _tokens_of.cache_clear()  # another token may do
            raise OSError(f"HTTP {response.status_code}: {_refusal(response.content)}")
        return bytes(response.content)


def _refusal(content: bytes) -> str:
    try:
        return str(json.loads(content)["error"]["message"])[:300]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "it does not say why"


def _tokens() -> GoogleTokens:
    """The tokens of the key file as it is now, or else of the machine."""
    key_file = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS", "")
    return _tokens_of(key_file, Path(key_file).stat().st_mtime_ns if key_file else 0)


@lru_cache(4)
def _tokens_of(key_file: str, _written: int) -> GoogleTokens:
    return GoogleTokens(_SCOPE, key_file)
