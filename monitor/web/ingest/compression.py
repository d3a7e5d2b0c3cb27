"""Decompresses request bodies, up to a limit, and some of it at a time: whoever asks reserves memory as it grows."""

import zlib
from collections.abc import Iterator

from monitor.errors import InputError, TooLargeError
from monitor.runtime.threads.preemption import preemptible

_GZIP = 16 + zlib.MAX_WBITS
_GZIP_NAMES = ("gzip", "x-gzip")
MOST_MEMBERS = 10_000
_PIECE = 65_536
AT_ONCE = 1_048_576
"""Bytes that are decompressed before memory is reserved for them."""
_HINT = "compress the body with gzip, or leave it uncompressed"


def decompressed(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without its Content-Encoding. A gzip body may have several members.

    Raises:
        TooLargeError: it has more than `limit` bytes after decompression.
        InputError: it is damaged, or compressed in another way.
    """
    return b"".join(parts(body, encoding, limit))


def parts(body: bytes, encoding: str, limit: int) -> Iterator[bytes]:
    """The parts of a body without its Content-Encoding, each of `AT_ONCE` bytes at most where it is compressed.

    Raises:
        InputError: it is compressed in another way than gzip. What else `decompressed` raises comes with a part.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return iter((body,))
    if name not in _GZIP_NAMES:
        raise InputError(f"Content-Encoding {name[:40]!r} is not supported", hint=_HINT)
    return _members(memoryview(body), limit)


def some(left: Iterator[bytes]) -> tuple[bytes, bool]:
    """The next parts, about `AT_ONCE` bytes together, and whether these were the last."""
    taken, size = [], 0
    for part in preemptible(left):
        taken.append(part)
        size += len(part)
        if size >= AT_ONCE:
            return b"".join(taken), False
    return b"".join(taken), True


def _members(body: memoryview, limit: int) -> Iterator[bytes]:
    """The content of each member, read in pieces: what is left of a piece is copied after every member."""
    size = members = at = 0
    while at < len(body):
        members += 1
        if members > MOST_MEMBERS:
            raise TooLargeError(f"the gzip body has more than {MOST_MEMBERS:,} members", hint=_HINT)
        member = zlib.decompressobj(_GZIP)
        while not member.eof:
            piece = body[at : at + _PIECE]
            try:
                part = member.decompress(piece, min(AT_ONCE, limit - size + 1))
            except zlib.error as error:
                raise InputError("the body is not valid gzip", hint=_HINT) from error
            if not piece and not part and not member.eof:
                raise InputError("the gzip body is truncated", hint="send the complete body again")
            size += len(part)
            if size > limit:
                hint = "send fewer records per request"
                raise TooLargeError(f"the body is larger than {limit:,} bytes after decompression", hint=hint)
            at += len(piece) - len(member.unused_data) - len(member.unconsumed_tail)
            yield part
