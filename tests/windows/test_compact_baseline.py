"""A baseline that is read from the store is kept in few bytes, and is the same baseline."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.metrics import MetricSettings, Subject, measure
from monitor.records import Stream, Window
from monitor.store.db import Store
from monitor.windows import baseline, codec
from monitor.windows.baseline_from_table import Baseline, from_table
from monitor.windows.kernel.count_rows import count
from monitor.windows.layout import compact_counts
from monitor.windows.profile import core_of, merge
from tests.bench.tables import table
from tests.support.log import running

STREAM = Stream("acme", "churn")


@pytest.fixture
def store(tmp_path):
    with running(tmp_path) as (_, opened):
        yield opened


def made(weight: float) -> Baseline:
    rows = table(3000, 10, 0, moved=False)
    rows = rows.rename_columns([f"features.{name}" for name in rows.column_names])
    weighted = rows.append_column("weight", pa.array(np.full(3000, weight)))
    return from_table(STREAM, weighted, 0.0)


def loaded(store: Store, known: Baseline) -> Baseline:
    with store.write() as connection:
        baseline.save(connection, known, 0.0)
    with store.read() as connection:
        found = baseline.load(connection, STREAM)
    assert found is not None
    return found


@pytest.mark.parametrize(("weight", "bytes_each"), [(1.0, 2), (1000.0, 4), (1.5, 8)])
def test_counts_take_as_few_bytes_as_hold_them_and_are_the_same(store, weight, bytes_each):
    known = made(weight)
    found = loaded(store, known)
    assert found.profile == known.profile
    assert found.digest == known.digest
    assert compact_counts.plain(found.profile.overall.kept).itemsize == bytes_each
    assert found.profile.overall.counts.dtype == np.float64
    assert np.array_equal(found.profile.overall.counts, known.profile.overall.counts)
    for column in known.layout.columns:
        here, there = (one.profile.overall.column(column.name) for one in (found, known))
        assert here.counts.dtype == np.float64
        assert np.array_equal(here.counts, there.counts)


def test_counts_of_a_baseline_in_memory_take_a_quarter_of_a_byte_each(store):
    found = loaded(store, made(1.0)).profile.overall
    kept = found.kept
    assert isinstance(kept, compact_counts.PackedCounts)
    assert len(kept.block) < 0.25 * kept.size == 0.25 * found.layout.size
    counts = compact_counts.plain(kept)
    assert compact_counts.plain(kept) is counts, "unpacked once for the windows of a model"
    with pytest.raises(ValueError, match="read-only"):
        counts[0] = 1


_COUNTS = st.one_of(
    st.integers(0, 300).map(float),
    st.sampled_from([0.0, 255.0, 256.0, 65535.0, 65536.0, 2.0**32 - 1, 2.0**32, 2.0**53]),
)


@given(st.lists(_COUNTS, max_size=50), st.integers(0, 5000), st.sampled_from([0.0, -0.0, -1.0, 0.5]))
@example([255.0, 256.0, 2.0**53], 5000, 0.0)
@example([], 0, 0.0)
def test_packed_counts_are_the_counts_to_the_last_bit(some, zeros, odd):
    counts = np.array([*some, odd, *([0.0] * zeros)])
    for kept in (compact_counts.pack(counts), compact_counts.narrow(counts)):
        assert kept.size == counts.size
        assert compact_counts.plain(kept).astype(np.float64).tobytes() == counts.tobytes()


def test_counts_of_the_last_seconds_are_narrow_and_add_up_to_the_same(store):
    known = made(1.0)
    whole = merge([known.profile, known.profile])
    core = [core_of(known.profile), core_of(known.profile)]
    assert {part.kept.dtype.kind for part in core[0].slices.values()} == {"u"}
    assert codec.encode(merge(core)) == codec.encode(core_of(whole))


def test_a_window_measures_the_same_against_it(store):
    known = made(1.0)
    rows = table(500, 10, 1, moved=True).combine_chunks().to_batches()[0]
    window = count(rows.rename_columns([f"features.{name}" for name in rows.schema.names]), known.layout)
    found = loaded(store, known)
    before, after = (
        measure(Subject(STREAM, Window(0, 60), replace(window, layout=one.layout), one, MetricSettings()))
        for one in (known, found)
    )
    assert before.shape.names == after.shape.names
    assert np.array_equal(before.figures, after.figures, equal_nan=True)
    assert before.reasons == after.reasons


def test_the_oldest_baselines_leave_memory_when_there_is_no_room(store, monkeypatch):
    known = made(1.0)
    size = baseline._bytes(known)
    monkeypatch.setattr(baseline, "_CACHE", {})
    monkeypatch.setattr(baseline, "_CACHED_BYTES", [0])
    monkeypatch.setattr(baseline, "_CACHE_BYTES", 2 * size)
    streams = [Stream("acme", f"model-{number}") for number in range(4)]
    with store.write() as connection:
        for stream in streams:
            baseline.save(connection, replace(known, stream=stream), 0.0)
    with store.read() as connection:
        found = [baseline.load(connection, stream) for stream in [*streams, *streams[-2:]]]
    assert [stream for stream, _, _ in baseline._CACHE] == streams[-2:]
    assert found[2] is found[4], "it was still there"
    assert baseline._CACHED_BYTES[0] == 2 * size
    baseline._keep(next(iter(baseline._CACHE)), known)
    assert baseline._CACHED_BYTES[0] == 2 * size, "loaded twice at the same time, counted once"
