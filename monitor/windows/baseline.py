"""The baseline that a stream's windows are held against: kept in the store, or made from a past period."""

from collections.abc import Mapping
from dataclasses import replace
from weakref import WeakValueDictionary

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection

from monitor.errors import NotFoundError, StoreError
from monitor.predictions import outcomes as joining
from monitor.predictions.batches import concatenate
from monitor.predictions.batches import decode as decode_rows
from monitor.predictions.batches import encode as encode_rows
from monitor.records import Stream, Window
from monitor.store import baselines, predictions
from monitor.store.baselines import StoredBaseline
from monitor.windows import assembly, codec, describe, loss
from monitor.windows.count import count
from monitor.windows.layout import Kind, Layout
from monitor.windows.outcomes import count_outcomes
from monitor.windows.profile import Profile, Slice, merge
from monitor.windows.reference import DEFAULT, SAMPLE_ROWS, Baseline, from_file, from_table, sample

_MOST_ROWS = 2_000_000
_MOST_KEPT_BYTES = 2 * 1024**3
"""Two thousand baselines of fifty features take as much; to read one again costs ten times what measuring does."""

_KEPT: dict[tuple[Stream, str, str], Baseline] = {}
"""Baselines that were read, by what they hold: they never change, only which one is in force does."""


_LAYOUTS: WeakValueDictionary[str, Layout] = WeakValueDictionary()
"""Layouts that some baseline in memory has."""


def from_period(
    connection: Connection,
    stream: Stream,
    start: float,
    end: float,
    now: float,
    *,
    name: str = DEFAULT,
    overrides: Mapping[str, Kind] | None = None,
) -> Baseline:
    """A baseline from the predictions of the windows that begin in `[start, end)`, with the outcomes known by now.

    The layout is made from the first two million rows; the profile counts them all. Its span is from the first to the
    last window that holds rows.

    Raises:
        NotFoundError: the log holds nothing of that period.
    """
    some: list[pa.RecordBatch] = []
    taken = 0
    for stored in predictions.batches(connection, stream, start, end):
        some.append(decode_rows(stored.blob))
        taken += stored.rows
        if taken >= _MOST_ROWS:
            break
    if not some:
        raise NotFoundError(
            f"no prediction of {stream} is kept from that period", hint="see `watchkeeper status`"
        )
    layout = describe.of(pa.Table.from_batches([concatenate(some)]), overrides)
    parts: list[Profile] = []
    judged: list[pa.RecordBatch] = []
    filled: list[Window] = []
    for stored in predictions.batches(connection, stream, start, end):
        parts.append(count(decode_rows(stored.blob), layout))
        known = joining.with_known(connection, stored)
        if known is not None:
            parts.append(count_outcomes(known, layout))
            judged += [known] if sum(part.num_rows for part in judged) < loss.MOST_ROWS else []
        parts = [merge(parts)]
        filled = [*filled[:1], stored.window]
    return Baseline(
        stream,
        name,
        now,
        "period",
        layout,
        parts[0],
        Window(max(int(start), filled[0].start), min(int(end), filled[-1].end)),
        loss.learn(concatenate(judged), layout) if judged else None,
        sample(pa.Table.from_batches([concatenate(some)]), SAMPLE_ROWS),
    )


def save(connection: Connection, baseline: Baseline, now: float) -> bool:
    """Write a baseline and its layout; it is in force from now on. False if the very same was so already."""
    baselines.put_layout(connection, baseline.layout.id, assembly.encode(baseline.layout))
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
        loss.encode(baseline.loss) if baseline.loss is not None else b"",
        encode_rows(baseline.sample) if baseline.sample is not None else b"",
    )
    return baselines.put(connection, stored, now)


def load(
    connection: Connection, stream: Stream, name: str = DEFAULT, *, with_sample: bool = False
) -> Baseline | None:
    """The baseline of this name in force, or None before there is one. Its rows come along only where asked for."""
    if with_sample:
        found = baselines.current(connection, stream, name)
        return None if found is None else _restored(connection, found)
    digest = baselines.current_digest(connection, stream, name)
    if digest is None:
        return None
    kept = _KEPT.get((stream, name, digest))
    if kept is not None:
        return kept
    stored = baselines.current(connection, stream, name)
    assert stored is not None
    loaded = _restored(connection, replace(stored, sample=b""))
    _KEPT[(stream, name, digest)] = loaded
    held = sum(map(_bytes, list(_KEPT.values())))
    for key in list(_KEPT)[:-1]:  # the oldest first
        if held <= _MOST_KEPT_BYTES:
            break
        held -= _bytes(_KEPT.pop(key))
    return loaded


def _bytes(baseline: Baseline) -> int:
    """About what a baseline takes in memory, with what metrics prepare of it, for each place of the layout."""
    return 24 * baseline.layout.size


def layout_by_id(connection: Connection, identity: str) -> Layout:
    """A layout that was stored with a baseline.

    Raises:
        StoreError: it is not in the store.
    """
    if identity == describe.BARE.id:
        return describe.BARE
    known = _LAYOUTS.get(identity)
    if known is not None:
        return known
    blob = baselines.get_layout(connection, identity)
    if blob is None:
        raise StoreError(
            f"layout {identity} is not in the store", hint="was the store restored only in part?"
        )
    layout = _LAYOUTS[identity] = assembly.decode(blob)
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
        loss.decode(stored.loss) if stored.loss else None,
        decode_rows(stored.sample) if stored.sample else None,
    )


def _packed(profile: Profile) -> Profile:
    """The same profile with its counts in as few bytes as hold them, a quarter or an eighth: it is kept for long."""
    made: dict[int, Slice] = {}  # slices that are one object stay one
    for part in profile.slices.values():
        whole = part.kept.astype(np.min_scalar_type(int(part.kept.max(initial=0.0))))
        if id(part) not in made:
            made[id(part)] = replace(part, kept=whole) if np.array_equal(whole, part.kept) else part
    return Profile(profile.layout, {key: made[id(part)] for key, part in profile.slices.items()})


__all__ = ["DEFAULT", "Baseline", "from_file", "from_period", "from_table", "layout_by_id", "load", "save"]
