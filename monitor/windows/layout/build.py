"""Assembles layouts: assigns each column its places and the layout its id; encodes layouts as bytes."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from sys import intern

import msgspec
import numpy as np
import pyarrow as pa

from monitor.errors import UnreadableError
from monitor.store.checksums import reading, seal, unseal
from monitor.windows.error_trees import trees
from monitor.windows.error_trees.trees import ErrorTrees
from monitor.windows.layout.compact_edges import Edges, pack, shared
from monitor.windows.layout.layout import LABELLED, Column, ColumnKind, Layout

VERSION = 1


def assemble(
    core: Iterable[Column],
    features: Iterable[Column],
    notes: Iterable[str] = (),
    classes: Iterable[str] = (),
    errors: ErrorTrees | None = None,
    *,
    sought_relations: bool = False,
    segments: Mapping[str, tuple[str, ...]] | None = None,
    identity: str = "",
) -> Layout:
    """Assign each column its places. Of several columns with one name, the first is used. The identity is computed
    unless it is known.
    """
    placed: dict[str, Column] = {}
    place = moment = 0
    core_size = 0
    for group in (core, features):
        for column in group:
            if column.name in placed:
                continue
            where = place, -1 if column.labelled else moment
            is_there = (column.start, column.moment) == where
            placed[column.name] = column if is_there else replace(column, start=where[0], moment=where[1])
            place += column.size
            moment += 0 if column.labelled else 1
        core_size = core_size or place
    columns = tuple(placed.values())
    frequent = dict(segments or {})
    content = columns, core_size, tuple(notes), tuple(classes), errors, sought_relations, frequent
    identity = identity or _identity(_raw(*content))
    return Layout(
        columns,
        core_size,
        place,
        moment,
        tuple(notes),
        tuple(classes),
        identity,
        placed,
        errors,
        sought_relations,
        frequent,
    )


def with_errors(layout: Layout, errors: ErrorTrees | None, note: str = "") -> Layout:
    """The layout with trees that estimate errors, and perhaps one more hint for users."""
    in_core = len(layout.core_columns)
    return assemble(
        layout.columns[:in_core],
        layout.columns[in_core:],
        [*layout.notes, *([note] if note else [])],
        layout.classes,
        errors,
        sought_relations=layout.sought_relations,
        segments=layout.segments,
    )


class _StoredColumn(msgspec.Struct, omit_defaults=True):
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
    # None and omitted while 0, so that layouts without them keep their identity.
    novelty: float | None = None
    turnover: float | None = None


class _StoredRelation(_StoredColumn, omit_defaults=True):
    """A column that counts the relation of two. A type of its own: with more than fifteen fields, all columns would be
    written with a longer header, and all layouts get another identity.
    """

    other: str = ""


class _StoredLayout(msgspec.Struct, omit_defaults=True):
    version: int
    core: int
    notes: list[str]
    classes: list[str]
    columns: list[_StoredColumn]
    # Omitted without trees, relations or segments, so that layouts of earlier versions keep their identity.
    errors: bytes = b""
    sought_relations: bool = False
    segments: dict[str, tuple[str, ...]] = {}


class _ReadLayout(msgspec.Struct):
    """A layout as it is read: any of its columns may be a relation."""

    version: int
    core: int
    notes: list[str]
    classes: list[str]
    columns: list[_StoredRelation]
    errors: bytes = b""
    sought_relations: bool = False
    segments: dict[str, tuple[str, ...]] = {}


_CODEC = pa.Codec("zstd", compression_level=3)


def encode(layout: Layout) -> bytes:
    """Encode a layout as versioned, compressed bytes."""
    raw = _raw(
        layout.columns,
        layout.core,
        layout.notes,
        layout.classes,
        layout.errors,
        layout.sought_relations,
        layout.segments,
    )
    block: bytes = _CODEC.compress(raw, asbytes=True)
    return seal(len(raw).to_bytes(8, "little") + block)


def decode(blob: bytes) -> Layout:
    """Decode the bytes of `encode`.

    Raises:
        UnreadableError: the bytes have a version that this program does not support.
        DamageError: the bytes were changed.
    """
    with reading("a layout"):
        blob = unseal(blob)
        raw = _CODEC.decompress(blob[8:], int.from_bytes(blob[:8], "little"), asbytes=True)
        stored = msgspec.msgpack.decode(raw, type=_ReadLayout)
        errors = trees.decode(stored.errors) if stored.errors else None
    if stored.version != VERSION:
        raise UnreadableError(
            f"unsupported layout version {stored.version}",
            hint="upgrade Watchkeeper; a newer version wrote it",
        )
    columns, count = _all_restored(stored.columns), stored.core
    return assemble(
        columns[:count],
        columns[count:],
        stored.notes,
        stored.classes,
        errors,
        sought_relations=stored.sought_relations,
        segments={intern(name): tuple(map(intern, values)) for name, values in stored.segments.items()},
        identity=_identity(raw),
    )


def _identity(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:16]


def _raw(
    columns: tuple[Column, ...],
    core: int,
    notes: tuple[str, ...],
    classes: tuple[str, ...],
    errors: ErrorTrees | None = None,
    sought_relations: bool = False,
    segments: Mapping[str, tuple[str, ...]] | None = None,
) -> bytes:
    in_core = sum(column.start < core for column in columns)
    stored = [_storable(column) for column in columns]
    of_errors = trees.encode(errors) if errors is not None else b""
    return msgspec.msgpack.encode(
        _StoredLayout(
            VERSION,
            in_core,
            list(notes),
            list(classes),
            stored,
            of_errors,
            sought_relations,
            dict(segments or {}),
        )
    )


def _storable(column: Column) -> _StoredColumn:
    stored = _StoredColumn(
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
        column.novelty or None,
        column.turnover or None,
    )
    if not column.other:
        return stored
    return _StoredRelation(**msgspec.structs.asdict(stored), other=column.other)


def _all_restored(stored: Sequence[_StoredRelation]) -> list[Column]:
    """The columns, each made once, at its place."""
    restored: list[Column] = []
    place = moment = 0
    for item, bounds in zip(stored, _all_bounds(stored), strict=True):
        restored.append(_restored(item, bounds, place, moment))
        place += restored[-1].size
        moment += not restored[-1].labelled
    return restored


_NO_PLACES, _NO_HASHES, _NO_PARAMETERS = (
    np.empty(0, np.uint8),
    np.empty(0, np.uint64),
    np.empty(0, np.float32),
)
_FIXED = (ColumnKind.SCORE, ColumnKind.DURATION)
"""Kinds of columns whose edges do not depend on the baseline."""


def _all_bounds(stored: Sequence[_StoredColumn]) -> list[Edges]:
    """The edges of each column."""
    own = [one for one in stored if one.edges and one.kind not in _FIXED]
    packed = iter(pack([(np.frombuffer(one.edges, np.float64), one.unit) for one in own]))
    return [next(packed) if one.edges and one.kind not in _FIXED else shared(one.edges) for one in stored]


def _restored(stored: _StoredRelation, bounds: Edges, place: int, moment: int) -> Column:
    kind = ColumnKind(stored.kind)
    return Column(
        name=stored.name,
        kind=kind,
        bounds=bounds,
        labels=tuple(map(intern, stored.labels)),  # models of one client share them
        known=np.frombuffer(stored.known, np.uint64) if stored.known else _NO_HASHES,
        cells=tuple(stored.cells),
        unit=stored.unit,
        origin=stored.origin,
        within=np.frombuffer(stored.within, np.uint8) if stored.within else _NO_PLACES,
        open_ended=stored.open_ended,
        source=stored.source,
        part=stored.part,
        parameters=np.frombuffer(stored.parameters, np.float32) if stored.parameters else _NO_PARAMETERS,
        novelty=stored.novelty or 0.0,
        turnover=stored.turnover or 0.0,
        other=stored.other,
        start=place,
        moment=-1 if kind in LABELLED else moment,
    )
