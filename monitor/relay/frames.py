"""Requests as bytes in a segment file: each with its length and a checksum.

A segment begins with a mark of random bytes that each of its frames repeats, so that a sender cannot put something into
a body that is taken for a frame after damage.
"""

import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

_MAGIC = b"WKRELAY1"
_MARK_BYTES = 8
START = len(_MAGIC) + _MARK_BYTES
"""Where the first frame of a segment begins."""
_HEAD = struct.Struct("<8sIQI")
_LENGTHS = struct.Struct("<IQ")
_LARGEST_META = 1 << 20
_READ = 1 << 20


class RelayedRequest(msgspec.Struct, frozen=True):
    """A request of a sender without its body. `received_at` is in seconds since the epoch.

    `is_own_key`: the sender gave the idempotency key, otherwise the relay did. `address` is the sender's.
    """

    path: str
    client: str
    key: str
    is_own_key: bool
    content_type: str
    content_encoding: str
    received_at: float
    address: str = ""


class Frame(msgspec.Struct, frozen=True):
    """A request in a segment: where it starts, and the place after it."""

    request: RelayedRequest
    body: bytes
    start: int
    end: int


def new_segment() -> bytes:
    """The beginning of a segment file."""
    return _MAGIC + os.urandom(_MARK_BYTES)


def mark_of(start: bytes) -> bytes:
    """The mark in the beginning of a segment; empty if it is none."""
    whole = len(start) >= START and start[: len(_MAGIC)] == _MAGIC
    return start[len(_MAGIC) : START] if whole else b""


def encoded(mark: bytes, request: RelayedRequest, body: bytes) -> bytes:
    """A request as a frame."""
    return b"".join(parts(mark, [(request, body)]))


def parts(mark: bytes, requests: Iterable[tuple[RelayedRequest, bytes]]) -> Iterator[bytes]:
    """The frames of requests: head and body of each, without copying bodies."""
    for request, body in requests:
        meta = msgspec.json.encode(request)
        yield _HEAD.pack(mark, len(meta), len(body), _checksum(meta, body)) + meta
        yield body


def size_of(request: RelayedRequest, body: bytes) -> int:
    """The bytes of its frame."""
    return _HEAD.size + len(msgspec.json.encode(request)) + len(body)


def read(path: Path, offset: int, end: int) -> Frame | None:
    """The first whole frame between `offset` and `end`, or None. What is torn or damaged is passed over.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        mark = mark_of(file.read(START))
        at = max(offset, START)
        while mark and at + _HEAD.size <= end:
            file.seek(at)
            frame = _whole(file.read(_HEAD.size), mark, at, end, file)
            if frame is not None:
                return frame
            at = _next(file, mark, at + 1, end)
    return None


def _whole(head: bytes, mark: bytes, at: int, end: int, file: BinaryIO) -> Frame | None:
    if len(head) < _HEAD.size or head[:_MARK_BYTES] != mark:
        return None
    _, meta_size, body_size, checksum = _HEAD.unpack(head)
    after = at + _HEAD.size + meta_size + body_size
    if meta_size > _LARGEST_META or after > end:
        return None
    meta, body = file.read(meta_size), file.read(body_size)
    if len(meta) + len(body) != meta_size + body_size or _checksum(meta, body) != checksum:
        return None
    try:
        return Frame(msgspec.json.decode(meta, type=RelayedRequest), body, at, after)
    except (msgspec.MsgspecError, RecursionError):  # of another version
        return None


def _next(file: BinaryIO, mark: bytes, at: int, end: int) -> int:
    """Where the mark stands next from `at` on; `end` if nowhere."""
    while at < end:
        file.seek(at)
        part = file.read(_READ)
        place = part.find(mark)
        if place >= 0:
            return at + place
        if len(part) < _READ:
            break
        at += _READ - _MARK_BYTES + 1
    return end


def _checksum(meta: bytes, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(meta, zlib.crc32(_LENGTHS.pack(len(meta), len(body)))))
