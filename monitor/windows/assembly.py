"""Putting a layout together: each column gets its place, and all of it a name by its content; and a layout as bytes."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from sys import intern

import msgspec
import numpy as np
import pyarrow as pa

from monitor.errors import StoreError
from monitor.windows.layout import Column, Kind, Layout

VERSION = 1


def assemble(
    core: Iterable[Column], features: Iterable[Column], notes: Iterable[str] = (), classes: Iterable[str] = ()
) -> Layout:
    """Give each column its place. The first of several columns of one name counts."""
    placed: dict[str, Column] = {}
    place = moment = 0
    core_size = 0
    for group in (core, features):
        for column in group:
            if column.name in placed:
                continue
            placed[column.name] = replace(column, start=place, moment=-1 if column.labelled else moment)
            place += column.size
            moment += 0 if column.labelled else 1
        core_size = core_size or place
    columns = tuple(placed.values())
    identity = _identity(columns, core_size, tuple(notes), tuple(classes))
    return Layout(columns, core_size, place, moment, tuple(notes), tuple(classes), identity, placed)


class _Stored(msgspec.Struct):
    name: str
    kind: str
    edges: bytes
    labels: list[str]
    known: bytes
    cells: list[int]
    unit: float
    origin: float
    within: bytes
    open_ended: bool
    source: str
    part: str
    parameters: bytes


class _StoredLayout(msgspec.Struct):
    version: int
    core: int
    notes: list[str]
    classes: list[str]
    columns: list[_Stored]


_CODEC = pa.Codec("zstd", compression_level=3)


def encode(layout: Layout) -> bytes:
    """Compact bytes, versioned."""
    raw = _raw(layout.columns, layout.core, layout.notes, layout.classes)
    block: bytes = _CODEC.compress(raw, asbytes=True)
    return len(raw).to_bytes(8, "little") + block


def decode(blob: bytes) -> Layout:
    """What `encode` was given.

    Raises:
        StoreError: the bytes are of a version that this program does not know.
    """
    raw = _CODEC.decompress(blob[8:], int.from_bytes(blob[:8], "little"), asbytes=True)
    stored = msgspec.msgpack.decode(raw, type=_StoredLayout)
    if stored.version != VERSION:
        raise StoreError(
            f"a layout of version {stored.version} cannot be read", hint="was it written by a newer one?"
        )
    columns = [_restored(item) for item in stored.columns]
    count = stored.core
    return assemble(columns[:count], columns[count:], stored.notes, stored.classes)


def _raw(columns: tuple[Column, ...], core: int, notes: tuple[str, ...], classes: tuple[str, ...]) -> bytes:
    in_core = sum(column.start < core for column in columns)
    stored = [_storable(column) for column in columns]
    return msgspec.msgpack.encode(_StoredLayout(VERSION, in_core, list(notes), list(classes), stored))


def _identity(
    columns: tuple[Column, ...], core: int, notes: tuple[str, ...], classes: tuple[str, ...]
) -> str:
    return hashlib.sha256(_raw(columns, core, notes, classes)).hexdigest()[:16]


def _storable(column: Column) -> _Stored:
    return _Stored(
        column.name,
        column.kind.value,
        column.edges.tobytes(),
        list(column.labels),
        column.known.tobytes(),
        list(column.cells),
        column.unit,
        column.origin,
        column.within.tobytes(),
        column.open_ended,
        column.source,
        column.part,
        column.parameters.astype(np.float32).tobytes(),
    )


def _restored(stored: _Stored) -> Column:
    return Column(
        name=stored.name,
        kind=Kind(stored.kind),
        edges=np.frombuffer(stored.edges, np.float64),
        labels=tuple(map(intern, stored.labels)),  # models of one client share them
        known=np.frombuffer(stored.known, np.uint64),
        cells=tuple(stored.cells),
        unit=stored.unit,
        origin=stored.origin,
        within=np.frombuffer(stored.within, np.uint8),
        open_ended=stored.open_ended,
        source=stored.source,
        part=stored.part,
        parameters=np.frombuffer(stored.parameters, np.float32),
    )
