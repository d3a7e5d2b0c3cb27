"""Texts in log records join the calls of their spans: in every order, once, and unreadable until then."""

import itertools
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from monitor.clock import ManualClock
from monitor.maintenance.erasure import ErasureSubject, erase_records
from monitor.predictions.log.batch import decode
from monitor.predictions.log.writer import PredictionLog
from monitor.predictions.settings import PredictionSettings
from monitor.sources.otlp import waiting_calls as joining
from monitor.sources.otlp.agents.waiting_runs import WaitingRuns
from monitor.sources.otlp.waiting_calls import TEXTS_WAIT, WaitingCalls
from monitor.store import texts as text_rows
from monitor.store import waiting_calls
from monitor.store.api_keys import Bounds
from monitor.store.checksums import unseal
from monitor.store.db import Store
from tests.support import otlp
from tests.support.ingest_server import Ingest, Process, serving
from tests.support.log import NOW
from tests.support.otlp import BOT, JSON, PROTOBUF, call, rows_of, send, traces
from tests.support.thorough import THOROUGH

WAIT = 15.0
CARD, KEY = "4111 1111 1111 1111", "ghp_" + "a1B2c3D4e5F6" * 3
QUESTION, ANSWER = "How long do refunds take?", f"Refunds take 14 days. The card is {CARD}, the key {KEY}."
SIGNALS = ("identifier_leak", "secret_leak", "other_language", "refusal", "cut_answer", "word_support")


@pytest.fixture
def ingest(tmp_path: Path) -> Iterator[Ingest]:
    with serving(tmp_path, ManualClock(NOW), texts_wait=WAIT) as running:
        yield running


def clock(ingest: Ingest) -> ManualClock:
    assert isinstance(ingest.log.clock, ManualClock)
    return ingest.log.clock


def wait(ingest: Ingest, seconds: float = WAIT + 1) -> None:
    """Let time pass, and the job run."""
    clock(ingest).advance(seconds)
    ingest.waiting.release()


def events(
    *named: tuple[str, Any], number: int = 1, trace: int = 1, first: int = 0, **resource: Any
) -> Message:
    """Log records of one call: their event with its body, or with its attributes."""
    made = ExportLogsServiceRequest()
    group = made.resource_logs.add()
    about = {"service.name": "support-bot", "watchkeeper.client": "acme", **resource}
    group.resource.attributes.extend(otlp.pairs(about))
    scope = group.scope_logs.add()
    for place, (event, content) in enumerate(named, first):
        record = scope.log_records.add(event_name=event, time_unix_nano=int(NOW * 1e9) + place)
        record.trace_id, record.span_id = trace.to_bytes(16, "big"), number.to_bytes(8, "big")
        if event.endswith("details"):
            record.attributes.extend(otlp.pairs(content))
        else:
            record.body.CopyFrom(otlp.value(content))
    return made


def said(role: str, text: str) -> list[dict[str, Any]]:
    return [{"role": role, "parts": [{"type": "text", "content": text}]}]


WHOLE = (
    "gen_ai.client.inference.operation.details",
    {
        "gen_ai.input.messages": said("user", QUESTION),
        "gen_ai.output.messages": said("assistant", ANSWER),
        "gen_ai.system_instructions": [{"type": "text", "content": "Be short."}],
    },
)
SYSTEM = ("gen_ai.system.message", {"content": "Be short."})
USER = ("gen_ai.user.message", {"content": QUESTION})
CHOICE = ("gen_ai.choice", {"index": 0, "finish_reason": "stop", "message": {"content": ANSWER}})


def kept(ingest: Ingest) -> list[dict[str, Any]]:
    """The texts that are stored, without empty columns."""
    with ingest.store.read() as connection:
        found = text_rows.newest(connection, BOT, 0, 2**33)
    rows = [row for one in found for row in decode(one.content).to_pylist()]
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def waiting(ingest: Ingest) -> int:
    with ingest.store.read() as connection:
        return waiting_calls.waiting_of(connection, "acme")[0]


def refused(answer: Any) -> tuple[int, str]:
    partial = answer.json().get("partialSuccess", {})
    return int(partial.get("rejectedLogRecords", 0)), partial.get("errorMessage", "")


def on_disk(ingest: Ingest) -> bytes:
    folder = Path(str(ingest.store.engine.url.database)).parent
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())


def test_texts_join_their_call_in_every_order_and_over_batches_once(ingest: Ingest) -> None:
    """One call for each order of the span, its messages and its choice, each delivered twice, in both encodings."""
    whole = [[traces, WHOLE], [WHOLE, traces]]
    named = [traces, SYSTEM, USER, CHOICE] if THOROUGH else [traces, USER, CHOICE]
    parts = [list(order) for order in itertools.permutations(named)]
    orders: Sequence[list[Any]] = [*whole, *parts]
    for trace, order in enumerate(orders, 1):
        encoding = (PROTOBUF, JSON)[trace % 2]
        for place, one in enumerate(order):
            for _ in range(2):
                if one is traces:
                    sent, signal = traces(call(1, f"r-{trace:02}", trace=trace)), "traces"
                else:
                    moment = [SYSTEM, USER, CHOICE, WHOLE].index(one)
                    sent, signal = events(one, trace=trace, first=moment), "logs"
                answer = send(ingest, sent, encoding, signal)
                assert answer.status_code == 200, answer.text
                assert "artial" not in answer.text, (place, answer.text)
        assert KEY.encode() not in on_disk(ingest)
    wait(ingest)
    rows = {row["id"]: row for row in rows_of(ingest)}
    assert sorted(rows) == [f"r-{trace:02}" for trace in range(1, len(orders) + 1)]
    alone = send(ingest, traces(call(9, "alone", {**WHOLE[1]}, trace=99)))
    assert alone.status_code == 200
    (expected,) = [row for row in rows_of(ingest) if row["id"] == "alone"]
    assert expected["signals.identifier_leak"] is True
    for row, order in zip((rows[key] for key in sorted(rows)), orders, strict=True):
        signals = {name: row.get(f"signals.{name}") for name in SIGNALS}
        assert signals == {name: expected.get(f"signals.{name}") for name in SIGNALS}, order
        has_system = WHOLE in order or (
            SYSTEM in order and order[-1] is not SYSTEM
        )  # the last is not waited for
        missing = 0 if has_system else len("Be short.")
        assert row["features.input_characters"] == expected["features.input_characters"] - missing, order
    texts = kept(ingest)
    assert len(texts) == len(orders) + 1
    assert {row["texts.input"] for row in texts} == {QUESTION}
    assert all("[card]" in row["texts.output"] and "[secret]" in row["texts.output"] for row in texts)
    assert waiting(ingest) == 0


@pytest.mark.parametrize("made_by", ["genai-openai-1.3b0-events", "openai-v2-2.4b0-events"])
@pytest.mark.parametrize("order", ["logs traces", "traces logs", "traces logs traces logs"])
def test_what_the_official_exporter_sends_is_joined(tmp_path: Path, made_by: str, order: str) -> None:
    recorded_at = 1_796_009_400.0
    with serving(tmp_path, ManualClock(recorded_at), texts_wait=WAIT) as ingest:
        for signal in order.split():
            body = (otlp.RECORDED / f"{made_by}.{signal}.pb").read_bytes()
            assert send(ingest, body, PROTOBUF, signal).content == b""
        wait(ingest)
        assert len(rows_of(ingest)) == 3
        texts = sorted(kept(ingest), key=lambda row: row["timestamp"])
        question = "Context: Refunds take 14 days. Q: how long?"
        assert [row["texts.input"] for row in texts] == [question] * 3
        assert [row.get("texts.output") for row in texts] == [
            "Refunds take 14 days.",
            "Refunds take 14 days.",
            None,
        ]
        (failed,) = [row for row in rows_of(ingest) if row.get("error")]
        assert failed["features.input_characters"] == len(question) + len("Answer from the context.")
        assert sum(row.get("signals.answer_words") == 4.0 for row in rows_of(ingest)) == 2


def test_what_waits_is_readable_for_nobody(ingest: Ingest) -> None:
    leak = f"{CARD} {KEY}"
    about = {"watchkeeper.context": [leak]}
    send(ingest, traces(call(1, "held", about)))
    send(ingest, events(("gen_ai.user.message", {"content": leak}), CHOICE, trace=2), signal="logs")
    assert waiting(ingest) == 4
    assert b"held" in on_disk(ingest)
    for planted in (CARD, KEY, "refunds"):
        assert planted.encode() not in on_disk(ingest)
    with ingest.store.read() as connection:
        waits = connection.execute(waiting_calls.WAITING_CALLS.select()).all()
    for row in waits:
        if row.part != waiting_calls.SPAN:  # not even compressed only
            with pytest.raises(zlib.error):
                zlib.decompress(unseal(row.content))
    send(ingest, traces(call(1, "later", trace=2)))
    send(ingest, events(WHOLE), signal="logs")
    first, second = sorted(rows_of(ingest), key=lambda row: str(row["id"]))
    assert first["signals.identifier_leak"] is False  # it is in the context
    assert second["signals.secret_in_input"] is True
    for planted in (CARD, KEY):
        assert planted.encode() not in on_disk(ingest)


def test_a_call_without_texts_waits_once_and_then_its_stream_waits_no_more(ingest: Ingest) -> None:
    send(ingest, traces(call(1, "first")))
    assert rows_of(ingest) == []
    wait(ingest, WAIT - 1)
    assert rows_of(ingest) == []
    wait(ingest, 2)
    assert [row["id"] for row in rows_of(ingest)] == ["first"]
    send(ingest, traces(call(2, "second", trace=2)))
    assert [row["id"] for row in rows_of(ingest)] == ["first", "second"]
    late = send(ingest, events(WHOLE, number=2, trace=2), JSON, "logs")
    assert refused(late) == (1, "the texts came after their call was stored without them")
    assert kept(ingest) == []
    send(ingest, traces(call(3, "third", trace=3)))  # now texts are known to come
    send(ingest, events(WHOLE, number=3, trace=3), signal="logs")
    assert [row["texts.input"] for row in kept(ingest)] == [QUESTION]
    send(ingest, traces(call(4, "fourth", trace=4)))
    wait(ingest)
    send(ingest, traces(call(5, "fifth", trace=5)))  # one that got none lately makes no stream silent
    assert "fifth" not in {row["id"] for row in rows_of(ingest)}


def test_a_failed_call_keeps_the_messages_that_came(ingest: Ingest) -> None:
    send(ingest, events(USER), signal="logs")
    send(ingest, traces(call(1, attributes={"error.type": "RateLimitError"}, error="429")))
    wait(ingest)
    (row,) = rows_of(ingest)
    assert (row["error"], row["features.messages"]) == ("RateLimitError", 1.0)
    assert kept(ingest)[0]["texts.input"] == QUESTION


def test_a_choice_tells_the_finish_reason_that_a_stream_does_not(ingest: Ingest) -> None:
    send(ingest, events(USER, CHOICE), signal="logs")
    send(ingest, traces(call(1, "r", {"gen_ai.response.finish_reasons": None})))
    (row,) = rows_of(ingest)
    assert row["prediction"] == "stop"


def test_texts_of_a_span_win_and_those_of_its_log_records_are_dropped(ingest: Ingest) -> None:
    own = {"gen_ai.input.messages": said("user", "own"), "gen_ai.output.messages": said("assistant", "words")}
    send(ingest, events(WHOLE), signal="logs")
    send(ingest, traces(call(1, "a", own), call(2, "b", own, trace=2)))
    after = send(ingest, events(WHOLE, number=2, trace=2), JSON, "logs")
    assert refused(after) == (0, "")
    assert {row["texts.input"] for row in kept(ingest)} == {"own"}
    assert (len(rows_of(ingest)), waiting(ingest)) == (2, 0)


def test_a_frame_around_a_call_that_waits_is_no_second_call(ingest: Ingest) -> None:
    send(ingest, traces(call(2, "inner", parent=1)))
    send(ingest, traces(call(1, "outer", WHOLE[1])))
    send(ingest, events(WHOLE, number=2), signal="logs")
    wait(ingest)
    assert [row["id"] for row in rows_of(ingest)] == ["inner"]


def test_two_choices_and_events_of_the_span_itself(ingest: Ingest) -> None:
    other = ("gen_ai.choice", {"index": 1, "finish_reason": "length", "message": {"content": "Two weeks."}})
    send(ingest, traces(call(1, "two", {"gen_ai.response.finish_reasons": ["stop", "length"]})))
    send(ingest, events(USER, CHOICE), signal="logs")
    assert rows_of(ingest) == []
    send(ingest, events(other, first=2), signal="logs")
    assert kept(ingest)[0]["texts.output"].endswith("\nTwo weeks.")
    made = call(2, "span events", trace=2)
    for name, key, text in (
        ("gen_ai.content.prompt", "gen_ai.prompt", '[{"role": "user", "content": "why?"}]'),
        ("gen_ai.choice", "gen_ai.event.content", '{"message": {"content": "because"}}'),
    ):
        made.events.add(name=name, attributes=otlp.pairs({key: text}))
    send(ingest, traces(made))
    (row,) = [row for row in kept(ingest) if row["id"] == "span events"]
    assert (row["texts.input"], row["texts.output"]) == ("why?", "because")


REFUSED = [
    ({"watchkeeper.client": None}, {}, "names no client and model"),
    ({"watchkeeper.client": "a/b"}, {}, "names no client and model"),
    ({}, {"number": 0}, "the texts of a call name no span: spanId is missing or not 8 bytes"),
]


@pytest.mark.parametrize(("resource", "ids", "words"), REFUSED)
def test_texts_that_nobody_can_join_are_refused_with_the_reason(
    ingest: Ingest, resource: dict[str, Any], ids: dict[str, int], words: str
) -> None:
    described = {name: one for name, one in resource.items() if one is not None}
    made = events(WHOLE, **ids, **described)
    if "watchkeeper.client" in resource and not described:
        del made.resource_logs[0].resource.attributes[1]  # type: ignore[attr-defined]
    made.MergeFrom(events(WHOLE, number=5, trace=5))
    count, reason = refused(send(ingest, made, JSON, "logs"))
    assert (count, waiting(ingest)) == (1, 1)
    assert words in reason


def test_another_client_cannot_write_texts_into_a_call(ingest: Ingest) -> None:
    key, ours = ingest.make_key("umbrella"), ingest.make_key("acme")
    clock(ingest).advance(10)
    assert send(ingest, traces(call(1, "ours")), key=ours).status_code == 200
    made = events(WHOLE, **{"watchkeeper.client": "umbrella"})
    assert send(ingest, made, JSON, "logs", key).json() == {}
    assert refused(send(ingest, events(WHOLE), JSON, "logs", key))[1] == "this key belongs to another client"
    wait(ingest)
    assert [row["id"] for row in rows_of(ingest)] == ["ours"]
    assert kept(ingest) == []


def test_what_waits_is_limited_and_deleted(ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "MOST_PARTS", 3)
    sent = events(USER, CHOICE)
    for number in (2, 3):
        sent.MergeFrom(events(USER, CHOICE, number=number))
    count, reason = refused(send(ingest, sent, JSON, "logs"))
    assert (count, waiting(ingest)) == (4, 2)
    assert "too many texts" in reason
    send(ingest, traces(call(7, "waits", trace=7), call(8, "does not", trace=8)))
    assert [row["id"] for row in rows_of(ingest)] == ["does not"]
    wait(ingest, TEXTS_WAIT + WAIT + 1)
    assert waiting(ingest) == 0
    assert len(rows_of(ingest)) == 2


def test_damage_and_erasure_stop_nobody_else(ingest: Ingest) -> None:
    send(ingest, traces(*(call(number, f"h-{number}", trace=number) for number in range(1, 5))))
    send(ingest, events(WHOLE, number=9, trace=9), signal="logs")
    table = waiting_calls.WAITING_CALLS
    with ingest.store.write() as connection:
        first = connection.execute(
            table.select().where(table.c.part == "span").order_by(table.c.call)
        ).first()
        assert first is not None
        connection.execute(table.update().where(table.c.call == first.call).values(content=b"\x00{"))
    receipt = erase_records(
        ingest.store, "acme", ErasureSubject(frozenset({"h-1", "h-2"})), NOW, "me", "127.0.0.1"
    )
    assert receipt.removed["waiting_calls"] >= 2
    assert b"h-2" not in on_disk(ingest)
    wait(ingest)
    assert {row["id"] for row in rows_of(ingest)} <= {"h-3", "h-4"}
    assert len(rows_of(ingest)) >= 1
    assert waiting(ingest) == 0
    assert [fault.part for fault in ingest.store.faults.active()] in ([], ["waiting calls"])


def test_a_restart_and_a_key_of_a_client_with_models(tmp_path: Path) -> None:
    at = ManualClock(NOW)
    with serving(tmp_path, at, texts_wait=WAIT) as before:
        key = before.make_key("acme", bound=Bounds(models=("support-bot",)))
        at.advance(10)
        send(before, traces(call(1, "a"), call(2, "b", trace=2)), key=key)
        send(before, events(WHOLE, number=3, trace=3), signal="logs", key=key)
    with serving(tmp_path, at, texts_wait=WAIT) as after:
        send(after, events(WHOLE), signal="logs", key=key)
        send(after, traces(call(3, "c", trace=3)), key=key)
        assert sorted(row["id"] for row in rows_of(after)) == ["a", "c"]
        at.advance(5)
        after.waiting.release()  # what was sent meanwhile may still come
        assert waiting(after) == 1
        wait(after)
        assert sorted(row["id"] for row in rows_of(after)) == ["a", "b", "c"]
        assert len(kept(after)) == 2


def test_nothing_is_lost_or_doubled_by_kill_9(tmp_path: Path) -> None:
    """The process is killed between the parts of calls, which exporters send again."""
    process = Process(tmp_path)
    process.start()
    begun = float(int(time.time()))
    both = traces(call(1, "x", start=begun), call(2, "y", start=begun, trace=2))
    first = [(events(USER), "logs"), (both, "traces")]
    second = [(events(CHOICE, first=1), "logs"), (events(WHOLE, number=2, trace=2), "logs")]
    try:
        for requests in (first, [*first, *second], second):
            sender = Ingest(process.url, None, None, None, None)  # type: ignore[arg-type]
            for request, signal in requests:
                assert send(sender, request, PROTOBUF, signal).status_code == 200
            process.kill()
            if requests is not second:
                process.start()
    finally:
        process.kill()
    store = Store(f"sqlite:///{tmp_path}/watchkeeper.db")
    settings = PredictionSettings()
    log = PredictionLog(store, settings, ManualClock(NOW))
    try:
        reopened = Ingest("", store, log, WaitingCalls(log, store), WaitingRuns(log, store))
        assert sorted(row["id"] for row in rows_of(reopened)) == ["x", "y"]
        assert {row["texts.input"] for row in kept(reopened)} == {QUESTION}
        assert waiting(reopened) == 0
    finally:
        store.close()
