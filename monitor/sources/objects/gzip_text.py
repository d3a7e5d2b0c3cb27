"""Text inside of objects that are compressed with gzip, read forward from any place."""

import zlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from monitor.sources.objects.parts import LONGEST, PART, ObjectPart, Position
from monitor.sources.objects.stores import StoredObject

_CHUNK = 262_144
_MOST_OPEN = 16
"""Objects whose decompressor is kept: as many as are read at the same time."""
_MOST_PIECE = 1_000_000
_GZIP = 16 + zlib.MAX_WBITS
_AFTER_DAMAGE = 2**62
"""The offset of an object whose rest cannot be read."""

Read = Callable[[str, int, int], bytes]
"""Name, offset and most bytes: the compressed bytes of an object."""


@dataclass(slots=True)
class _Opened:
    """A decompressor, the place of its next compressed byte, and text that was decompressed and not left behind."""

    size: int
    member: Any = field(default_factory=lambda: zlib.decompressobj(_GZIP))
    at: int = 0
    rest: bytes = b""
    begin: int = 0
    text: bytes = b""
    damage: str = ""
    is_at_end: bool = False


class GzipText:
    """Reads compressed objects by the offsets of their text. A smaller offset than the last one restarts."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._opened: OrderedDict[str, _Opened] = OrderedDict()

    def read(self, name: str, size: int, offset: int, most: int) -> tuple[bytes, str]:
        """Up to `most` bytes of text from `offset` on, and what is wrong with what comes after them.

        There are fewer at the end, and before damage. `size` is that of the object.
        """
        opened = self._opened.pop(name, None)
        if opened is None or opened.begin > offset or opened.size != size:
            opened = _Opened(size)
        while opened.begin + len(opened.text) < offset + most and not opened.is_at_end:
            self._continue(name, opened, offset)
        opened.text = opened.text[max(0, offset - opened.begin) :]
        opened.begin = max(opened.begin, offset)
        self._opened[name] = opened
        while len(self._opened) > _MOST_OPEN:
            self._opened.popitem(last=False)
        return opened.text[:most], opened.damage

    def _continue(self, name: str, opened: _Opened, offset: int) -> None:
        """Decompress one piece more. Text before `offset` is dropped."""
        if not opened.rest:
            opened.rest = self._read(name, opened.at, _CHUNK)
            opened.at += len(opened.rest)
        if not opened.rest:
            opened.is_at_end, opened.damage = True, "" if opened.member.eof else "the gzip is truncated"
            return
        if opened.member.eof:  # a member may follow another
            opened.member = zlib.decompressobj(_GZIP)
        try:
            piece = opened.member.decompress(opened.rest, _MOST_PIECE)
        except zlib.error:
            opened.is_at_end, opened.damage = True, "it is not valid gzip"
            return
        opened.rest = opened.member.unused_data if opened.member.eof else opened.member.unconsumed_tail
        opened.text += piece
        if opened.begin + len(opened.text) <= offset:
            opened.begin += len(opened.text)
            opened.text = b""


def is_gzip(name: str) -> bool:
    """Whether an object is compressed, by its name."""
    return name.lower().endswith(".gz")


def next_unzipped(text: GzipText, stored_object: StoredObject, position: Position) -> ObjectPart | None:
    """The lines after a position in the text of a compressed object that nobody writes to; None at its end."""
    begin = position.offset
    if begin == _AFTER_DAMAGE:
        return None
    size = PART
    while True:
        content, damage = text.read(stored_object.name, stored_object.size, begin, size)
        at_end = len(content) < size
        end = content.rfind(b"\n") + 1 or (len(content) if at_end and not damage else 0)
        if end or at_end or size >= LONGEST:
            break
        size = min(size * 4, LONGEST)
    if end:
        return ObjectPart(content[:end], _where(begin, begin + end), position.moved(begin + end))
    if not at_end:
        after = position.moved(begin + len(content))
        return ObjectPart(
            b"", _where(begin, after.offset), after, f"it has a line of more than {LONGEST:,} bytes"
        )
    return (
        ObjectPart(b"", f"from byte {begin} of its text on", position.moved(_AFTER_DAMAGE), damage)
        if damage
        else None
    )


def _where(begin: int, end: int) -> str:
    return f"bytes {begin} to {end} of its text"
