"""The ingest over real HTTP: what it answers, and that what it acknowledged is there."""

import json
import math
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx2
import msgspec
import pyarrow as pa
import pytest

from monitor.clock import ManualClock
from monitor.predictions.intake.arrow import CONTENT_TYPE as ARROW
from monitor.records import Stream
from monitor.store import quarantine
from tests.support import http
from tests.support.ingest_server import ids_of, rows_of, serving
from tests.support.log import NOW, outcome, prediction


@pytest.fixture(scope="module")
def ingest(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("ingest"), ManualClock(NOW), body_limit=8_000_000) as running:
        yield running


def test_a_prediction_is_in_the_log_when_it_is_acknowledged(ingest):
    record = prediction(
        id="whole-1",
        version=7,
        confidence="0.93",
        latency_ms=41.7,
        automated=True,
        features={"amount": 12, "country": "DE", "is_new": True, "vector": [1, 2.5], "nothing": None},
        segments={"region": "eu"},
        probabilities={"ok": 0.93, "fraud": 0.07},
        timestamp="2026-11-23T08:00:00.120Z",
    )
    answer = ingest.post(record)
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "rejected": []})
    (row,) = [row for row in rows_of(ingest) if row["id"] == "whole-1"]
    assert {name: value for name, value in row.items() if value is not None} == {
        "id": "whole-1",
        "timestamp": 1_795_420_800_120_000,
        "version": "7",
        "prediction": "ok",
        "confidence": 0.93,
        "latency_ms": 41.7,
        "automated": True,
        "features.amount": 12.0,
        "features.country": "DE",
        "features.is_new": True,
        "features.vector": [1.0, 2.5],
        "segments.region": "eu",
        "probabilities.ok": 0.93,
        "probabilities.fraud": 0.07,
    }


BAD_RECORDS = [
    ("no model", {"model": None}, "model is missing"),
    ("no client", {"client": None}, "client is missing"),
    ("no prediction", {"prediction": None}, "prediction is missing"),
    ("a wrong type", {"latency_ms": "fast"}, "latency_ms is 'fast', not a number"),
    ("a list for a label", {"version": [7]}, "version is a list, not a string"),
    ("a year ahead", {"timestamp": NOW + 365 * 86400}, "timestamp is 365d ahead"),
    ("a year ago", {"timestamp": "2025-11-23T08:00:00Z"}, "timestamp is 365d ago"),
    ("no time at all", {"timestamp": "yesterday"}, "timestamp is 'yesterday', not a time"),
    (
        "10,000 features",
        {"features": {f"f{n}": n for n in range(10_000)}},
        "10,000 features, more than 2,000",
    ),
    ("NaN as a prediction", {"prediction": math.nan}, "prediction is nan"),
    ("an infinite latency", {"latency_ms": math.inf}, "latency_ms is inf"),
    (
        "a category of 1 MB",
        {"features": {"country": "x" * 1_000_000}},
        "features.'country' has 1,000,000 characters",
    ),
    (
        "a list of objects as a feature",
        {"features": {"deep": [{"er": 1}]}},
        "features.deep[0] is {'er': 1}, not a number",
    ),
    ("an impossible confidence", {"confidence": 93}, "confidence is 93.0, outside 0 to 1"),
    ("an unknown environment", {"environment": "prod"}, "environment is 'prod'"),
    ("an id of 1 kB", {"id": "x" * 1000}, "id has 1,000 characters, more than 512"),
    ("an overlong name", {"features": {"n" * 1000: 1}}, "a name in features has 1,000 characters"),
    ("features as a list", {"features": [1, 2]}, "features is a list"),
]


@pytest.mark.parametrize(("what", "changes", "error"), BAD_RECORDS, ids=[row[0] for row in BAD_RECORDS])
def test_a_bad_record_is_refused_with_a_reason_and_spoils_no_other(ingest, what, changes, error):
    good = [prediction(id=f"{what}-{n}") for n in range(3)]
    body = json.dumps([good[0], {**prediction(id="bad"), **changes}, good[1], good[2]]).encode()
    answer = ingest.post(body)
    assert answer.status_code == 202
    assert answer.json()["accepted"] == 3
    (refused,) = answer.json()["rejected"]
    assert refused["index"] == 1
    assert refused["error"].startswith(error)
    assert ids_of(ingest, f"{what}-") == [f"{what}-0", f"{what}-1", f"{what}-2"]
    with ingest.store.read() as connection:
        newest = quarantine.latest(connection, limit=1)[0]
    assert newest.rejected.error == refused["error"]
    assert newest.rejected.record


BAD_BODIES = [
    ("nothing", b"", 400, "the body is empty"),
    ("blanks", b" \n ", 400, "the body is empty"),
    (
        "half of an array",
        b'[{"client": "acme"',
        400,
        "the body ended in the middle of record 0, after 18 bytes",
    ),
    ("half of a record", b'{"client": "acm', 400, "the body ended in the middle of a record, after 15 bytes"),
    ("half of one over lines", b'{\n "client": "a",\n', 400, "the body ended in the middle of a record"),
    ("no JSON", b"hello", 400, "JSON is malformed: invalid character (byte 0)"),
    ("invalid UTF-8", b'[{"client": "\xff\xfe"}]', 400, "the body is not UTF-8"),
    ("deep nesting", b"[" * 200_000, 400, "the JSON is nested too deeply"),
    ("deep nesting in a record", b'[{"features":' * 50_000, 400, "the JSON is nested too deeply"),
    ("half of a character", b'[{"client": "\\ud800", "model": "m"}]', 422, "no record was accepted"),
    ("a number", b"7", 422, "no record was accepted: the record is a number, not an object"),
    ("an empty array", b"[]", 202, None),
]


@pytest.mark.parametrize(("what", "body", "status", "error"), BAD_BODIES, ids=[row[0] for row in BAD_BODIES])
def test_a_bad_body_gets_a_clear_error_in_one_shape(ingest, what, body, status, error):
    answer = ingest.post(body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    if error is not None:
        assert answer.json()["error"].startswith(error)
        assert "hint" in answer.json()


def test_a_body_of_200_mb_is_refused_before_it_is_read(ingest):
    sent = 0

    def chunks():
        nonlocal sent
        for _ in range(200):
            sent += 1_000_000
            yield b"x" * 1_000_000

    try:
        answer = http.post(ingest.url + "/v1/predictions", content=chunks(), timeout=300)
    except httpx2.TransportError:  # it hung up while we were still sending
        answer = None
    assert sent < 60_000_000
    assert answer is None or answer.status_code == 413
    announced = ingest.post(b"x" * 8_000_001)
    assert announced.status_code == 413
    assert announced.json()["error"] == "the body is larger than 8,000,000 bytes"


def test_nan_and_infinity_in_features_are_kept_for_counting(ingest):
    body = b'[{"id":"nan-1","client":"acme","model":"odd","prediction":1,"features":{"a":NaN,"b":-Infinity,"c":1e999}}]'
    assert ingest.post(body).status_code == 202
    (row,) = rows_of(ingest, Stream("acme", "odd"))
    assert math.isnan(row["features.a"])
    assert (row["features.b"], row["features.c"]) == (-math.inf, math.inf)


def test_of_two_records_with_one_id_the_first_is_taken(ingest):
    answer = ingest.post([prediction(id="twin", confidence=0.1), prediction(id="twin", confidence=0.2)])
    assert answer.json()["accepted"] == 1
    assert answer.json()["rejected"][0]["error"] == "id 'twin' also occurs in record 0"
    assert [row["confidence"] for row in rows_of(ingest) if row["id"] == "twin"] == [0.1]


def test_a_small_body_of_many_models_is_stored_like_any_other(ingest):
    records = [prediction(id=f"many-{n}", model=f"many {n}") for n in range(150)]
    answer = ingest.post([*records, prediction(id="many-bad", confidence=7)])
    assert answer.json()["accepted"] == 150
    assert [one["index"] for one in answer.json()["rejected"]] == [150]
    assert ids_of(ingest, "many-", Stream("acme", "many 149")) == ["many-149"]
    again = ingest.post([*records, prediction(id="many-bad", confidence=7)])
    assert (again.headers["idempotent-replayed"], again.json()) == ("true", answer.json())


def test_a_feature_may_change_its_type(ingest):
    stream = Stream("acme", "shifty")
    for number, value in enumerate((1.5, "text", True, None, [1.0], 2)):
        record = prediction(id=f"s{number}", model="shifty", features={"a": value, "b": 1})
        assert ingest.post(record).json()["accepted"] == 1
    kept = {row["id"]: row.get("features.a") for row in rows_of(ingest, stream)}
    assert kept == {"s0": 1.5, "s1": "text", "s2": True, "s3": None, "s4": [1.0], "s5": 2.0}


def test_lines_are_taken_and_a_broken_one_is_refused_alone(ingest):
    lines = [json.dumps(prediction(id="line-0")), '{"client": ', json.dumps(prediction(id="line-2"))]
    for headers in ({"content_type": "application/x-ndjson"}, {}):
        answer = ingest.post("\n".join(lines).encode(), **headers)
        assert answer.json()["accepted"] == 2
        assert [one["index"] for one in answer.json()["rejected"]] == [1]
    assert ids_of(ingest, "line-") == ["line-0", "line-2"]


def test_what_means_nothing_here_is_named_and_the_record_is_taken(ingest):
    for number in range(3):  # the first is read record by record, the others by the shape that it taught
        answer = ingest.post(
            [prediction(id=f"extra-{number}", model="extra", request_id="r", trace={"a": [1]})]
        )
        assert answer.json() == {"accepted": 1, "ignored": ["request_id", "trace"], "rejected": []}


def test_the_same_request_again_stores_nothing_twice(ingest):
    body = [prediction(id="again-1"), prediction(id="again-2")]
    first, second = ingest.post(body), ingest.post(body)
    assert first.json() == second.json()
    assert ("idempotent-replayed" in first.headers, second.headers["idempotent-replayed"]) == (False, "true")
    assert ids_of(ingest, "again-") == ["again-1", "again-2"]


def test_an_idempotency_key_names_a_request_whatever_it_holds(ingest):
    record = {"client": "acme", "model": "plain", "prediction": "ok"}
    assert ingest.post(record, idempotency_key="k1").status_code == 202
    assert ingest.post(record, idempotency_key="k1").headers["idempotent-replayed"] == "true"
    other = ingest.post({**record, "prediction": "no"}, idempotency_key="k1")
    assert (other.status_code, other.json()["error"]) == (
        400,
        "this Idempotency-Key was already used for different content",
    )
    assert len(rows_of(ingest, Stream("acme", "plain"))) == 1


def test_records_without_id_and_time_are_never_taken_for_a_resend(ingest):
    record = {"client": "acme", "model": "bare", "prediction": "ok"}
    for _ in range(3):
        assert "idempotent-replayed" not in ingest.post(record).headers
    assert len(rows_of(ingest, Stream("acme", "bare"))) == 3


def test_two_equal_requests_at_once_are_stored_once(ingest):
    body = msgspec.json.encode([prediction(id=f"race-{n}", model="race") for n in range(50)])
    start = threading.Barrier(8)

    def send(_):
        start.wait()
        return ingest.post(body)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(8)))
    assert {answer.status_code for answer in answers} == {202}
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert len(rows_of(ingest, Stream("acme", "race"))) == 50


def test_an_arrow_stream_is_taken_and_its_bad_rows_are_refused(ingest):
    table = pa.table(
        {
            "id": ["arrow-0", "arrow-1", "arrow-2", "arrow-3", "arrow-3"],
            "client": ["acme"] * 5,
            "model": ["fraud"] * 5,
            "timestamp": pa.array([int(NOW * 1000)] * 4 + [int(NOW * 1000 + 1)], pa.timestamp("ms", "UTC")),
            "prediction": ["ok", None, "ok", "ok", "ok"],
            "confidence": [0.5, 0.5, 7.0, 0.5, 0.5],
            "features.amount": pa.array([1, 2, 3, 4, 5], pa.int16()),
            "features.country": pa.array(["DE", "FR", "DE", None, "DE"]).dictionary_encode(),
            "strange": [1, 2, 3, 4, 5],
        }
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    answer = ingest.post(sink.getvalue().to_pybytes(), content_type=ARROW).json()
    assert (answer["accepted"], answer["ignored"]) == (2, ["strange"])
    assert [(one["index"], one["error"]) for one in answer["rejected"]] == [
        (1, "prediction is missing"),
        (2, "confidence is 7.0, outside 0 to 1"),
        (4, "id 'arrow-3' also occurs in record 3"),
    ]
    rows = [row for row in rows_of(ingest) if (row.get("id") or "").startswith("arrow-")]
    kept = {
        row["id"]: (row["features.amount"], row.get("features.country"), row["timestamp"]) for row in rows
    }
    assert kept == {"arrow-0": (1.0, "DE", int(NOW * 1e6)), "arrow-3": (4.0, None, int(NOW * 1e6))}


@pytest.mark.parametrize("body", [b"", b"hello", b"\xff\xff\xff\xff\x00\x01\x00\x00", b"\xff" * 4000])
def test_what_is_no_arrow_stream_gets_a_clear_error(ingest, body):
    answer = ingest.post(body, content_type=ARROW)
    assert answer.status_code == 400
    assert "Arrow stream" in answer.json()["error"]


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_a_compressed_arrow_stream_is_refused_because_it_may_hide_any_size(ingest, codec):
    batch = pa.record_batch({"id": ["z"], "features.zeros": ["0" * 1000]})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
        writer.write_batch(batch)
    answer = ingest.post(sink.getvalue().to_pybytes(), content_type=ARROW)
    assert (answer.status_code, answer.json()["error"]) == (400, "the Arrow stream has compressed buffers")


def test_an_outcome_needs_an_id_and_something_to_say(ingest):
    answer = ingest.post([outcome(id="o1"), outcome(truth=1), outcome(id="o2", feedback="4")], "/v1/outcomes")
    assert answer.json()["accepted"] == 1
    assert [one["error"] for one in answer.json()["rejected"]] == [
        "the outcome has no value",
        "id is missing",
    ]


def test_only_post_is_understood(ingest):
    answer = http.get(ingest.url + "/v1/predictions")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_a_stream_cannot_grow_without_bound(tmp_path):
    with serving(tmp_path, ManualClock(NOW), max_features=10, max_streams=2) as ingest:
        for number in range(8):
            ingest.post(prediction(id=f"w{number}", features={f"f{number}-{n}": 1 for n in range(2)}))
        assert len({name for row in rows_of(ingest) for name in row if name.startswith("features.")}) == 10
        answers = [ingest.post(prediction(id="m", model=f"m{number}")) for number in range(3)]
        assert [answer.status_code for answer in answers] == [202, 422, 422]
