"""Sets of labels as columns: beside plain sets, on hostile labels, and in the drift decision."""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.drift import DriftSettings
from monitor.predictions.log.item_lists import labels_text
from monitor.windows.layout.label_set_columns import MOST_WATCHED, OTHERS, describe, read
from monitor.windows.layout.layout import LABEL_SETS, OF_LABEL
from watchkeeper import rehearse

HOSTILE = [",", "]", "[", '"', ',"', '","', "a,", ',"b"', "\\", "é", "\n", "", "a", "b", "label", "number"]


def stored(sets: list[set[str] | None], encode: bool = True) -> pa.Array:
    texts = pa.array([None if one is None else labels_text(one) for one in sets], pa.string())
    return texts.dictionary_encode() if encode else texts


@given(
    st.lists(st.none() | st.sets(st.sampled_from(HOSTILE)), min_size=1),
    st.lists(st.none() | st.sets(st.sampled_from([*HOSTILE, "new"])), min_size=1),
    st.booleans(),
)
def test_columns_are_those_of_plain_sets(
    before: list[set[str] | None], now: list[set[str] | None], encode: bool
) -> None:
    columns = {column.name: column for column in describe(stored(before, encode))}
    known = {label for one in before if one is not None for label in one}
    named = {LABEL_SETS, OTHERS, *(f"{OF_LABEL}{label}" for label in known)}
    assert set(columns) == (named if any(one is not None for one in before) else set())
    for name, column in columns.items():
        label = name.removeprefix(OF_LABEL)
        expected = [
            np.nan if one is None
            else len(one) if name == LABEL_SETS
            else float(bool(one - known)) if name == OTHERS
            else float(label in one)
            for one in now
        ]  # fmt: skip
        np.testing.assert_array_equal(read(column, stored(now, encode)), expected)


def test_the_most_frequent_labels_have_a_column_and_the_rest_counts_as_others() -> None:
    sets: list[set[str] | None] = [{f"l{number}" for number in range(size)} for size in range(1, 60)]
    columns = {column.name: column for column in describe(stored(sets))}
    assert len(columns) == MOST_WATCHED + 2
    assert f"{OF_LABEL}l29" in columns
    assert f"{OF_LABEL}l30" not in columns
    assert read(columns[OTHERS], stored([{"l1", "l29"}, {"l1", "l30"}, {"x"}, set()])).tolist() == [
        0,
        1,
        1,
        0,
    ]


def test_values_that_are_no_sets_are_missing() -> None:
    (column, *_) = describe(stored([{"a"}, {"a", "b"}]))
    for wrong in (pa.array(["{}", "3", "[1]", "a;b"]), pa.array([1.0, 2.0]), pa.array([["a"]])):
        assert np.isnan(read(column, wrong)).all()
    assert describe(pa.array([None, None], pa.string())) == []


def topics(seed: int, urgent_from: int | None = None, new_from: int | None = None) -> pa.Table:
    """Sixty rows an hour over four weeks; from an hour on, one label is predicted more often, or a new one."""
    chance = np.random.default_rng(seed)
    hours = np.repeat(np.arange(28 * 24), 60)
    shares = {"urgent": 0.1, "billing": 0.4, "bug": 0.25}
    has = {label: chance.random(hours.size) < share for label, share in shares.items()}
    if urgent_from is not None:
        has["urgent"] |= (hours >= urgent_from) & (chance.random(hours.size) < 0.15)
    has["spam"] = (hours >= (10**6 if new_from is None else new_from)) & (chance.random(hours.size) < 0.1)
    sets = [json.dumps(sorted(label for label in has if has[label][row])) for row in range(hours.size)]
    times = (1_790_000_000 // 604_800 * 604_800 + hours * 3600 + 60) * 1_000_000
    return pa.table({"at": pa.array(times, pa.timestamp("us", "UTC")), "predicted_labels": sets})


@pytest.mark.parametrize(
    ("table", "named"),
    [
        (topics(1), None),
        (topics(2, urgent_from=500), f"{OF_LABEL}urgent"),
        (topics(3, new_from=500), OTHERS),
    ],
)
def test_a_label_that_is_predicted_more_often_is_drift_and_nothing_else_is(
    table: pa.Table, named: str | None
) -> None:
    found = rehearse(table, time="at", settings=DriftSettings(window="1h", reference="14d"))
    if named is None:
        assert found.incidents == ()
    else:
        (incident,) = found.incidents
        assert incident.columns[0] == named
