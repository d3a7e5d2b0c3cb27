"""Texts of calls: read from every notation, measured as signals, redacted, and kept apart from the log."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from monitor.clock import ManualClock
from monitor.predictions.intake import arrow, parse
from monitor.predictions.intake.parse import ParsedRequest, RecordKind
from monitor.predictions.log.batch import decode
from monitor.predictions.log.writer import PredictionLog
from monitor.predictions.settings import PredictionSettings
from monitor.predictions.texts.answer_settings import AnswerSettings
from monitor.predictions.texts.measuring import SignalMeter
from monitor.predictions.texts.policy import TextPolicy
from monitor.predictions.texts.registered_prompts import RegisteredByStream
from monitor.records import Stream
from monitor.signals import registry
from monitor.signals.signal import Signal, Unit
from monitor.store import predictions, quarantine, texts
from monitor.store.db import Store
from tests.support import schema

NOW = 1_795_420_800.0
STREAM = Stream("acme", "bot")
MAIL = "joe.bloggs@example.com"


def call(**fields: Any) -> dict[str, Any]:
    """A record of a call with `fields` changed or added."""
    record = {"client": "acme", "model": "bot", "timestamp": NOW, "texts": {"input": "hi", "output": "hello"}}
    return record | fields


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(f"sqlite:///{tmp_path}/watchkeeper.db")
    schema.create(made)
    return made


def log_of(store: Store, **policies: TextPolicy) -> PredictionLog:
    meter = SignalMeter(store.faults, policies)
    return PredictionLog(store, PredictionSettings(), ManualClock(NOW), meter=meter)


def read(log: PredictionLog, body: bytes, kind: str = "application/json") -> ParsedRequest:
    return parse.read(RecordKind.PREDICTIONS, body, kind, log.rules(), log.decoders)


def take(log: PredictionLog, *records: Mapping[str, Any]) -> ParsedRequest:
    parsed = read(log, json.dumps(records).encode())
    log.store_delivery([parsed], lambda _: None)
    return parsed


def rows_of(store: Store) -> list[dict[str, Any]]:
    """The rows of the log."""
    with store.read() as connection:
        numbers = [number for number, _, _ in predictions.sizes(connection, STREAM, 0, 2 * NOW)]
        batches = list(predictions.some(connection, STREAM, numbers))
    return [row for batch in batches for row in decode(batch.blob).to_pylist()]


def texts_of(store: Store) -> list[dict[str, Any]]:
    """The kept texts."""
    with store.read() as connection:
        stored = texts.newest(connection, STREAM, 0, 2 * NOW)
    return [row for one in stored for row in decode(one.content).to_pylist()]


def test_a_text_becomes_signals_in_the_log_and_is_kept_apart_without_personal_data(store: Store) -> None:
    take(log_of(store), call(id="1", texts={"input": "hi", "output": f"write to {MAIL}", "context": [MAIL]}))

    (row,), (kept,) = rows_of(store), texts_of(store)
    assert row["signals.answer_characters"] == len(f"write to {MAIL}")  # measured before it is redacted
    assert not [name for name in row if name.startswith("texts.")]
    assert kept["texts.output"] == "write to [mail]"
    assert kept["texts.context"] == ["[mail]"]
    assert kept["id"] == "1"


@pytest.mark.parametrize("policy", TextPolicy)
def test_the_policy_of_the_client_decides_what_is_kept(store: Store, policy: TextPolicy) -> None:
    take(log_of(store, acme=policy), call(texts={"output": MAIL}))

    expected = {TextPolicy.DROP: [], TextPolicy.REDACT: ["[mail]"], TextPolicy.KEEP: [MAIL]}[policy]
    assert [row["texts.output"] for row in texts_of(store)] == expected
    assert rows_of(store)[0]["signals.answer_characters"] == len(MAIL)


def test_usage_and_times_are_features_as_those_of_spans(store: Store) -> None:
    usage = {"input_tokens": 310, "output_tokens": 42, "cached_tokens": 0}
    take(log_of(store), call(usage=usage, ttft_ms=120, features={"output_tokens": 41}))

    (row,) = rows_of(store)
    assert row["features.input_tokens"] == 310
    assert row["features.output_tokens"] == 41  # what the sender calls a feature is one
    assert row["features.ttft_ms"] == 120


def test_the_finish_reason_is_the_prediction_where_there_is_none(store: Store) -> None:
    take(log_of(store), call(finish_reason="length"), call(), call(prediction="ok", finish_reason="stop"))

    assert [row["prediction"] for row in rows_of(store)] == ["length", "unknown", "ok"]


def arrow_body(**columns: pa.Array) -> bytes:
    table = pa.table(columns).replace_schema_metadata({"client": "acme", "model": "bot"})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def test_columns_say_the_same_as_records(tmp_path: Path) -> None:
    records = [
        call(id="a", texts={"output": "one", "context": ["x", MAIL]}, usage={"input_tokens": 3}),
        call(id="b", texts={"input": "two\0", "output": "b" * 70_000}, finish_reason="stop", json_asked=True),
        {"client": "acme", "model": "bot", "timestamp": NOW, "id": "c", "error": "timeout"},
    ]
    body = arrow_body(
        **{
            "id": pa.array(["a", "b", "c"]),
            "timestamp": pa.array([NOW] * 3),
            "error": pa.array([None, None, "timeout"]).dictionary_encode(),
            "texts.input": pa.array([None, "two\0", None], pa.large_string()),
            "texts.output": pa.array(["one", "b" * 70_000, None]).dictionary_encode(),
            "texts.context": pa.array([["x", MAIL], None, None]),
            "usage.input_tokens": pa.array([3, None, None]),
            "finish_reason": pa.array([None, "stop", None]),
            "json_asked": pa.array([None, True, None]),
        }
    )
    stored = []
    for name in ("records", "columns"):
        store = Store(f"sqlite:///{tmp_path}/{name}.db")
        schema.create(store)
        log = log_of(store)
        parsed = (
            read(log, json.dumps(records).encode())
            if name == "records"
            else read(log, body, arrow.CONTENT_TYPE)
        )
        assert parsed.ignored == {"texts.output beyond 65,536 characters"}
        log.store_delivery([parsed], lambda _: None)
        stored.append((rows_of(store), texts_of(store)))

    assert stored[0] == stored[1]
    assert len(stored[0][1]) == 2  # the failed call has no text


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"texts": ["a"]}, "texts is a list"),
        ({"texts": {"output": True}}, "texts.output is true or false, not a text"),
        ({"texts": {"output": ["a"]}}, "texts.output is a list"),
        ({"usage": 3}, "usage is a number"),
        ({"usage": {"input_tokens": -1}}, "usage.input_tokens is -1.0, below zero"),
        ({"ttft_ms": "soon"}, "ttft_ms is 'soon', not a number"),
        ({"token_logprobs": 1}, "token_logprobs is a number, not a list of numbers"),
        ({"json_asked": "maybe"}, "json_asked is 'maybe'"),
    ],
)
def test_what_cannot_be_read_is_refused_and_the_others_are_kept(
    store: Store, fields: dict[str, Any], told: str
) -> None:
    parsed = take(log_of(store), call(**fields), call())

    assert parsed.accepted == 1
    assert told in parsed.rejected[0].rejected.error


def test_any_unicode_any_length_and_any_number_of_texts_is_taken_and_a_cut_is_told(store: Store) -> None:
    odd = "\ud800 half, \u2028, \u202e, \0 and \U0001f600"
    parsed = take(
        log_of(store, acme=TextPolicy.KEEP),
        call(texts={"output": odd, "context": ["c"] * 150, "samples": [], odd: "x"}),
    )

    assert parsed.accepted == 1
    assert any("texts.context beyond 100 texts" in one for one in parsed.ignored)
    assert len(parsed.ignored) == 2
    (kept,) = texts_of(store)
    assert kept["texts.output"] == odd.replace("\ud800", "\ufffd").replace("\0", "\ufffd")


def test_a_refused_record_is_kept_without_its_texts(store: Store) -> None:
    take(log_of(store), call(confidence=7, texts={"output": MAIL, "context": [MAIL]}))

    with store.read() as connection:
        (entry,) = quarantine.latest(connection)
    assert b'"output": "22 long"' in entry.rejected.record
    assert MAIL.encode() not in entry.rejected.record


def test_nothing_on_disk_holds_what_was_redacted(store: Store, tmp_path: Path) -> None:
    secret = call(texts={"input": MAIL, "output": f"it is {MAIL}", "context": [MAIL], "tool_results": MAIL})
    log = log_of(store)
    take(log, *[secret] * 5, call(texts={"output": MAIL}, confidence="high"))

    for path in tmp_path.iterdir():
        assert MAIL.encode() not in path.read_bytes(), path


def test_a_broken_signal_is_reported_and_stops_neither_the_row_nor_the_others(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> pa.Array:
        msg = "no"
        raise ValueError(msg)

    signals = (Signal("broken", Unit.FLAG, (), "", broken), *registry.SIGNALS)
    monkeypatch.setattr(registry, "SIGNALS", signals)
    take(log_of(store), call())

    assert rows_of(store)[0]["signals.answer_characters"] == len("hello")
    assert [(fault.part, fault.subject) for fault in store.faults.active()] == [("signals", "broken")]


def test_a_text_that_cannot_be_redacted_is_not_kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> pa.Array:
        msg = "no"
        raise ValueError(msg)

    monkeypatch.setattr(registry, "redact", broken)
    take(log_of(store), call())

    assert len(rows_of(store)) == 1
    assert texts_of(store) == []
    assert [fault.subject for fault in store.faults.active()] == ["redaction"]


def test_texts_are_deleted_by_age(store: Store) -> None:
    take(log_of(store), call())
    with store.write() as connection:
        assert texts.delete_before(connection, NOW) == 0
        assert texts.delete_before(connection, NOW + 1) == 1


def test_own_contacts_are_no_leak_and_prices_make_costs(store: Store) -> None:
    told = AnswerSettings(own_contacts=("@acme.example", "+49 30 901820"), input_price=2, output_price=10)
    registered = RegisteredByStream(store, lambda: 0.0, {("acme", "bot"): told})
    meter = SignalMeter(store.faults, {}, registered)
    log = PredictionLog(store, PredictionSettings(), ManualClock(NOW), meter=meter)
    usage = {"input_tokens": 1_000_000, "output_tokens": 100_000}
    take(
        log,
        call(texts={"input": "contact?", "output": "Write to help@acme.example."}, usage=usage),
        call(texts={"input": "contact?", "output": f"Write to {MAIL}."}),
    )
    own, other = rows_of(store)
    assert (own["signals.contact_leak"], other["signals.contact_leak"]) == (False, True)
    assert own["signals.cost"] == pytest.approx(3.0)
    assert told.contacts == {"@acme.example", "4930901820"}
    assert store.faults.active() == []
