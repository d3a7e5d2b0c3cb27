"""A profile counts a limited number of values separately, and stays exactly additive."""

from collections import Counter
from random import Random

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.windows import codec
from monitor.windows.kernel.count_rows import count
from monitor.windows.layout import build, from_table
from monitor.windows.layout.slice_limits import (
    MOST_NAMES,
    MOST_SLICES,
    MOST_VALUES,
    VERSION,
    SliceLimits,
    limited,
    of_sum,
)
from monitor.windows.profile import OVERALL, merge, subtract
from tests.support.thorough import examples

BARE = from_table.bare()
COLUMNS = ("version", "segments.city", "segments.plan")
VALUE = st.none() | st.integers(0, 12).map(str)
ROWS = st.lists(st.tuples(VALUE, VALUE, VALUE), max_size=40)


def batch(rows):
    columns = [pa.array([row[place] for row in rows], pa.string()) for place in range(len(COLUMNS))]
    latency = pa.array([5.0] * len(rows), pa.float64())
    return pa.RecordBatch.from_arrays([*columns, latency], [*COLUMNS, "latency_ms"])


def rows_by_value(rows):
    """How many rows have each value, counted one by one."""
    return Counter(
        (name, row[place]) for row in rows for place, name in enumerate(COLUMNS) if row[place] is not None
    )


@settings(max_examples=examples(60))
@given(st.lists(ROWS, min_size=1, max_size=4), st.integers(1, 6), st.randoms(use_true_random=False))
def test_parts_merge_to_the_whole_in_any_order_and_what_is_kept_is_exact(parts, most, random):
    whole = count(batch([row for part in parts for row in part]), BARE, most)
    counted = [count(batch(part), BARE, most) for part in parts]
    random.shuffle(counted)
    while len(counted) > 1:  # merged two by two, in any order
        one, other = counted.pop(random.randrange(len(counted))), counted.pop()
        counted.append(merge([one, other]))
    assert counted[0] == whole
    expected = rows_by_value([row for part in parts for row in part])
    kept = {key: part.rows for key, part in whole.slices.items() if key != OVERALL}
    assert kept == {key: expected[key] for key in kept}
    assert whole.rows == sum(map(len, parts))
    for name in COLUMNS:
        given_values = sum(key[0] == name for key in expected)
        assert sum(key[0] == name for key in kept) == min(given_values, most)
        assert (name in whole.limits.left_out) == (given_values > most)
    assert codec.decode(codec.encode(whole), BARE) == whole


KEYS = st.sets(
    st.tuples(st.integers(0, MOST_NAMES + 20).map("segments.{}".format), st.integers(0, 60).map(str)),
    max_size=30,
)


@settings(max_examples=examples(40))
@given(st.lists(st.tuples(KEYS, st.integers(0, 10**6), st.integers(0, 4000)), min_size=2, max_size=5))
def test_keys_are_limited_alike_however_they_are_divided(parts):
    every = [{OVERALL, (VERSION, "1"), *keys, *_random_keys(seed, number)} for keys, seed, number in parts]
    whole, limits = limited(sorted(set().union(*every)), BARE, SliceLimits())
    kept, reached = every[0], SliceLimits()
    kept, reached = limited(sorted(kept), BARE, reached)
    for more in every[1:]:
        of_part, limits_of_part = limited(sorted(more), BARE, SliceLimits())
        kept, reached = limited(sorted({*kept, *of_part}), BARE, of_sum([reached, limits_of_part]))
    assert sorted(kept) == sorted(whole)
    assert reached == limits
    assert {OVERALL, (VERSION, "1")} <= set(whole)
    segments = [key for key in whole if key[0].startswith("segments.")]
    assert len(segments) <= MOST_SLICES
    assert len({name for name, _ in segments}) <= MOST_NAMES
    assert max(Counter(name for name, _ in segments).values(), default=0) <= MOST_VALUES


def _random_keys(seed, number):
    random = Random(seed)
    return {(f"segments.{random.randrange(60)}", str(random.randrange(100))) for _ in range(number)}


def test_the_values_that_are_frequent_in_the_baseline_are_kept_before_others():
    cities = [f"city {place}" for place in range(300) for _ in range(300 - place)]
    baseline = pa.table({"segments.city": cities, "latency_ms": [5.0] * len(cities)})
    layout = build.decode(build.encode(from_table.of(baseline)))
    assert layout.segments["segments.city"][:3] == ("city 0", "city 1", "city 2")
    strangers = [f"stranger {place}" for place in range(1000)]
    profile = count(batch([(None, city, None) for city in [*strangers, *cities]]), layout)
    assert {value for _, value in profile.segments} == {f"city {place}" for place in range(MOST_VALUES)}
    assert profile.slices["segments.city", "city 0"].rows == 300


def test_a_new_value_of_a_segment_with_few_values_is_counted():
    layout = from_table.of(pa.table({"segments.plan": ["free", "paid"], "latency_ms": [5.0, 6.0]}))
    profile = count(batch([(None, None, plan) for plan in ("free", "paid", "trial")]), layout)
    assert sorted(value for _, value in profile.segments) == ["free", "paid", "trial"]
    assert profile.limits.is_usual


@pytest.mark.parametrize("most", [3, 50, 200])
def test_what_is_subtracted_can_be_added_again(most):
    own, of_site = (
        count(batch([(None, str(n % 90), str(n % 7)) for n in range(start, end)]), BARE, most)
        for start, end in ((0, 70), (50, 400))
    )
    whole = merge([own, of_site])
    assert merge([subtract(whole, [of_site]), of_site]) == whole
    assert subtract(whole, [of_site]).rows == own.rows


def test_a_larger_limit_of_the_configuration_holds_for_sums():
    parts = [
        count(batch([(None, str(n), None) for n in range(start, start + 120)]), BARE, 200)
        for start in (0, 60)
    ]
    total = merge([codec.decode(codec.encode(part), BARE) for part in parts])
    assert len(total.segments) == 180
    assert total.slices["segments.city", "100"].rows == 2
