"""Arrow streams of whatever types: what can be read is read as JSON would be, the rest is refused with a reason."""

import datetime as dt
import decimal
import json
import uuid

import numpy as np
import pyarrow as pa
import pytest

from monitor.errors import InputError
from monitor.predictions.intake.parse import RecordKind
from monitor.predictions.intake.schema import Rules
from monitor.predictions.settings import PredictionSettings
from tests.support.arrow_requests import HERE, batch, read, rows_of, stream, tried
from tests.support.log import NOW, outcome, prediction

MOMENT = dt.datetime.fromtimestamp(NOW - 60, dt.UTC)


def of_json(kind, records):
    return read(kind, json.dumps(records).encode(), content_type="")


IDS = pa.array(["a", "b"])


MICROS = int((NOW - 60) * 1e6)


TIMES = {
    **{
        f"timestamp[{unit}]{zone or ''}": pa.array([MOMENT.replace(tzinfo=None)] * 2)
        .cast(pa.timestamp(unit))
        .cast(pa.timestamp(unit, zone))
        for unit in ("s", "ms", "us", "ns")
        for zone in (None, "UTC", "Europe/Berlin", "+05:30")
    },
    "ISO text": pa.array([MOMENT.isoformat()] * 2),
    "large text": pa.array([MOMENT.isoformat()] * 2, pa.large_string()),
    "text view": pa.array([MOMENT.isoformat()] * 2, pa.string_view()),
    "dictionary of texts": pa.array([MOMENT.isoformat()] * 2).dictionary_encode(),
    "dictionary of times": pa.array(
        [MOMENT.replace(tzinfo=None)] * 2, pa.timestamp("us")
    ).dictionary_encode(),
    "seconds": pa.array([NOW - 60] * 2),
    "whole seconds": pa.array([int(NOW - 60)] * 2),
    "unsigned": pa.array([int(NOW - 60)] * 2, pa.uint32()),
    "milliseconds": pa.array([int(NOW - 60) * 1000] * 2),
    "nanoseconds": pa.array([int(NOW - 60) * 10**9] * 2),
    "decimal": pa.array([decimal.Decimal(int(NOW - 60))] * 2),
    "runs": pa.compute.run_end_encode(pa.array([MOMENT.replace(tzinfo=None)] * 2, pa.timestamp("us"))),
}


@pytest.mark.parametrize("kind", RecordKind)
@pytest.mark.parametrize("times", TIMES.values(), ids=TIMES)
def test_a_time_of_any_unit_zone_and_layout_is_the_same(kind, times):
    columns = {"id": IDS, "timestamp": times, "truth": ["x", "y"], "prediction": ["x", "y"]}
    submission = read(kind, stream(batch(columns)))
    assert [row["timestamp"] for row in rows_of(submission)] == [MICROS, MICROS]
    assert submission.rejected_count == 0


LABELS = {
    "text": pa.array(["1", "yes"]),
    "large text": pa.array(["1", "yes"], pa.large_string()),
    "text view": pa.array(["1", "yes"], pa.string_view()),
    "dictionary": pa.array(["1", "yes"]).dictionary_encode(),
    "dictionary of large texts": pa.DictionaryArray.from_arrays(
        pa.array([0, 1], pa.int8()), pa.array(["1", "yes"], pa.large_string())
    ),
    "dictionary of views": pa.DictionaryArray.from_arrays(
        pa.array([0, 1], pa.uint64()), pa.array(["1", "yes"], pa.string_view())
    ),
    "dictionary with entries twice and none": pa.DictionaryArray.from_arrays(
        pa.array([3, 1], pa.int16()), pa.array(["1", "yes", None, "1"])
    ),
    "bytes": pa.array([b"1", b"yes"]),
    "runs": pa.compute.run_end_encode(pa.array(["1", "yes"])),
    "runs of a dictionary": pa.RunEndEncodedArray.from_arrays(
        pa.array([1, 2], pa.int32()), pa.array(["1", "yes"]).dictionary_encode()
    ),
}


@pytest.mark.parametrize("column", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize("field", ["truth", "id"])
def test_a_text_of_any_layout_is_the_same_in_an_outcome(field, column):
    columns = {"id": IDS, "truth": ["x", "y"], field: column}
    expected = of_json(
        RecordKind.OUTCOMES, [outcome(**{"id": one, "truth": two, field: text}) for one, two, text in
                        zip("ab", "xy", ["1", "yes"], strict=True)]
    )  # fmt: skip
    found = read(RecordKind.OUTCOMES, stream(batch({**columns, "timestamp": [NOW, NOW]})))
    assert rows_of(found) == rows_of(expected)


NUMBERS = {
    **{str(kind): pa.array([1, None], kind) for kind in (pa.int8(), pa.uint8(), pa.int64(), pa.uint64())},
    "half": pa.array([np.float16(1), None], pa.float16()),
    "float": pa.array([1.0, None], pa.float32()),
    "double": pa.array([1.0, None]),
    "NaN": pa.array([1.0, float("nan")]),
    "decimal32": pa.array([decimal.Decimal("1.0"), None], pa.decimal32(4, 1)),
    "decimal128": pa.array([decimal.Decimal("1.00"), None], pa.decimal128(10, 2)),
    "decimal256": pa.array([decimal.Decimal("1.00"), None], pa.decimal256(50, 2)),
    "text": pa.array(["1", None]),
    "text of NaN": pa.array(["1", "nan"]),
    "dictionary": pa.array([1, None]).dictionary_encode(),
    "dictionary of texts": pa.array(["1.0", None]).dictionary_encode(),
    "runs": pa.compute.run_end_encode(pa.array([1, None])),
}


@pytest.mark.parametrize("column", NUMBERS.values(), ids=NUMBERS)
@pytest.mark.parametrize("field", ["truth", "feedback", "reviewed", "corrected", "cost", "automated"])
def test_a_number_of_any_type_is_the_same_and_one_that_is_missing_is_not_known_yet(field, column):
    kind = RecordKind.PREDICTIONS if field in ("cost", "automated") else RecordKind.OUTCOMES
    other = (
        "prediction"
        if kind is RecordKind.PREDICTIONS
        else "corrected"
        if field != "corrected"
        else "reviewed"
    )
    if field == "truth" and column is NUMBERS["text of NaN"]:
        return  # a label
    columns = {"id": IDS, other: pa.array([True, True]), field: column}
    submission = read(kind, stream(batch(columns)))
    assert (submission.accepted, submission.rejected_count) == (2, 0), submission.rejected
    first, second = sorted(rows_of(submission), key=lambda row: row["id"])
    assert str(first[field]) in ("1.0", "1", "True")
    assert field not in second or second[field] is None


@pytest.mark.parametrize("kind", RecordKind)
def test_client_and_model_come_as_columns_as_metadata_or_with_the_key(kind):
    said = {"id": IDS, "prediction": ["x", "y"], "truth": ["x", "y"]}
    names = {name: pa.array([value, value]) for name, value in HERE.items()}
    assert read(kind, stream(batch({**said, **names}, None))).accepted == 2
    assert read(kind, stream(batch(said))).accepted == 2
    mine = Rules(PredictionSettings(), NOW, "acme")
    assert read(kind, stream(batch(said, {"model": "fraud"})), mine).accepted == 2
    assert read(kind, stream(batch(said, {"model": "fraud", "client": "bank"})), mine).rejected[0].reason == (
        "other_client"
    )
    nobody = read(kind, stream(batch(said, None)))
    assert [one.rejected.error for one in nobody.rejected] == ["client is missing"] * 2
    some = {**said, "client": pa.array(["acme", None]), "model": pa.array(["fraud", "fraud"])}
    assert [one.rejected.index for one in read(kind, stream(batch(some, None))).rejected] == [1]
    with pytest.raises(InputError, match="metadata is not UTF-8"):
        read(kind, stream(batch(said, {"client": b"\xff", "model": b"m"})))


def test_an_outcome_without_an_id_or_anything_to_say_is_refused_alone():
    columns = {"id": ["a", None, "c"], "truth": ["x", "y", None]}
    submission = read(RecordKind.OUTCOMES, stream(batch(columns)))
    assert [(one.rejected.index, one.rejected.error) for one in submission.rejected] == [
        (1, "id is missing"),
        (2, "the outcome has no value"),
    ]
    assert (
        read(RecordKind.OUTCOMES, stream(batch({"truth": ["x"]}))).rejected[0].rejected.error
        == "id is missing"
    )


def test_a_time_that_no_clock_has_is_refused_alone():
    far = pa.array([int(NOW), 2**62], pa.int64()).cast(pa.timestamp("s"))
    old = pa.array([int(NOW), 1_795], pa.int64()).cast(
        pa.timestamp("s")
    )  # as µs it would read as seconds of now
    days = pa.array([int(NOW // 86400), 2**31 - 1], pa.int32()).cast(pa.date32())
    for times in (far, old, days):
        for kind in RecordKind:
            columns = {"id": IDS, "timestamp": times, "truth": ["x", "y"], "prediction": ["x", "y"]}
            submission = read(kind, stream(batch(columns)))
            assert (submission.accepted, [one.rejected.index for one in submission.rejected]) == (1, [1])


ODD = {
    "map": pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64())),
    "list of texts": pa.array([["a"], None]),
    "list of lists": pa.array([[[1]], None]),
    "list view": pa.array([[1], None], pa.list_view(pa.int64())),
    "large list view": pa.array([[1], None], pa.large_list_view(pa.int64())),
    "bytes": pa.array([b"\xff\x00", None]),
    "large bytes": pa.array([b"\xff\x00", None], pa.large_binary()),
    "bytes view": pa.array([b"\xff\x00" * 20, None], pa.binary_view()),
    "fixed bytes": pa.array([b"\xff\x00", None], pa.binary(2)),
    "list of structs": pa.array([[{"a": 1}], None]),
    "empty struct": pa.array([{}, {}], pa.struct([])),
    "struct": pa.array([{"a": 1, "b": {"c": "x"}}, None]),
    "dictionary of structs": pa.DictionaryArray.from_arrays(pa.array([0, 0]), pa.array([{"a": 1}])),
    "dictionary of lists": pa.DictionaryArray.from_arrays(pa.array([0, 0]), pa.array([[1.0]])),
    "dense union": pa.UnionArray.from_dense(
        pa.array([0, 1], pa.int8()), pa.array([0, 0], pa.int32()), [pa.array([1]), pa.array(["x"])]
    ),
    "sparse union": pa.UnionArray.from_sparse(
        pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["x", "y"])]
    ),
    "duration": pa.array([1, None], pa.duration("ns")),
    "time": pa.array([1, None], pa.time64("ns")),
    "interval": pa.array([pa.MonthDayNano([1, 2, 3]), None], pa.month_day_nano_interval()),
    "nothing": pa.nulls(2),
    "uuid": pa.array([uuid.uuid4().bytes, None], pa.uuid()),
    "json": pa.array(['{"a": 1}', None], pa.json_(pa.string())),
    "opaque": pa.ExtensionArray.from_storage(pa.opaque(pa.int64(), "other", "vendor"), pa.array([1, None])),
    "bool8": pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, None], pa.int8())),
    "tensor": pa.ExtensionArray.from_storage(
        pa.fixed_shape_tensor(pa.float32(), [2]), pa.array([[1, 2], None], pa.list_(pa.float32(), 2))
    ),
    "list with numbers behind a null": pa.ListArray.from_arrays(
        pa.array([0, 2, 4], pa.int32()), pa.array([1.0, 2.0, 3.0, 4.0]), mask=pa.array([False, True])
    ),
    "list of nothing": pa.array([[], None], pa.list_(pa.null())),
    "fixed list": pa.array([[1, 2], None], pa.list_(pa.int8(), 2)),
    "text": pa.array(["x", None]),
    "text with a NUL": pa.array(["a\0b", None]),
    "long text": pa.array(["x" * 100_000, None]),
    "dates": pa.array([dt.date(1, 1, 1), None]),
    "far times": pa.array([2**62, None], pa.int64()).cast(pa.timestamp("s")),
    "runs of nothing": pa.RunEndEncodedArray.from_arrays(pa.array([2], pa.int32()), pa.nulls(1)),
}


COLUMNS = [
    "client",
    "model",
    "environment",
    "id",
    "timestamp",
    "version",
    "prediction",
    "confidence",
    "latency_ms",
    "error",
    "automated",
    "cost",
    "truth",
    "reviewed",
    "corrected",
    "feedback",
    "features.a",
    "features.",
    "segments.a",
    "probabilities.a",
    "features",
    "segments",
    "other",
    "outcome.truth",
]


@pytest.mark.parametrize("column", ODD.values(), ids=ODD)
@pytest.mark.parametrize("kind", RecordKind)
def test_any_type_in_any_column_is_read_or_refused_with_a_reason(kind, column):
    for name in COLUMNS:
        said = {
            "id": IDS,
            "prediction": ["x", "y"],
            "truth": ["x", "y"],
            **{k: [v, v] for k, v in HERE.items()},
        }
        for parts in (1, 2):
            sent = batch({**said, name: column}, None)
            submission = tried(kind, stream(*[sent] * parts))
            if submission is None:
                continue
            assert submission.accepted + submission.rejected_count == 2 * parts
            rows_of(submission)
            for one in submission.rejected:
                assert one.rejected.error.isprintable()


def test_features_of_a_type_that_cannot_be_measured_stop_no_other():
    for name, column in ODD.items():
        columns = {"id": IDS, "prediction": ["x", "y"], "features.good": [1.0, 2.0], "features.odd": column}
        if name in ("text with a NUL", "long text"):
            continue  # such a record is refused, and says so
        submission = read(RecordKind.PREDICTIONS, stream(batch(columns)))
        assert [row["features.good"] for row in rows_of(submission)] == [1.0, 2.0], name


NAMES = ["a.b", 'size "cm"', "C:\\x", "", "é", "x" * 512, "x" * 513, "a\0b", "\u202e"]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_column_has_the_name_that_it_has_in_json(name):
    body = stream(
        batch({"id": IDS, "prediction": ["x", "y"], f"features.{name}": [1.0, None], "timestamp": [NOW, NOW]})
    )
    found = read(RecordKind.PREDICTIONS, body)
    if not name:  # no name of a feature, and so a column that means nothing
        assert found.ignored == {"features."}
        return
    records = [prediction(id="a", prediction="x", features={name: 1.0}), prediction(id="b", prediction="y")]
    expected = of_json(RecordKind.PREDICTIONS, records)
    assert sorted(map(str, rows_of(found))) == sorted(map(str, rows_of(expected)))
    assert [one.rejected.error for one in found.rejected] == [one.rejected.error for one in expected.rejected]
