"""Profiles: additive in any order, and equal after a round trip through their bytes."""

import itertools

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from monitor.windows import codec
from monitor.windows.kernel.count_rows import count
from monitor.windows.layout import build, from_table
from monitor.windows.layout.slice_limits import MOST_NAMES
from monitor.windows.outcome_counts import count_outcomes
from monitor.windows.profile import core_of, merge
from tests.support.tables import predictions

ROWS = predictions(3000, outcomes=True)
LAYOUT = from_table.of(pa.Table.from_batches([ROWS]))
WHOLE = merge([count(ROWS, LAYOUT), count_outcomes(ROWS, LAYOUT)])


def _parts(*cuts: int):
    edges = [0, *cuts, ROWS.num_rows]
    pieces = [ROWS.slice(a, b - a) for a, b in itertools.pairwise(edges)]
    return [merge([count(piece, LAYOUT), count_outcomes(piece, LAYOUT)]) for piece in pieces]


def test_parts_of_a_window_add_up_to_the_whole_bit_by_bit_in_any_order():
    parts = _parts(1, 700, 701, 2500)
    assert merge(parts) == WHOLE
    assert merge(reversed(parts)) == WHOLE
    assert merge([merge(parts[:2]), merge(parts[2:])]) == WHOLE


def test_windows_of_one_version_are_added_once_for_all_rows_and_for_the_version():
    one = ROWS.filter(pc.equal(ROWS.column("version"), "1"))
    stored = [codec.encode(count(part, LAYOUT)) for part in (one.slice(0, 500), one.slice(500))]
    total = merge([codec.decode(blob, LAYOUT) for blob in stored])
    assert total.slices["version", "1"] is total.overall
    core = core_of(total)
    assert core.slices["version", "1"] is core.overall
    assert codec.encode(total) == codec.encode(count(one, LAYOUT))


def test_the_order_of_rows_changes_nothing():
    shuffled = ROWS.take(pa.array(np.random.default_rng(1).permutation(ROWS.num_rows)))
    assert merge([count(shuffled, LAYOUT), count_outcomes(shuffled, LAYOUT)]) == WHOLE


def test_a_profile_survives_its_bytes_and_equal_ones_give_equal_bytes():
    blob = codec.encode(WHOLE)
    assert codec.decode(blob, LAYOUT) == WHOLE
    assert codec.encode(merge(_parts(1000))) == blob


def test_a_layout_survives_its_bytes_under_the_same_name():
    again = build.decode(build.encode(LAYOUT))
    assert again.id == LAYOUT.id
    assert count(ROWS, again) == count(ROWS, LAYOUT)


def test_versions_and_segments_are_counted_apart_and_add_up():
    versions = WHOLE.versions
    assert sorted(versions) == ["1", "2"]
    assert sum(part.rows for part in versions.values()) == WHOLE.rows == 3000
    regions = {value: part.rows for (name, value), part in WHOLE.segments.items() if name == "region"}
    truth = {
        v: n.as_py()
        for v, n in ((x["values"].as_py(), x["counts"]) for x in ROWS["segments.region"].value_counts())
    }
    assert regions == truth


@pytest.mark.parametrize("kind", [pa.int64(), pa.uint8(), pa.float32(), pa.decimal128(10, 2)])
@pytest.mark.parametrize("rows", [50, 5000])
def test_numbers_of_any_width_are_counted_as_numbers(kind, rows):
    """Whoever calls the kernel with columns as they are gets the counts of the same values as float64."""
    values = pa.array([float(n % 40) if n % 7 else None for n in range(rows)])
    layout = from_table.of(pa.table({"features.x": values}))
    wide, narrow = (pa.RecordBatch.from_arrays([one], ["features.x"]) for one in (values, values.cast(kind)))
    assert codec.encode(count(narrow, layout)) == codec.encode(count(wide, layout))


def test_rows_are_counted_by_the_segments_that_the_baseline_has_before_others():
    rows = ROWS.slice(0, 200)
    of_own = {f"segments.{n}": [None] * n + ["x"] + [None] * (199 - n) for n in range(120)}
    of_all = {"segments.region": ["eu"] * 200}
    wide = pa.RecordBatch.from_pydict(
        {name: rows.column(name) for name in rows.schema.names if not name.startswith("segments.")}
        | {name: pa.array(values) for name, values in (of_own | of_all).items()}
    )
    counted = count(wide, LAYOUT)
    names = {name for name, _ in counted.slices if name.startswith("segments.")}
    assert len(names) == MOST_NAMES
    assert counted.slices["segments.region", "eu"].rows == counted.overall.rows == 200
