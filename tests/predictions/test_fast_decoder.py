"""The fast way of reading must never decide anything otherwise than the careful way."""

import json
import math

import msgspec
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.errors import InputError
from monitor.predictions.intake import parse
from monitor.predictions.intake.arrow import CONTENT_TYPE
from monitor.predictions.intake.fast_decoder import FastDecoders
from monitor.predictions.intake.parse import RecordKind
from monitor.predictions.intake.schema import Rules
from monitor.predictions.intake.validated_batch import validate_predictions
from monitor.predictions.log.batching import assemble
from monitor.predictions.log.columns import name_of
from monitor.predictions.settings import PredictionSettings
from tests.support.log import NOW, STREAM, prediction
from tests.support.thorough import examples

SETTINGS = PredictionSettings(max_label=20, max_text=30, max_list=4, max_features=30)
RULES = Rules(SETTINGS, NOW)
USUAL = prediction(
    id="usual",
    version="7",
    confidence=0.5,
    latency_ms=3.0,
    features={"number": 1.5, "text": "DE", "flag": True, "vector": [1.0]},
    segments={"region": "eu"},
    probabilities={"ok": 0.5},
    attributions={"number": -0.5},
    ranking=["a", "b"],
    predicted_labels=["b", "a"],
    outputs={"w": 1.5},
    extra=1,
)


def learnt():
    shapes = FastDecoders(SETTINGS)
    parse.read(RecordKind.PREDICTIONS, msgspec.json.encode([USUAL]), "", RULES, shapes)
    return shapes


def outcome_of(body, shapes, rules=RULES):
    """What a body came to: rows by id, refusals, and whether a resend can be told."""
    try:
        submission = parse.read(RecordKind.PREDICTIONS, body, "", rules, shapes)
    except InputError as error:
        return str(error)
    rows = [
        (str(stream), {name: _plain(value) for name, value in row.items() if value is not None})
        for stream, batch in assemble([submission], RecordKind.PREDICTIONS)
        for row in batch.to_pylist()
    ]
    refused = [(one.reason, one.rejected.index, one.rejected.error) for one in submission.rejected]
    return sorted(rows, key=str), sorted(refused, key=str), submission.request, submission.ignored


def _plain(value):
    return "nan" if isinstance(value, float) and math.isnan(value) else value


numbers = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(width=32),
    st.sampled_from([0.5, 1, 0, -1, math.nan, math.inf, 1e300]),
)
values = st.one_of(
    numbers,
    st.text(max_size=40),
    st.booleans(),
    st.none(),
    st.lists(numbers, max_size=6),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
times = st.one_of(
    st.sampled_from(
        [NOW, int(NOW), NOW * 1e3, int(NOW * 1e6), int(NOW * 1e9), NOW + 1e4, NOW - 1e9, 0, "soon", True]
    ),
    st.sampled_from(
        ["2026-11-23T08:00:00Z", "2026-11-23T08:00:00", "2026-11-23T09:00:00.5+01:00", "2026-13-01"]
    ),
    values,
)
records = st.fixed_dictionaries(
    {},
    optional={
        "client": st.sampled_from(["acme", "bank", "", None, 3]),
        "model": st.sampled_from(["fraud", "other", "", None, 7]),
        "environment": st.sampled_from(["production", "staging", "prod", None]),
        "id": st.one_of(st.sampled_from(["a", "b", "c", 7, "x" * 30]), values),
        "timestamp": times,
        "version": values,
        "prediction": values,
        "confidence": values,
        "latency_ms": values,
        "error": values,
        "automated": values,
        "cost": values,
        "features": st.one_of(
            st.dictionaries(st.sampled_from(["number", "text", "flag", "vector", "new"]), values), values
        ),
        "segments": st.one_of(st.dictionaries(st.sampled_from(["region", "new"]), values), values),
        "probabilities": st.one_of(st.dictionaries(st.sampled_from(["ok", "new"]), values), values),
        "attributions": st.one_of(st.dictionaries(st.sampled_from(["number", "new"]), values), values),
        "predicted_labels": st.one_of(st.lists(st.sampled_from(["b", "a", "", 7, None]), max_size=3), values),
        "outputs": st.one_of(st.dictionaries(st.sampled_from(["w", "", "h"]), values, max_size=2), values),
        "ranking": st.one_of(
            st.lists(st.sampled_from(["a", "b", "", 7, None, 1.5, True]), max_size=3), values
        ),
        "extra": values,
        "strange": values,
    },
).map(lambda changes: {**USUAL, **changes})


@settings(max_examples=examples(100))
@given(st.lists(records, min_size=1, max_size=4), st.booleans())
@example([{**USUAL, "id": True}], False)
@example([{**USUAL, "version": -(10**19)}], False)
@example([{**USUAL, "prediction": True}, {**USUAL, "id": "2", "prediction": "ok"}], False)
@example([{**USUAL, "id": 7}, {**USUAL, "id": "7"}], False)
@example([{**USUAL, "timestamp": 2.0**73}], False)
@example([{**USUAL, "id": str(n), "timestamp": 2.0**73} for n in range(20)], False)
@example([{**USUAL, "features": None}, {**USUAL, "id": "2", "features": {"number": 2**1030}}], False)
def test_records_come_to_the_same_by_the_shape_and_one_by_one(some, single):
    body = json.dumps(some[0] if single else some).encode()
    for rules in (RULES, Rules(SETTINGS, NOW, "acme")):
        assert outcome_of(body, learnt(), rules) == outcome_of(body, FastDecoders(SETTINGS), rules)


def test_the_usual_record_takes_the_fast_way():
    shapes = learnt()
    body = msgspec.json.encode([{**USUAL, "id": str(n), "version": n} for n in range(3)])
    submission = parse.read(RecordKind.PREDICTIONS, body, "", RULES, shapes)
    assert type(submission.parts[0].rows[0]).__name__ == "Typed"


def test_a_shape_that_never_fits_is_not_tried_every_time():
    shape = learnt().guess(msgspec.json.encode(USUAL), "")
    attempts = 0

    class Counting:
        def __call__(self, body):
            nonlocal attempts
            attempts += 1
            raise msgspec.ValidationError("no")

    shape._decoders["many", False] = Counting()
    for _ in range(1000):
        assert shape.decode(b"[]", "many", False) is None
    assert attempts < 30


def columns_of(some):
    """The same records as Arrow columns, or None where a column would have values of two types."""
    names = dict.fromkeys(name for row in some for name in row)
    try:
        return pa.record_batch({name: pa.array([row.get(name) for row in some]) for name in names})
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return None


flat = st.fixed_dictionaries(
    {"client": st.sampled_from(["acme", "bank"]), "model": st.sampled_from(["fraud", "other", None])},
    optional={
        "id": st.sampled_from(["a", "b", "c", None]),
        "timestamp": st.sampled_from(
            [NOW, NOW * 1e3, NOW * 1e9, NOW + 1e4, NOW - 1e8, 1e300, math.nan, None]
        ),
        "prediction": st.sampled_from(["ok", "fraud", None, "x" * 30]),
        "error": st.sampled_from([None, "timeout"]),
        "confidence": st.sampled_from([0.5, 1.5, math.nan, None]),
        "latency_ms": st.sampled_from([1.0, -1.0, math.inf, None]),
        "features.number": st.sampled_from([1.5, math.nan, None]),
        "features.text": st.sampled_from(["DE", "x" * 40, None]),
        "features.vector": st.sampled_from([[1.0], [1.0] * 9, None]),
        "segments.region": st.sampled_from(["eu", "x" * 30, None]),
        "environment": st.sampled_from(["staging", "prod", None]),
    },
)


@settings(max_examples=examples(50))
@given(st.lists(flat, min_size=1, max_size=6), st.sampled_from(["", "acme"]))
def test_columns_come_to_the_same_as_records(some, client):
    batch = columns_of(some)
    assert batch is not None
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    rules = Rules(SETTINGS, NOW, client)
    submission = parse.read(
        RecordKind.PREDICTIONS, sink.getvalue().to_pybytes(), CONTENT_TYPE, rules, FastDecoders(SETTINGS)
    )
    in_order = [{name: row[name] for name in batch.schema.names if name in row} for row in some]
    body = json.dumps([_nested(row) for row in in_order]).encode()  # of two faults the first one is told
    single = parse.read(RecordKind.PREDICTIONS, body, "", rules, FastDecoders(SETTINGS))
    assert _summary(submission) == _summary(single)


def _nested(row):
    record = {}
    for name, value in row.items():
        group, _, rest = name.partition(".")
        if rest:
            record.setdefault(group, {})[rest] = value
        else:
            record[name] = value
    return record


def _summary(submission):
    rows = [
        (str(stream), sorted((name, str(_plain(value))) for name, value in row.items() if value is not None))
        for stream, batch in assemble([submission], RecordKind.PREDICTIONS)
        for row in batch.to_pylist()
    ]
    refused = sorted((one.rejected.index, one.reason, one.rejected.error) for one in submission.rejected)
    return sorted(rows), refused, submission.identifiable


NAMES = [
    (True, "true"),
    (3.0, "3"),
    (2.5, "2.5"),
    (-0.0, "0"),
    (1e20, "1e+20"),
    (math.nan, "nan"),
    (math.inf, "inf"),
    ("x", "x"),
    (None, None),
    ([1.0, 0.5], "[1, 0.5]"),
]


@pytest.mark.parametrize(("value", "text"), NAMES)
def test_a_value_has_one_name(value, text):
    assert name_of(value) == text


def test_the_stream_of_the_first_record_is_guessed():
    assert learnt().guess(msgspec.json.encode([USUAL]), "").stream == STREAM
    assert learnt().guess(b'{"model": "\xff", "client": "acme"}', "") is None


def test_many_rows_of_one_request_come_to_the_same_as_one_by_one_and_as_read_carefully():
    """Large requests are put in order by field at once, single posts by the writer, strange ones record by record."""
    some = [
        {
            **USUAL,
            "id": f"r{n}",
            "timestamp": NOW + n,
            "confidence": None if n % 7 == 0 else n / 100,
            "features": None
            if n % 9 == 0
            else {"number": n / 3, "text": "DE" if n % 2 else None, "flag": n > 30},
            "probabilities": {} if n % 5 else {"ok": 0.5},
        }
        for n in range(60)
    ]
    shapes = learnt()

    def rows_of(bodies, shapes):
        group = [
            parse.read(RecordKind.PREDICTIONS, msgspec.json.encode(body), "", RULES, shapes)
            for body in bodies
        ]
        ((stream, batch),) = assemble(group, RecordKind.PREDICTIONS)
        rows = [
            {name: value for name, value in row.items() if value is not None} for row in batch.to_pylist()
        ]
        return stream, sorted(rows, key=lambda row: row["timestamp"]), batch.num_rows

    whole = rows_of([some], shapes)
    assert whole[2] == 60
    assert whole == rows_of([some[:50], some[50:]], shapes)  # by field, and as structs
    assert whole == rows_of([[one] for one in some], shapes)
    assert whole == rows_of([some], FastDecoders(SETTINGS))


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000, 1_000_000_000])
def test_whole_numbers_of_any_unit_are_times(unit):
    batch = columns_of([prediction(timestamp=(int(NOW) + n) * unit) for n in range(3)])
    ((_, rows),) = validate_predictions(batch, RULES).valid
    assert rows.column("timestamp").to_pylist() == [(int(NOW) + n) * 1_000_000 for n in range(3)]


@pytest.mark.parametrize("text", ["a\\u0000b", "a\\\\u0000b", "\\u00fc", "\\n", "\\\\"])
def test_a_nul_is_found_beside_other_escapes_and_only_where_it_is_one(text: str) -> None:
    decoders, rules = FastDecoders(PredictionSettings()), Rules(PredictionSettings(), 1_795_420_800.0)
    for number in range(3):
        body = f'{{"client":"a","model":"m","id":"{number}","prediction":"ok","features":{{"x":"{text}"}}}}'
        found = parse.read(RecordKind.PREDICTIONS, body.encode(), "application/json", rules, decoders)
        assert found.accepted == ("\0" not in json.loads(f'"{text}"'))
