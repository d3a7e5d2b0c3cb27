"""By what a request is recognized when it is sent again."""

import hashlib
import re
from functools import lru_cache
from typing import Any

from monitor.store.idempotency import RequestKey

_TIME = re.compile(rb'"timestamp" *: *"?([0-9][0-9T:.+Z-]{8,40})')
_BETWEEN_DIGITS = b"T:.+Z-"
_TIME_SEARCH_BYTES = 4096


def identify(kind: str, body: bytes, client: str, idempotency_key: str) -> RequestKey:
    """The key by which a resend of the request is recognized: from the Idempotency-Key, or from the content.

    The key of a content starts with the first time in it, so that keys of recent requests are adjacent on disk. Random
    keys would change one page of the database each, and read one once they exceed the memory.
    """
    content = _hash_of_sender(kind, client).copy()
    content.update(body)
    digest = content.digest()[:16]
    if not idempotency_key:
        return RequestKey((written_time(body) + digest)[:16], digest)
    key = _hash_of_sender(kind, client).copy()
    key.update(b"key\0" + idempotency_key.encode())
    return RequestKey(key.digest()[:16], digest)


def written_time(body: bytes) -> bytes:
    """The first 16 digits of the first `timestamp` in a body, as 7 bytes; empty without one."""
    match = _TIME.search(body, 0, _TIME_SEARCH_BYTES)
    digits = b"" if match is None else match[1].translate(None, _BETWEEN_DIGITS).ljust(16, b"0")
    return int(digits[:16]).to_bytes(7) if digits else b""


@lru_cache(1024)
def _hash_of_sender(kind: str, client: str) -> Any:
    """The SHA-256 state after kind and client, to be continued. Current processors compute SHA-256 fastest."""
    return hashlib.sha256(f"{kind}\0{client}\0".encode())
