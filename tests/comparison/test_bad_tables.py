"""Tables as they come: nothing in them makes a comparison fail, and the columns that can be compared are."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.comparison.tables import TableSource, open_source
from monitor.errors import InputError
from tests.support.every_type import COLUMNS
from tests.support.strategies import INPUTS
from tests.support.thorough import THOROUGH, examples
from watchkeeper import compare

_quick = settings(max_examples=examples(25))


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    """Columns of every kind, some of one name, with none, one or some rows."""
    rows = draw(st.integers(0, 40))
    names = draw(st.lists(st.sampled_from(sorted(INPUTS)), min_size=1, max_size=5))
    columns = []
    for name in names:
        values = draw(INPUTS[name])
        columns.append(pa.array([values[i % len(values)] for i in range(rows)]))
    return pa.table(columns, names=names)


@_quick
@given(tables(), tables())
def test_any_two_tables_are_compared_printed_and_drawn(reference, current):
    found = compare(reference, current)
    assert {column.name.partition("#")[0] for column in found.columns} <= set(reference.column_names)
    for m in found.measurements:
        assert (m.value is None) == bool(m.reason), m
    assert found.summary in repr(found)
    assert found._repr_html_().count("<tr>") == 1 + len(found.columns)
    assert found.to_arrow().num_rows == sum(len(column.measurements) for column in found.columns)


@_quick
@given(tables())
def test_a_table_is_like_itself(table):
    assert compare(table, table).drifted == []


def test_frames_with_bad_columns_beside_good_ones():
    """What cannot be compared says why; the others are measured."""
    rows = 200
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "good": rng.normal(size=rows),
            "constant": 1.0,
            "missing": None,
            "mixed": [1, "two", None, 4.5] * (rows // 4),
            "dates": ["2026-11-23", "23.11.2026", "11/23/2026", None] * (rows // 4),
            "no_zone": pd.date_range("2026-01-01", periods=rows, freq="h"),
            "zip": rng.integers(10_000, 99_999, rows).astype(str),
            "objects": [{"a": 1}] * rows,
        }
    )
    moved = frame.assign(good=frame["good"] + 2)
    for reference, current in ((frame, moved), (pl.from_pandas(frame.drop(columns="mixed")), moved)):
        found = compare(reference, current)
        assert found.columns[0].name == "good"
        assert [column.name for column in found.drifted] == ["good"]
        assert found["missing"].reason
        assert found["constant"].value("psi") == 0


def test_one_row_and_no_row():
    table = pa.table({"x": np.random.default_rng(0).normal(size=200)})
    assert compare(table, table.slice(0, 1))["x"].reason == "1 rows of 100 needed"
    assert compare(table, table.slice(0, 0))["x"].reason == "0 rows of 100 needed"
    assert compare(table.slice(0, 1), table)["x"].value("psi") is not None


def test_of_thousands_of_columns_the_worst_are_shown_and_all_are_kept():
    rng = np.random.default_rng(1)
    count = 10_000 if THOROUGH else 500
    columns = {f"c{i}": rng.normal(size=120) for i in range(count)}
    moved = columns | {"c123": columns["c123"] + 5}
    found = compare(pa.table(columns), pa.table(moved))
    assert f"{count - 100:,} more columns" in repr(found)
    assert f"{count - 100:,} more columns" in found._repr_html_()
    assert found.text().count("\n") > count
    assert found.columns[0].name == "c123"


def test_very_many_columns_are_compared_as_one_table(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(600)]
    path = tmp_path / "wide.parquet"
    pq.write_table(pa.table({name: [0.5 * number for number in range(200)] for name in names}), path)
    assert isinstance(open_source(path), TableSource)
    found = compare(path, path)
    assert len(found.columns) == 600
    assert not found.drifted


def test_a_column_that_stands_twice_is_said_and_a_vanished_one_is_judged_as_that(tmp_path: Path) -> None:
    rows = pa.table([[1.5] * 200, [2.5] * 200, ["a"] * 200], names=["amount", "amount", "country"])
    found = compare(rows, rows.drop_columns(["country"]))
    text = str(found)
    assert "2 changes of the schema" in text
    assert "amount: repeated, the first column of this name counts" in text
    assert next(row for row in found.rows() if row[0] == "country")[-1] == "vanished"


def test_texts_among_numbers_are_told_apart_from_missing_values() -> None:
    numbers = pa.table({"amount": [number % 40 + 0.5 for number in range(400)]})
    texts = pa.table({"amount": [str(number) if number % 4 else "n.a." for number in range(400)]})
    (row,) = compare(numbers, texts).rows()
    assert row[-1].endswith("25.0% are texts, not numbers")


@pytest.mark.parametrize(
    "one", [pd.Series([1.0, 2.0]), pl.Series([1.0, 2.0]), 3], ids=["pandas", "polars", "number"]
)
def test_what_is_no_table_is_said_to_be_none(one: object) -> None:
    with pytest.raises(InputError, match="is not a table"):
        compare(one, one)


def test_frames_of_every_type_that_pandas_has():
    """A duration is seconds, a category stays one though it is a number, and only bytes are not measured."""
    rows = np.arange(200) % 40
    days = pd.Timestamp("2026-01-01") + pd.to_timedelta(rows, unit="D")
    frame = pd.DataFrame(
        {
            "wait": pd.to_timedelta(rows, unit="s"),
            "arrow_wait": pd.array(pd.to_timedelta(rows, unit="s"), dtype="duration[ns][pyarrow]"),
            "integer": pd.array([None if n == 3 else n for n in rows], dtype="Int64"),
            "zip": pd.Categorical(rows),
            "cut": pd.cut(rows, [-1, 10, 20, 40]),
            "interval": pd.arrays.IntervalArray.from_breaks(np.arange(201)),
            "period": pd.PeriodIndex(days, freq="D"),
            "sparse": pd.arrays.SparseArray(rows % 3.0),
            "complex": rows + 1j,
            "zone": days.tz_localize("Europe/Berlin"),
            "user": [{"age": n} for n in rows.tolist()],
            "blob": [bytes([n, 255]) for n in rows.tolist()],
        }
    )
    found = compare(frame, frame)
    kinds = {column.name: column.kind.value for column in found.columns}
    assert {
        name: kinds[name] for name in ("wait", "arrow_wait", "integer", "sparse", "user.age")
    } == dict.fromkeys(("wait", "arrow_wait", "integer", "sparse", "user.age"), "integer")
    assert kinds["zip"] == kinds["cut"] == kinds["complex"] == "category"
    assert {"zone#hour", "period#weekday", "interval#length"} <= kinds.keys()
    reasons = {column.name: column.reason for column in found.columns if column.reason}
    assert reasons == {"blob": "blob is of type binary, which cannot be measured"}


def test_frames_of_every_type_that_polars_has():
    days = pl.date_range(pl.date(2026, 1, 1), pl.date(2026, 7, 19), eager=True)
    letters = [("a", "b", "c")[n % 3] for n in range(200)]
    frame = pl.DataFrame(
        {
            "category": pl.Series(letters, dtype=pl.Categorical),
            "enum": pl.Series(letters, dtype=pl.Enum(["a", "b", "c"])),
            "day": days,
            "wait": days - days[0],
            "clock": days.cast(pl.Datetime).dt.offset_by("3h").dt.time(),
            "pair": pl.Series([[float(n), 1.0] for n in range(200)], dtype=pl.Array(pl.Float64, 2)),
            "user": [{"age": n % 50} for n in range(200)],
        }
    )
    found = compare(frame, frame)
    assert {column.name: column.kind.value for column in found.columns if "#" not in column.name} == {
        "category": "category",
        "enum": "category",
        "wait": "integer",
        "clock": "integer",
        "user.age": "integer",
    }
    assert {"day#weekday", "pair#distance"} <= {column.name for column in found.columns}


def test_a_frame_of_numbers_that_arrow_has_no_type_for_says_so():
    frame = pl.DataFrame({"huge": pl.Series([1, 2], dtype=pl.Int128)})
    with pytest.raises(InputError, match="cannot be read as Arrow data"):
        compare(frame, frame)


@pytest.mark.parametrize("name", ["file.arrow", "stream.arrow"])
def test_arrow_files_and_streams(tmp_path, name):
    table = pa.table({"amount": np.arange(300.0) % 7, "user": [{"age": n % 50} for n in range(300)]})
    make = pa.ipc.new_file if name.startswith("file") else pa.ipc.new_stream
    with make(tmp_path / name, table.schema) as writer:
        writer.write_table(table)
    pq.write_table(table, tmp_path / "rows.parquet")
    found = compare(tmp_path / name, tmp_path / "rows.parquet")
    assert [(column.name, column.reason) for column in found.columns] == [("amount", ""), ("user.age", "")]


def test_a_time_that_is_gone_has_vanished_with_all_of_its_parts():
    reference = pa.table({"when": pa.array(range(200), pa.timestamp("s")), "amount": np.arange(200.0) % 7})
    found = compare(reference, reference.select(["amount"]))
    assert {line[0]: line[-1] for line in found.rows()} == {
        "amount": "alike",
        "when#hour": "vanished",
        "when#weekday": "vanished",
    }


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_of_any_type_may_turn_into_any_other(name: str) -> None:
    """Nothing fails, what cannot be measured says why, and the column beside it is measured."""
    good = COLUMNS["number"]
    base = pa.table({"good": good, "x": COLUMNS[name]})
    for other in COLUMNS.values():
        found = compare(base, pa.table({"good": good, "x": other}))
        assert found["good"].value("psi") == 0
        for column in found.columns:
            assert column.value("psi") is not None or column.reason, column.name
        assert repr(found)


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_of_any_type_may_have_few_rows(name: str) -> None:
    table = pa.table({"good": COLUMNS["number"], "x": COLUMNS[name]})
    for base, new in ((0, 200), (1, 200), (3, 200), (200, 1), (200, 0), (0, 0)):
        found = compare(table.slice(0, base), table.slice(0, new))
        assert all(column.value("psi") is not None or column.reason for column in found.columns)


def test_vectors_with_gaps_are_measured_where_they_have_none() -> None:
    vectors = [[float(n % 7), 1.0] if n % 4 else [math.nan, 1.0] for n in range(400)]
    found = compare(pa.table({"x": vectors}), pa.table({"x": vectors}))
    assert found["x#distance"].value("psi") == 0
    assert found["x#distance"].value("missing_share") == 0.25


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_vectors_of_another_length_are_told(share):
    rng = np.random.default_rng(0)
    rows = 400
    vectors = [rng.normal(size=8).tolist() for _ in range(rows)]
    others = [rng.normal(size=6 if row < share * rows else 8).tolist() for row in range(rows)]
    reference, current = (
        pa.table({"embedding": pa.array(each, pa.list_(pa.float32()))}) for each in (vectors, others)
    )
    found = compare(reference, current)
    parts = [column for column in found.columns if column.name.startswith("embedding#")]
    assert len(parts) == 5
    for column in parts:
        assert column.value("unreadable_share") == pytest.approx(share)
    told = {line[-1].partition("; ")[2] for line in found.rows()}
    assert told == ({f"{share:.1%} are vectors of another length or with gaps"} if share else {""})


def test_texts_that_are_no_times_are_told_too():
    times = pa.array(range(0, 200 * 3600, 3600), pa.timestamp("s"))
    texts = pa.array([f"2026-01-{1 + n % 28:02d}T08:00:00Z" if n % 4 else "soon" for n in range(200)])
    found = compare(pa.table({"when": times}), pa.table({"when": texts}))
    assert {column.value("unreadable_share") for column in found.columns} == {0.25}
    assert all(line[-1].endswith("; 25.0% are not times") for line in found.rows())
