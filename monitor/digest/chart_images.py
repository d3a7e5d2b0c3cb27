"""Small charts as PNG, for mails: drawn pixel by pixel, so that the daemon loads no library for pictures.

They have no text: what they show stands beside them in words. The background is transparent and the colours can be told
on white and on black, because mail programs invert or keep either.
"""

import struct
import zlib
from collections.abc import Sequence

WIDTH, HEIGHT = 1120, 200
"""Pixels; mails show them at half this size, so that they are sharp on dense screens."""
_CLEAR, _AXIS, _MAIN, _LIMIT = range(4)
_PALETTE = ((0, 0, 0), (0x8A, 0x94, 0x9F), (0x2F, 0x86, 0xBD), (0xD9, 0x54, 0x1E))
_PAD = 10
_DASH = 18

Values = Sequence[float | None]


class _Canvas:
    def __init__(self) -> None:
        self.rows = [bytearray(WIDTH) for _ in range(HEIGHT)]

    def rectangle(self, left: float, top: float, right: float, bottom: float, colour: int) -> None:
        first, last = max(0, round(left)), min(WIDTH, round(right))
        for y in range(max(0, round(top)), min(HEIGHT, round(bottom))):
            self.rows[y][first:last] = bytes([colour]) * max(0, last - first)

    def dot(self, x: float, y: float, radius: float, colour: int) -> None:
        for offset in range(-int(radius), int(radius) + 1):
            half = (radius * radius - offset * offset) ** 0.5
            self.rectangle(x - half, y + offset, x + half, y + offset + 1, colour)

    def line(self, start: tuple[float, float], end: tuple[float, float], colour: int) -> None:
        steps = max(1, int(max(abs(end[0] - start[0]), abs(end[1] - start[1]))))
        for step in range(steps + 1):
            share = step / steps
            self.dot(
                start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1]), 2.5, colour
            )

    def png(self) -> bytes:
        raw = b"".join(b"\0" + bytes(row) for row in self.rows)
        head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 3, 0, 0, 0)
        palette = b"".join(bytes(colour) for colour in _PALETTE)
        chunks = ((b"IHDR", head), (b"PLTE", palette), (b"tRNS", b"\0"), (b"IDAT", zlib.compress(raw, 9)))
        return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*one) for one in (*chunks, (b"IEND", b"")))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def bars(values: Values) -> bytes:
    """Bars from zero, one per value, oldest first; nothing where there is no value."""
    canvas = _Canvas()
    highest = max((value for value in values if value is not None), default=0.0) or 1.0
    step = WIDTH / max(1, len(values))
    for index, value in enumerate(values):
        if value is not None and value > 0:
            top = HEIGHT - 2 - value / highest * (HEIGHT - 2 - _PAD)
            canvas.rectangle(
                (index + 0.12) * step, min(top, HEIGHT - 4), (index + 0.88) * step, HEIGHT, _MAIN
            )
    canvas.rectangle(0, HEIGHT - 2, WIDTH, HEIGHT, _AXIS)
    return canvas.png()


def line(values: Values, limit: float | None = None) -> bytes:
    """A line through the values, oldest first, that breaks where there is none; `limit` as a dashed line."""
    canvas = _Canvas()
    known = [value for value in (*values, limit) if value is not None]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    room = (high - low) or abs(high) or 1.0
    step = (WIDTH - 2 * _PAD) / max(1, len(values) - 1)

    def height(value: float) -> float:
        return HEIGHT - 2 - _PAD - (value - low) / room * (HEIGHT - 2 - 2 * _PAD)

    canvas.rectangle(0, HEIGHT - 2, WIDTH, HEIGHT, _AXIS)
    if limit is not None:
        for left in range(0, WIDTH, 2 * _DASH):
            canvas.rectangle(left, height(limit) - 2, left + _DASH, height(limit) + 2, _LIMIT)
    before: tuple[float, float] | None = None
    for index, value in enumerate(values):
        here = None if value is None else (_PAD + index * step, height(value))
        if here is not None:
            canvas.dot(*here, 5, _MAIN)
            if before is not None:
                canvas.line(before, here, _MAIN)
        before = here
    return canvas.png()
