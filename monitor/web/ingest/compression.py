"""Decompresses request bodies, up to a limit."""

import zlib
from collections.abc import Iterator

from monitor.errors import InputError, TooLargeError

_GZIP = 16 + zlib.MAX_WBITS
_GZIP_NAMES = ("gzip", "x-gzip")
MOST_MEMBERS = 10_000
_PIECE = 65_536
_HINT = "compress the body with gzip, or not at all"


def decompressed(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without its Content-Encoding. A gzip body may have several members.

    Raises:
        TooLargeError: it has more than `limit` bytes after decompression.
        InputError: it is damaged, or compressed in another way.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return body
    if name not in _GZIP_NAMES:
        raise InputError(f"Content-Encoding {name[:40]!r} is not supported", hint=_HINT)
    return b"".join(_members(memoryview(body), limit))


def _members(body: memoryview, limit: int) -> Iterator[bytes]:
    """The content of each member, read in pieces: what is left of a piece is copied after every member."""
    size = members = at = 0
    while at < len(body):
        members += 1
        if members > MOST_MEMBERS:
            raise TooLargeError(f"the gzip body has more than {MOST_MEMBERS:,} members", hint=_HINT)
        member = zlib.decompressobj(_GZIP)
        while not member.eof:
            if at >= len(body):
                raise InputError("the gzip body is cut off", hint="send the complete body again")
            piece = body[at : at + _PIECE]
            try:
                part = member.decompress(piece, limit - size + 1)
            except zlib.error as error:
                raise InputError("the body is not valid gzip", hint=_HINT) from error
            size += len(part)
            if size > limit:
                hint = "send fewer records per request"
                raise TooLargeError(f"the body is larger than {limit:,} bytes after decompression", hint=hint)
            at += len(piece) - len(member.unused_data)
            yield part
