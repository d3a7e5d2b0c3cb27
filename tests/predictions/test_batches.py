"""Batches of predictions: hashes of ids, their bytes, splitting by window, concatenation."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import DamageError
from monitor.predictions.log.batch import (
    compacted,
    concatenate,
    decode,
    encode,
    hashes,
    sampled,
    split,
    without_unused_entries,
)
from monitor.predictions.log.columns import column, names, numbers
from monitor.predictions.log.hashing import hash_texts
from monitor.records import Stream, Window

STREAM = Stream("acme", "fraud")
MASK = 2**64 - 1

texts = st.text(max_size=40)
features = st.one_of(
    st.lists(st.one_of(st.none(), st.floats())),
    st.lists(st.one_of(st.none(), st.booleans())),
    st.lists(st.one_of(st.none(), texts)),
    st.lists(st.one_of(st.none(), texts, st.floats(), st.booleans())),
    st.lists(st.one_of(st.none(), st.lists(st.floats(width=32), max_size=3))),
)


def rows_of(times, **columns):
    filled = {"timestamp": pa.array(times, pa.int64()), **columns}
    return pa.RecordBatch.from_arrays(list(filled.values()), names=list(filled))


def mix(value):
    value = ((value ^ value >> 30) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ value >> 27) * 0x94D049BB133111EB) & MASK
    return value ^ value >> 31


def hash_by_hand(text):
    data = text.encode()
    state = len(data) * 0x9E3779B97F4A7C15 & MASK
    for at in range(0, len(data), 8):
        state = (mix(state ^ int.from_bytes(data[at : at + 8], "little")) + 0x9E3779B97F4A7C15) & MASK
    return mix(state)


@given(st.lists(texts))
def test_the_hash_of_an_id_is_what_its_definition_says(some):
    assert hash_texts(pa.array(some, pa.string())).tolist() == [hash_by_hand(text) for text in some]


def test_the_hash_of_an_id_does_not_depend_on_its_neighbours_or_place():
    some = pa.array([f"{'x' * (n % 40)}{n}" for n in range(40_000)])
    whole = hash_texts(some)
    assert len(set(whole.tolist())) == 40_000
    assert (hash_texts(some.slice(17, 100)) == whole[17:117]).all()


@given(features)
def test_a_blob_gives_back_the_rows(values):
    rows = rows_of(range(len(values)), **{"features.a": column(values)})
    read = decode(encode(rows))
    assert read.schema == rows.schema
    assert str(read.to_pylist()) == str(rows.to_pylist())  # as text, in which NaN equals NaN
    assert encode(rows) == encode(decode(encode(rows)))


def test_another_format_is_refused_by_name():
    with pytest.raises(DamageError, match="not a batch"):
        decode(b"x" * 40)


@given(st.lists(st.integers(-(10**9), 10**9), min_size=1), st.sampled_from([1, 60, 3600]))
def test_splitting_keeps_each_row_in_its_window_and_in_order(times, seconds):
    micros = [time * 1_000_000 + 5 for time in times]
    rows = rows_of(micros, id=pa.array([str(n) for n in range(len(times))]))
    batches = split(STREAM, rows, seconds)
    assert [batch.window.start for batch in batches] == sorted({time // seconds * seconds for time in times})
    for batch in batches:
        found = batch.rows.column("timestamp").to_pylist()
        assert all(moment / 1e6 in batch.window for moment in found)
        assert batch.ids.tolist() == hashes(batch.rows).tolist()
        assert [int(one) for one in batch.rows.column("id").to_pylist()] == [
            n for n, time in enumerate(times) if time in batch.window
        ]
    assert batches[0].window == Window(batches[0].window.start, batches[0].window.start + seconds)


def test_rows_without_id_get_hashes_that_depend_on_the_content_only():
    rows = rows_of([1, 2, 3], id=pa.array(["a", None, None]))
    again = rows_of([1, 2, 3], id=pa.array(["a", None, None]))
    other = rows_of([1, 2, 4], id=pa.array(["a", None, None]))
    assert hashes(rows).tolist() == hashes(again).tolist()
    assert hashes(rows)[0] == hashes(other)[0]
    assert hashes(rows)[1] != hashes(other)[1]
    assert len(set(hashes(rows).tolist())) == 3


@given(features, features)
def test_batches_of_different_types_go_under_each_other(left, right):
    parts = [rows_of(range(len(some)), **{"features.a": column(some)}) for some in (left, right)]
    parts[1] = parts[1].append_column("features.b", pa.array([1.0] * len(right), pa.float64()))
    whole = concatenate(parts)
    assert whole.num_rows == len(left) + len(right)
    expected = column(
        [*parts[0].column("features.a").to_pylist(), *parts[1].column("features.a").to_pylist()]
    )
    assert [str(one) for one in whole.column("features.a").to_pylist()] == [
        str(one) for one in expected.to_pylist()
    ]
    assert whole.column("features.b").to_pylist() == [None] * len(left) + [1.0] * len(right)


def test_sampling_keeps_features_of_a_share_and_says_what_each_weighs():
    count = 20_000
    rows = rows_of(
        range(count),
        **{"features.a": pa.array(np.arange(count) * 1.0), "confidence": pa.array([0.5] * count)},
    )
    ids = hashes(rows)
    some = sampled(rows, ids, 0.1)
    kept = np.asarray(some.column("sampled"))
    assert abs(kept.mean() - 0.1) < 0.01
    assert some.column("features.a").null_count == count - kept.sum()
    assert some.column("confidence").null_count == 0
    assert some.column("weight").to_pylist()[:1] == [10.0]
    assert sampled(rows, ids, 0.1).equals(some)
    assert (kept <= np.asarray(sampled(rows, ids, 0.3).column("sampled"))).all(), (
        "a larger share keeps what a smaller one kept"
    )
    assert sampled(rows, ids, 1.0) is rows


def test_what_a_batch_lacks_means_sampled_with_weight_one_when_batches_are_joined():
    plain, thinned = rows_of([1]), sampled(rows_of([2]), hashes(rows_of([2])), 0.5)
    joined = concatenate([plain, thinned])
    assert joined.column("sampled").to_pylist()[0] is True
    assert joined.column("weight").to_pylist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("values", "expected", "unreadable"),
    [
        ([True, False, None], [1.0, 0.0, math.nan], [False, False, False]),
        ([1.5, None, math.inf], [1.5, math.nan, math.inf], [False, False, False]),
        (["1.5", "x", None, "true"], [1.5, math.nan, math.nan, math.nan], [False, True, False, True]),
    ],
)
def test_every_kind_of_feature_can_be_read_as_numbers(values, expected, unreadable):
    read = numbers(column(values))
    np.testing.assert_array_equal(read.values, expected)
    assert read.unreadable.tolist() == unreadable
    assert read.missing.tolist() == [value is None for value in values]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([True, None, False], ["true", None, "false"]),
        ([1.0, 2.5, None], ["1", "2.5", None]),
        (["a", None], ["a", None]),
        (["a" * 300, "b" * 300], ["a" * 300, "b" * 300]),
    ],
)
def test_every_kind_of_feature_can_be_read_as_categories(values, expected):
    assert names(column(values)).to_pylist() == expected


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([True, None], "bool"),
        ([True, 1.5], "double"),
        ([1.5, "x"], "dictionary<values=string, indices=int32, ordered=0>"),
        (["x" * 100], "string"),
        ([[1.0], None], "list<item: float>"),
        ([None], "double"),
    ],
)
def test_a_column_has_the_widest_kind_of_its_values(values, kind):
    assert str(column(values).type) == kind


@given(
    values=st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1),
    begin=st.integers(0, 5),
    kind=st.sampled_from([pa.int8(), pa.int32(), pa.int64()]),
)
def test_a_slice_has_the_labels_that_it_uses_and_no_others(values, begin, kind):
    labels = pa.array(values, pa.dictionary(kind, pa.string()))
    part = rows_of(range(len(values)), **{"features.a": labels}).slice(begin)
    found = without_unused_entries(part)
    assert found.to_pylist() == part.to_pylist()
    assert found.schema == compacted(part).schema
    entries = found.column("features.a").dictionary.to_pylist()
    assert sorted(entries) == sorted({value for value in values[begin:] if value is not None})
