"""Encrypts the texts that wait for their call with the ids of its trace and span, which the store does not have.

So nobody can read them in the store, or in a copy of it, whatever the policy of the client is. Whoever brings the span,
or another event of the call, brings the key.
"""

import hashlib
import zlib

import numpy as np

from monitor.errors import DamageError
from monitor.sources.otlp.text_events import Part, decoded_part
from monitor.store import checksums

_LONGEST = 16_000_000
"""Bytes of one part: several times an item of a request."""


def name_of(part: Part, trace: bytes, span: bytes) -> str:
    """What identifies a part of a call without telling its content."""
    return hashlib.sha256(b"texts\0" + trace + span + part.key.encode()).hexdigest()[:16]


def sealed(part: Part, trace: bytes, span: bytes) -> bytes:
    """A part, encrypted."""
    content = zlib.compress(part.encoded(), 1)
    return checksums.seal(_mixed(content, name_of(part, trace, span), trace, span))


def opened(content: bytes, name: str, trace: bytes, span: bytes) -> Part | None:
    """The part that was sealed under a name; None if the bytes are damaged."""
    try:
        compressed = _mixed(checksums.unseal(content), name, trace, span)
        return decoded_part(zlib.decompressobj().decompress(compressed, _LONGEST))
    except (DamageError, ValueError, TypeError, zlib.error, RecursionError):
        return None


def _mixed(content: bytes, name: str, trace: bytes, span: bytes) -> bytes:
    """XOR with a key stream of SHAKE-256. No two parts have one key: the name is a digest of the content."""
    key = b"texts of a call\0" + trace + span + name.encode()
    stream = hashlib.shake_256(key).digest(len(content))
    return np.bitwise_xor(np.frombuffer(content, np.uint8), np.frombuffer(stream, np.uint8)).tobytes()
