"""Checksums of stored bytes: neither database detects a bit that has changed on the disk.

Bytes that were written before checksums existed have none, and are read unchecked.
"""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pyarrow as pa

from monitor.errors import DamageError

_MAGIC = b"\xc1WKS"  # no older blob begins so: 0xC1 is no MessagePack
_HEADER = struct.Struct("<4sI")
HEAD = 20
"""Bytes of the start of a batch of rows, which tell how large it is in memory."""
_HINT = "the disk or memory may be failing: keep a backup, and run `watchkeeper doctor`"


def seal(raw: bytes) -> bytes:
    """Prefix the bytes with a header and their CRC-32."""
    return _HEADER.pack(_MAGIC, zlib.crc32(raw)) + raw


def is_sealed(blob: bytes) -> bool:
    """Whether the bytes have a checksum."""
    return blob[: len(_MAGIC)] == _MAGIC


def unseal(blob: bytes) -> bytes:
    """The bytes that `seal` was given.

    Raises:
        DamageError: they have changed since.
    """
    if not is_sealed(blob):
        return blob
    if len(blob) < _HEADER.size or _HEADER.unpack_from(blob)[1] != zlib.crc32(
        memoryview(blob)[_HEADER.size :]
    ):
        raise DamageError("the checksum is wrong: bytes have changed since they were written", hint=_HINT)
    return blob[_HEADER.size :]


def unsealed_head(head: bytes) -> bytes:
    """The first of the bytes that `seal` was given, from the first ones of its result."""
    return head[_HEADER.size :] if is_sealed(head) else head


@contextmanager
def reading(subject: str) -> Iterator[None]:
    """Treat any error of the block as damage of the bytes that it reads.

    Raises:
        DamageError: the block failed; the message begins with `subject`.
    """
    try:
        yield
    except DamageError as error:
        raise DamageError(f"{subject} is damaged: {error.message}", hint=error.hint) from error
    except (
        *(msgspec.MsgspecError, pa.ArrowException, struct.error, OverflowError, MemoryError, RecursionError),
        *(ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError, OSError),
    ) as error:
        raise DamageError(f"{subject} is damaged: {type(error).__name__}: {error}", hint=_HINT) from error
