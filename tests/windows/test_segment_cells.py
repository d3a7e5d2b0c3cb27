"""Features by segment: against counting each segment's rows alone, in halves, through bytes, and within their bound."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.windows import codec
from monitor.windows.kernel.count_rows import count
from monitor.windows.kernel.segment_cells import SegmentFeatures
from monitor.windows.layout import from_table as layouts
from monitor.windows.layout.layout import Layout
from monitor.windows.profile import Profile, core_of, merge
from tests.support.tables import predictions
from tests.support.thorough import examples

ALL = SegmentFeatures(most=100, cells=100_000)
BASE = predictions(3000, 1)
LAYOUT = layouts.of(pa.Table.from_batches([BASE]))


def coarse(profile: Profile, name: str) -> np.ndarray:
    """The overall counts of a column, added up in its coarse cells."""
    column = profile.layout.column(name)
    return np.add.reduceat(profile.overall.column(name).counts, np.array(column.cells))


def with_odd_regions(seed: int, rows: int) -> pa.RecordBatch:
    """Names with quotes, line ends and right-to-left marks, and rows without a region."""
    batch = predictions(rows, seed, shift=0.3)
    rng = np.random.default_rng(seed)
    regions = rng.choice(["eu", "us", 'a"\r\n\u2028b', "\u202erev", "x" * 500], rows)
    column = pa.array(regions, pa.string(), mask=rng.random(rows) < 0.1).dictionary_encode()
    at = batch.schema.get_field_index("segments.region")
    return batch.set_column(at, "segments.region", column)


def weighted(batch: pa.RecordBatch, seed: int) -> pa.RecordBatch:
    weights = np.random.default_rng(seed).choice([1.0, 2.5, 4.0], batch.num_rows)
    return batch.append_column("weight", pa.array(weights))


@settings(max_examples=examples(8), deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 400), st.booleans())
def test_law_each_segment_has_the_counts_of_its_rows_alone(seed: int, rows: int, has_weights: bool) -> None:
    batch = with_odd_regions(seed, rows)
    batch = weighted(batch, seed) if has_weights else batch
    whole = count(batch, LAYOUT, by_segment=ALL)
    regions = batch.column("segments.region").to_pylist()
    assert {value for _, value in whole.segments} == set(regions) - {None}
    for (_, value), part in whole.segments.items():
        alone = count(batch.filter(pa.array([one == value for one in regions])), LAYOUT)
        assert set(part.cells) == {column.name for column in LAYOUT.features}
        for name, counts in part.cells.items():
            assert counts.tolist() == pytest.approx(coarse(alone, name).tolist())


@settings(max_examples=examples(5), deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 300), st.booleans())
def test_law_halves_add_up_and_bytes_keep_every_count(seed: int, rows: int, has_weights: bool) -> None:
    batch = with_odd_regions(seed, rows)
    batch = weighted(batch, seed) if has_weights else batch
    whole = count(batch, LAYOUT, by_segment=ALL)
    parts = [count(batch.slice(at, rows // 2 + 1), LAYOUT, by_segment=ALL) for at in (0, rows // 2 + 1)]
    assert merge(parts) == whole
    assert codec.decode(codec.encode(whole), LAYOUT) == whole
    assert codec.encode(merge(parts)) == codec.encode(whole)


def test_profiles_without_features_by_segment_have_the_bytes_of_before() -> None:
    plain, by_segment = count(BASE, LAYOUT), count(BASE, LAYOUT, by_segment=ALL)
    assert codec.encode(core_of(by_segment)) == codec.encode(core_of(plain))
    assert codec.decode(codec.encode(plain), LAYOUT) == plain != by_segment


def test_features_that_were_counted_only_for_a_while_keep_their_own_rows() -> None:
    first = count(BASE, LAYOUT, by_segment=SegmentFeatures(1, 1000, ("amount",)))
    then = count(BASE, LAYOUT, by_segment=SegmentFeatures(1, 1000, ("country",)))
    both = merge([first, then, count(BASE, LAYOUT)])
    for key, part in both.segments.items():
        assert set(part.cells) == {"features.amount", "features.country"}
        assert part.cells["features.amount"].sum() == part.rows / 3 == count(BASE, LAYOUT).segments[key].rows


def test_the_most_important_features_and_the_segments_with_most_rows_come_first() -> None:
    many = pa.array([f"r{min(number % 40, 20)}" for number in range(3000)]).dictionary_encode()
    batch = BASE.set_column(BASE.schema.get_field_index("segments.region"), "segments.region", many)
    width = len(LAYOUT.column("features.country").cells)
    chosen = SegmentFeatures(most=1, cells=3 * width + 1, first=("country", "amount"))
    counted = {key[1]: part.cells for key, part in count(batch, LAYOUT, by_segment=chosen).segments.items()}
    assert {value for value, cells in counted.items() if cells} == {"r20", "r0", "r1"}
    assert set(counted["r20"]) == {"features.country"}


def test_a_column_that_is_absent_or_of_another_type_counts_as_missing() -> None:
    absent = BASE.drop_columns(["features.amount"])
    texts = absent.append_column("features.amount", pa.array(["?"] * BASE.num_rows).dictionary_encode())
    for batch in (absent, texts):
        part = count(batch, LAYOUT, by_segment=ALL).segments[("region", "eu")]
        cells = part.cells["features.amount"]
        assert cells[0] == cells.sum() == part.rows


def test_the_bytes_of_twenty_segments_stay_small() -> None:
    rng = np.random.default_rng(1)
    columns = {f"features.f{number}": pa.array(rng.normal(size=2000)) for number in range(30)}
    regions = pa.array(rng.choice([f"r{number}" for number in range(20)], 2000)).dictionary_encode()
    batch = pa.RecordBatch.from_pydict(
        {"timestamp": pa.array(range(2000), pa.int64()), **columns, "segments.r": regions}
    )
    layout: Layout = layouts.of(pa.Table.from_batches([batch]))
    plain = len(codec.encode(count(batch, layout)))
    by_segment = len(codec.encode(count(batch, layout, by_segment=SegmentFeatures(8, 2000))))
    assert by_segment - plain < 3000
