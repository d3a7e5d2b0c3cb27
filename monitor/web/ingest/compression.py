"""Decompresses request bodies, up to a limit."""

import zlib

from monitor.errors import InputError, TooLargeError

_GZIP = 16 + zlib.MAX_WBITS
_GZIP_NAMES = ("gzip", "x-gzip")
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
    parts: list[bytes] = []
    size, rest = 0, body
    while rest:
        member = zlib.decompressobj(_GZIP)
        try:
            part = member.decompress(rest, limit - size + 1)
        except zlib.error as error:
            raise InputError("the body is not valid gzip", hint=_HINT) from error
        size += len(part)
        if size > limit:
            hint = "send fewer records per request"
            raise TooLargeError(f"the body is larger than {limit:,} bytes after decompression", hint=hint)
        if not member.eof:
            raise InputError("the gzip body is cut off", hint="send the complete body again")
        parts.append(part)
        rest = member.unused_data
    return parts[0] if len(parts) == 1 else b"".join(parts)
