"""Rows of two environments with the same inputs, against a search that compares each row with each."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from monitor.predictions.log import columns
from monitor.releases.parity.pairs import hashes, input_names, pairs, with_inputs_of

Row = dict[str, Any]
NAMES = ("a", "b", "c")
VALUES = {
    "numbers": st.sampled_from([0.0, -0.0, 12.0, 0.5, float("inf")]),
    "texts": st.sampled_from(["12", "0", "0.5", "true", "", "é"]),
    "truths": st.booleans(),
    "vectors": st.sampled_from([[1.0], [1.0, 2.0], []]),
    "times": st.sampled_from([datetime(2026, 11, 30, hour, tzinfo=UTC) for hour in (1, 2)]),
}


def batch(rows: Sequence[Row], names: Sequence[str]) -> pa.RecordBatch:
    """Rows as they are stored; each column has the type of its values."""
    made = {f"features.{name}": typed([row[name] for row in rows]) for name in names}
    return pa.RecordBatch.from_pydict(
        {**made, "prediction": pa.array([row["answer"] for row in rows], pa.string())}
    )


def typed(values: list[Any]) -> pa.Array:
    given = next((value for value in values if value is not None), None)
    return (
        pa.array(values, pa.timestamp("us", "UTC")) if isinstance(given, datetime) else columns.column(values)
    )


@st.composite
def sides(draw: st.DrawFn) -> list[pa.RecordBatch]:
    """One to three batches of a side: each input has one kind of value, and a side may lack inputs."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    kinds = {name: draw(st.sampled_from(sorted(VALUES))) for name in names}
    row = st.fixed_dictionaries(
        {name: st.none() | VALUES[kind] for name, kind in kinds.items()}
        | {"answer": st.sampled_from([None, "x", "y", "z"])}
    )
    return [
        batch(rows, names)
        for rows in draw(st.lists(st.lists(row, min_size=1, max_size=5), min_size=1, max_size=3))
    ]


def given_in(side: Sequence[pa.RecordBatch]) -> set[str]:
    return {name for one in side for name in input_names(one) if one.column(name).null_count < len(one)}


def answers(side: Sequence[pa.RecordBatch], names: Sequence[str]) -> list[tuple[tuple[str | None, ...], Any]]:
    """Inputs, each value by its name as a category, and answer of each row; without rows that lack either."""
    keyed = []
    for one in side:
        named = {name: columns.names(one.column(name)).to_pylist() for name in input_names(one)}
        for row, answer in enumerate(one.column("prediction").to_pylist()):
            key = tuple(named[name][row] if name in named else None for name in names)
            if answer is not None and any(value is not None for value in key):
                keyed.append((key, answer))
    return keyed


def each_with_each(left: Sequence[pa.RecordBatch], right: Sequence[pa.RecordBatch]) -> list[tuple[Any, Any]]:
    names = sorted(given_in(left) & given_in(right))
    one, other = (answers(side, names) for side in (left, right))
    is_first = lambda rows, at: all(key != rows[at][0] for key, _ in rows[:at])  # noqa: E731
    return [
        (mine, theirs)
        for n, (key, theirs) in enumerate(other)
        for m, (same, mine) in enumerate(one)
        if same == key and is_first(one, m) and is_first(other, n)
    ]


@given(sides(), sides())
def test_law_pairs_are_those_of_a_search_of_each_row_in_each(
    left: list[pa.RecordBatch], right: list[pa.RecordBatch]
) -> None:
    assert list(pairs(left, right)) == each_with_each(left, right)


@given(sides(), sides())
def test_law_the_sides_may_be_exchanged(left: list[pa.RecordBatch], right: list[pa.RecordBatch]) -> None:
    there, back = list(pairs(left, right)), list(pairs(right, left))
    assert sorted(there) == sorted((one, other) for other, one in back)


@given(sides(), sides())
def test_law_rows_that_are_searched_for_give_the_pairs_that_all_rows_give(
    wanted: list[pa.RecordBatch], side: list[pa.RecordBatch]
) -> None:
    sample = pa.concat_batches(side) if len({one.schema for one in side}) == 1 else max(side, key=len)
    if given_in([sample]) != given_in(side):
        return
    kept = with_inputs_of(side, wanted[0], sample)
    assert all(len(one) for one in kept)
    names = sorted(given_in(wanted[:1]) & given_in(side))
    assert list(pairs(wanted[:1], kept)) == list(pairs(wanted[:1], side)) or given_in(kept) != given_in(side)
    inputs = {key for key, _ in answers(wanted[:1], names)}
    assert [row for row in answers(side, names) if row[0] in inputs] == [
        row for row in answers(kept, names) if row[0] in inputs
    ]


@given(sides(), st.lists(st.sampled_from([f"features.{name}" for name in NAMES]), min_size=1, unique=True))
def test_law_rows_have_one_hash_by_the_names_of_their_values(
    side: list[pa.RecordBatch], names: list[str]
) -> None:
    hashed: dict[tuple[str | None, ...], int] = {}
    for one in side:
        keys = [
            columns.names(one.column(name)).to_pylist() if name in input_names(one) else [None] * len(one)
            for name in names
        ]
        for key, value in zip(zip(*keys, strict=True), hashes(one, names).tolist(), strict=True):
            assert hashed.setdefault(key, value) == value


def test_inputs_that_one_side_alone_receives_hide_no_row_from_the_search() -> None:
    ours = [{"a": float(n), "b": "new", "answer": "x"} for n in range(3)]
    theirs = [{"a": float(n), "c": "old", "answer": "y"} for n in range(5)]
    left, right = batch(ours, ["a", "b"]), batch(theirs, ["a", "c"])
    [kept] = with_inputs_of([right], left, right)
    assert kept.column("features.a").to_pylist() == [0.0, 1.0, 2.0]
    assert with_inputs_of([batch(theirs, ["c"])], left, batch(theirs, ["c"])) == []
    empty = batch([{"a": 1.0, "b": None, "answer": "x"}], ["a", "b"])
    filled = batch([{"a": 1.0, "b": "new", "answer": "y"}], ["a", "b"])
    assert [len(one) for one in with_inputs_of([filled], empty, filled)] == [1]
