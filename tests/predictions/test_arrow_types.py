"""Columns of every Arrow type: each is read as what it means, or left out alone."""

import datetime as dt
import uuid
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from monitor.predictions.intake.arrow import typed
from monitor.predictions.intake.arrow_types import flat, readable
from monitor.predictions.settings import PredictionSettings
from monitor.records import Stream
from monitor.sources.files.load import HistoryReader
from monitor.times.columns import micros_of_texts
from monitor.windows.baseline_from_table import conform, from_table
from monitor.windows.layout.derived_columns import TIME_PARTS
from monitor.windows.layout.derived_columns import read as read_part

NOW = 1_795_000_000.0
IDS = [uuid.UUID(int=n**40) for n in range(1, 5)]
MEASURED = {
    "int8": (pa.array([1, None, 3], pa.int8()), [1.0, None, 3.0]),
    "uint64": (pa.array([2**64 - 1, None], pa.uint64()), [float(2**64), None]),
    "wide int64": (pa.array([2**53 + 1, None]), [float(2**53), None]),
    "half": (pa.array(np.array([0.5, 2], np.float16)), [0.5, 2.0]),
    "decimal": (pa.array([Decimal("1.25"), None]), [1.25, None]),
    "duration": (pa.array([dt.timedelta(seconds=90.5), None], pa.duration("ms")), [90.5, None]),
    "duration ns": (pa.array([1_500_000_000, None], pa.duration("ns")), [1.5, None]),
    "time of day": (pa.array([dt.time(1, 0, 0, 500_000), None]), [3600.5, None]),
    "time32": (pa.array([dt.time(0, 2), None], pa.time32("s")), [120.0, None]),
    "large text": (pa.array(["a", None], pa.large_string()), ["a", None]),
    "text view": (pa.array(["a", None], pa.string_view()), ["a", None]),
    "text in bytes": (pa.array([b"gr\xc3\xbcn", None]), ["grün", None]),
    "uuid": (pa.array([one.bytes for one in IDS] + [None], pa.uuid()), [*map(str, IDS), None]),
    "null": (pa.nulls(2), [None, None]),
    "run-end": (pc.run_end_encode(pa.array([1, 1, 2])), [1.0, 1.0, 2.0]),
    "list of ints": (pa.array([[1, 2], None, []]), [[1.0, 2.0], None, []]),
    "large list": (pa.array([[0.5]], pa.large_list(pa.float64())), [[0.5]]),
    "list of nothing": (pa.array([[], []]), [[], []]),
    "categories of numbers": (pa.array([3, None, 4]).dictionary_encode(), ["3", None, "4"]),
    "categories in a view": (
        pa.DictionaryArray.from_arrays(pa.array([1, None], pa.uint32()), pa.array(["a", "b"], pa.string_view())),
        ["b", None],
    ),
    "categories with null": (
        pa.DictionaryArray.from_arrays(pa.array([0, 1, 2], pa.int8()), pa.array([1.0, None, 2.5])),
        ["1", None, "2.5"],
    ),
}  # fmt: skip
UNWRITTEN = {"run-end", "categories in a view", "categories with null"}
"""Types that Parquet does not have."""
LEFT_OUT = {
    "bytes": pa.array([b"\x00\xff", b"a"]),
    "control characters": pa.array([b"a\x01", b"a"]),
    "fixed bytes": pa.array([b"ab"], pa.binary(2)),
    "map": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
    "list of texts": pa.array([["a"]]),
    "list of lists": pa.array([[[1.0]]]),
}


@pytest.mark.parametrize("name", MEASURED)
def test_what_a_type_means(name):
    column, expected = MEASURED[name]
    assert readable(column).to_pylist() == expected
    assert readable(column.slice(1)).to_pylist() == expected[1:]
    assert readable(column.slice(0, 0)).to_pylist() == []


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_cannot_be_measured(name):
    assert readable(LEFT_OUT[name]) is None
    assert typed("features.x", LEFT_OUT[name]) is None
    assert typed("segments.x", LEFT_OUT[name]) is None


def test_objects_become_columns_however_deep():
    rows = pa.RecordBatch.from_pylist([{"features": {"a": 1, "deep": {"b": "x"}}}, {"features": None}])
    assert flat(rows).to_pydict() == {"features.a": [1, None], "features.deep.b": ["x", None]}


def test_one_bad_column_of_a_file_stops_no_other(tmp_path):
    count = 50
    of_all_rows = {name: column for name, (column, _) in MEASURED.items() if name not in UNWRITTEN} | LEFT_OUT
    columns = {name: pa.concat_arrays([column.slice(0, 1)] * count) for name, column in of_all_rows.items()}
    times = pa.array([int(NOW) - n for n in range(count)], pa.timestamp("s"))
    table = pa.table({"timestamp": times, "prediction": ["a"] * count, **columns})
    pq.write_table(table, tmp_path / "rows.parquet")
    reader = HistoryReader([tmp_path / "rows.parquet"], Stream("acme", "fraud"), PredictionSettings(), NOW)
    (part,) = reader.parts()
    assert reader.accepted == count
    assert reader.ignored == {f"features.{name}" for name in LEFT_OUT}
    taken = {name for batch in part.batches for name in batch.rows.schema.names}
    assert {f"features.{name}" for name in MEASURED.keys() - UNWRITTEN} <= taken


def test_a_baseline_says_what_it_leaves_out():
    table = pa.table(
        {"amount": [1.0, 2.0, 3.0], "blob": [b"\xff\x00"] * 3, "user": [{"age": n} for n in range(3)]}
    )
    made = from_table(Stream("acme", "fraud"), table, NOW)
    assert [column.feature for column in made.layout.features] == ["amount", "user.age"]
    assert made.layout.notes == ("features.blob is of type binary, which cannot be measured",)


def test_large_whole_numbers_stay_apart_as_ids():
    assert typed("id", pa.array([2**62, 2**62 + 1])).to_pylist() == [str(2**62), str(2**62 + 1)]
    assert typed("id", pa.array([IDS[0].bytes], pa.uuid())).to_pylist() == [str(IDS[0])]


def test_types_of_fields_that_mean_the_same():
    assert typed("latency_ms", pa.array([dt.timedelta(milliseconds=41.5)])).to_pylist() == [41.5]
    assert typed("prediction", pa.array([Decimal("2.5")])).to_pylist() == [2.5]
    assert typed("timestamp", pa.array([dt.date(1970, 1, 2)])).to_pylist() == [86_400_000_000]
    assert typed("confidence", pa.array(["0.5", "1"]).dictionary_encode()).to_pylist() == [0.5, 1.0]


def test_a_moment_is_the_same_from_a_timestamp_and_from_any_text_of_it():
    """A baseline in Parquet and windows in JSON must not differ by the zone in which a time is written."""
    moment = dt.datetime(2026, 1, 1, 23, 30, tzinfo=dt.UTC)
    for zone in ("UTC", "Europe/Berlin", "America/St_Johns"):
        column = pa.array([moment], pa.timestamp("ns", zone))
        text = moment.astimezone(ZoneInfo(zone)).isoformat()
        for written in (pa.array([text]), pa.array([text.replace("T", " ")]), typed("features.at", column)):
            assert read_part(written, "hour", np.empty(0)).tolist() == [23.0]
        for part in TIME_PARTS:
            assert read_part(column, part, np.empty(0)) == read_part(pa.array([text]), part, np.empty(0))
    offsets = pa.array(["2026-01-01T00:30:00.5+05:30", "2026-01-01 00:30:00-0230", "2026-01-01", "x+05:30"])
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC).timestamp()
    found = [None if micros is None else micros / 1e6 for micros in micros_of_texts(offsets).to_pylist()]
    assert found == [start + 1800.5 - 19800, start + 1800 + 9000, start, None]


def test_words_among_truths_leave_the_column_out_of_a_baseline():
    table = pa.table({"automated": ["yes", "perhaps"], "segments.tags": [["a"], ["b"]], "amount": [1.0, 2.0]})
    assert conform(table).column_names == ["features.amount"]


def test_times_finer_than_a_microsecond():
    column = pa.array([1_795_000_000_123_456_789], pa.timestamp("ns"))
    assert conform(pa.table({"timestamp": column})).column("timestamp").to_pylist() == [1_795_000_000_123_456]
    assert read_part(column, "hour", np.empty(0)).size == 1
