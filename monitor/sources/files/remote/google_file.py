"""Objects of Google Cloud Storage, read by its JSON API (https://cloud.google.com/storage/docs/json_api): Arrow's file
sends its first request while no other thread can run.
"""

import json
import os
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote

from monitor import outgoing
from monitor.sources.brokers.google_tokens import GoogleTokens, TokenError
from monitor.sources.files.remote.sized_file import READ_SECONDS, SizedFile

_MOST_REFUSAL = 65_536
_GOOGLE, _SCOPE = "https://storage.googleapis.com", "https://www.googleapis.com/auth/devstorage.read_only"


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
