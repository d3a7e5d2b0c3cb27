"""The baseline that a stream's windows are compared with: loaded from the store, or created from a past period."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from weakref import WeakValueDictionary

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection

from monitor.errors import NotFoundError, UnreadableError
from monitor.predictions.log.batch import concatenate
from monitor.predictions.log.batch import decode as decode_rows
from monitor.predictions.log.batch import encode as encode_rows
from monitor.predictions.log.stored_rows import decoded
from monitor.predictions.outcomes import join as joining
from monitor.records import Stream, Window
from monitor.store import baselines, predictions
from monitor.store.baselines import StoredBaseline
from monitor.windows import codec
from monitor.windows.baseline_from_table import (
    DEFAULT,
    SAMPLE_ROWS,
    Baseline,
    from_file,
    from_table,
    without_items,
)
from monitor.windows.baseline_period import PeriodColumns, merged
from monitor.windows.declared.baseline_definitions import NOTHING, DeclaredBaseline, with_declared
from monitor.windows.error_trees import training
from monitor.windows.kernel import loss_model
from monitor.windows.kernel.count_rows import count
from monitor.windows.kernel.segment_cells import OF_BASELINE
from monitor.windows.layout import build
from monitor.windows.layout import from_table as layout_from_table
from monitor.windows.layout.compact_counts import narrow, pack
from monitor.windows.layout.layout import ColumnKind, Layout
from monitor.windows.outcome_counts import count_outcomes
from monitor.windows.profile import OVERALL, Profile, Slice, blank, merge

_LAYOUT_ROWS = 2_000_000
_CACHE_BYTES = 2 * 1024**3
"""Enough for 4,000 baselines of 50 features. Reading one costs ten times as much as measuring a window."""

_CACHE: dict[tuple[Stream, str, str], Baseline] = {}
"""Loaded baselines by stream, name and digest, the oldest first. They never change; only the choice of the current one
does.
"""
_CACHE_LOCK, _CACHED_BYTES = Lock(), [0]
"""The lock of changes, and about how many bytes are cached: adding them up at each loading takes seconds with 10,000.
"""


_LAYOUTS: WeakValueDictionary[str, Layout] = WeakValueDictionary()
"""Layouts of the baselines in memory, by id."""


def from_period(
    connection: Connection,
    stream: Stream,
    start: float,
    end: float,
    now: float,
    *,
    name: str = DEFAULT,
    overrides: Mapping[str, ColumnKind] | None = None,
    with_relations: bool = False,
    declared: DeclaredBaseline = NOTHING,
) -> Baseline:
    """Create a baseline from the predictions of the windows that start in `[start, end)`, with the outcomes known so
    far.

    The layout is built from the first two million rows; the profile counts all rows. The span runs from the first to
    the last window that has rows.

    Raises:
        NotFoundError: the log holds no predictions of that period.
    """
    sizes = predictions.sizes(connection, stream, start, end)
    if not sizes:
        raise NotFoundError(
            f"no predictions of {stream} are stored for that period", hint="see `watchkeeper status`"
        )
    before = np.cumsum([0, *(rows for _, _, rows in sizes)])
    first = [number for (number, _, _), rows in zip(sizes, before, strict=False) if rows < _LAYOUT_ROWS]
    period = PeriodColumns(connection, stream, first)
    layout = layout_from_table.of(period, overrides, with_relations=with_relations)
    chosen = np.linspace(0, period.num_rows - 1, min(period.num_rows, SAMPLE_ROWS)).astype(np.int64)
    numbers = [number for number, _, _ in sizes]
    with_outcomes = _with_outcomes(connection, stream, numbers, layout)
    if with_outcomes is not None:
        layout = build.with_errors(layout, *training.learn(with_outcomes, layout))
    return Baseline(
        stream,
        name,
        now,
        "period",
        layout,
        with_declared_of(
            connection, stream, numbers, _count_batches(connection, stream, numbers, layout), declared
        ),
        Window(max(int(start), sizes[0][1].start), min(int(end), sizes[-1][1].end)),
        loss_model.learn(with_outcomes, layout) if with_outcomes is not None else None,
        without_items(period.take(chosen)),
    )


def with_declared_of(
    connection: Connection,
    stream: Stream,
    numbers: Sequence[int],
    profile: Profile,
    declared: DeclaredBaseline,
) -> Profile:
    """The profile of some batches, with what is declared."""

    def batches() -> Iterator[pa.RecordBatch]:
        for _, rows in decoded(connection, predictions.some(connection, stream, numbers)):
            yield rows

    def joined() -> Iterator[pa.RecordBatch]:
        for stored, _ in decoded(connection, predictions.some(connection, stream, numbers)):
            with_outcomes = joining.with_outcomes_of(connection, stored)
            if with_outcomes is not None:
                yield with_outcomes

    return with_declared(profile, batches, joined, declared)


def _with_outcomes(
    connection: Connection, stream: Stream, numbers: Sequence[int], layout: Layout
) -> pa.RecordBatch | None:
    """The first rows that have outcomes, to learn errors from; None without any, or if nothing learns from them."""
    batches: list[pa.RecordBatch] = []
    for stored, _ in decoded(connection, predictions.some(connection, stream, numbers)):
        joined = joining.with_outcomes_of(connection, stored)
        if joined is not None:
            if not training.has_errors(layout, joined.schema.names):
                return None
            batches.append(joined)
            if sum(part.num_rows for part in batches) >= training.MOST_ROWS:
                break
    return concatenate(batches) if batches else None


def _count_batches(connection: Connection, stream: Stream, numbers: Sequence[int], layout: Layout) -> Profile:
    """The profile of some batches."""
    total = blank(layout)

    def batches() -> Iterator[pa.RecordBatch]:
        nonlocal total
        for stored, rows in decoded(connection, predictions.some(connection, stream, numbers)):
            joined = joining.with_outcomes_of(connection, stored)
            if joined is not None:
                total = merge([total, count_outcomes(joined, layout)])
            yield rows

    for rows in merged(batches()):
        total = merge([total, count(rows, layout, by_segment=OF_BASELINE)])
    return total


@dataclass(frozen=True, slots=True)
class EncodedBaseline:
    """A baseline as the store keeps it, with its layout. `notes` are hints for users."""

    stored: StoredBaseline
    layout: bytes
    notes: tuple[str, ...]


def encoded(baseline: Baseline) -> EncodedBaseline:
    """Encode a baseline and its layout."""
    span = baseline.span
    stored = StoredBaseline(
        baseline.stream,
        baseline.name,
        baseline.created_at,
        baseline.source,
        span.start if span else None,
        span.end if span else None,
        baseline.layout.id,
        baseline.digest,
        codec.encode(baseline.profile),
        loss_model.encode(baseline.loss) if baseline.loss is not None else b"",
        encode_rows(baseline.sample) if baseline.sample is not None else b"",
    )
    return EncodedBaseline(stored, build.encode(baseline.layout), tuple(baseline.layout.notes))


def save(connection: Connection, baseline: Baseline, now: float) -> bool:
    """Store a baseline and its layout, and make it the current one. Returns False if it is already the current one."""
    return put(connection, encoded(baseline), now)


def put(connection: Connection, baseline: EncodedBaseline, now: float) -> bool:
    """Store an encoded baseline, and make it the current one. Returns False if it is already the current one."""
    baselines.put_layout(connection, baseline.stored.layout, baseline.layout)
    return baselines.put(connection, baseline.stored, now)


def load(
    connection: Connection, stream: Stream, name: str = DEFAULT, *, with_sample: bool = False
) -> Baseline | None:
    """The current baseline of this name, or None. Its sample of rows is loaded only `with_sample`."""
    if with_sample:
        stored = baselines.current(connection, stream, name)
        return None if stored is None else _restored(connection, stored)
    digest = baselines.current_digest(connection, stream, name)
    if digest is None:
        return None
    cached = _CACHE.get((stream, name, digest))
    if cached is not None:
        return cached
    stored = baselines.current(connection, stream, name)
    assert stored is not None
    loaded = _restored(connection, replace(stored, sample=b""))
    _keep((stream, name, digest), loaded)
    return loaded


def load_ahead(connection: Connection, some: Iterable[Stream]) -> None:
    """Read which baselines of these streams are in force, for `load`: in one statement instead of one each."""
    baselines.read_digests_ahead(connection, some)


def _keep(key: tuple[Stream, str, str], loaded: Baseline) -> None:
    """Put a baseline into the cache, and take the oldest ones out that it has no room for."""
    with _CACHE_LOCK:
        before = _CACHE.pop(key, None)  # another thread has loaded it meanwhile
        _CACHE[key] = loaded
        _CACHED_BYTES[0] += _bytes(loaded) - (_bytes(before) if before is not None else 0)
        while _CACHED_BYTES[0] > _CACHE_BYTES and len(_CACHE) > 1:
            _CACHED_BYTES[0] -= _bytes(_CACHE.pop(next(iter(_CACHE))))


def _bytes(baseline: Baseline) -> int:
    """About how much memory a baseline takes, with the arrays that metrics derive from it."""
    return 12 * baseline.layout.size


def layout_by_id(connection: Connection, identity: str) -> Layout:
    """A layout that was stored with a baseline.

    Raises:
        UnreadableError: it is not in the store.
    """
    if identity == layout_from_table.BARE.id:
        return layout_from_table.BARE
    cached = _LAYOUTS.get(identity)
    if cached is not None:
        return cached
    blob = baselines.get_layout(connection, identity)
    if blob is None:
        raise UnreadableError(
            f"layout {identity} is not in the store", hint="check that the store was restored completely"
        )
    layout = _LAYOUTS[identity] = build.decode(blob)
    return layout


def _restored(connection: Connection, stored: StoredBaseline) -> Baseline:
    layout = layout_by_id(connection, stored.layout)
    profile = _packed(codec.decode(stored.blob, layout))
    span = None if stored.start is None or stored.end is None else Window(stored.start, stored.end)
    return Baseline(
        stored.stream,
        stored.name,
        stored.created_at,
        stored.source,
        layout,
        profile,
        span,
        loss_model.decode(stored.loss) if stored.loss else None,
        decode_rows(stored.sample) if stored.sample else None,
    )


def _packed(profile: Profile) -> Profile:
    """The same profile with counts in the least memory: it stays there for long. The other slices are narrow, because
    those of many values would displace each other where counts are unpacked.
    """
    packed: dict[int, Slice] = {}  # slices that are one object stay one
    for key, part in profile.slices.items():
        if id(part) not in packed:
            counts = part.counts
            packed[id(part)] = replace(part, kept=pack(counts) if key == OVERALL else narrow(counts))
    return replace(profile, slices={key: packed[id(part)] for key, part in profile.slices.items()})


__all__ = ["DEFAULT", "Baseline", "from_file", "from_period", "from_table", "layout_by_id", "load", "save"]
