"""A large request gets the same answer and stores the same rows whether it is read here or in a child process."""

import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from monitor.errors import BusyError, WatchkeeperError
from monitor.predictions.intake.fast_decoder import FastDecoders
from monitor.predictions.intake.parse import RecordKind
from monitor.predictions.intake.requests import RawRequest
from monitor.predictions.intake.schema import Rules
from monitor.predictions.large.child_reader import ChildReader
from monitor.predictions.large.daemon_queries import Known
from monitor.predictions.large.reading import ReaderHere, Slices
from monitor.predictions.log.batch import decode
from monitor.predictions.log.store_rows import StoreRows
from monitor.predictions.settings import PredictionSettings
from monitor.predictions.texts.measuring import SignalMeter
from monitor.predictions.texts.policy import TextPolicy
from monitor.records import Stream
from monitor.runtime.faults import Faults
from monitor.signals.calls import Registered
from tests.support.arrow_requests import stream
from tests.support.log import NOW, outcome, prediction

SETTINGS = PredictionSettings(max_features=30, max_client_streams=12, max_records=1000)
RULES = Rules(SETTINGS, NOW, "acme", frozenset({"acme"}))
ARROW = "application/vnd.apache.arrow.stream"
CALL = {"input": "my mail is a@b.example", "output": "wk-canary-abc", "context": ["one", "two"]}


class Side:
    """One way to read, with what it learns."""

    def __init__(self, kind: type[ReaderHere] | type[ChildReader]) -> None:
        self.decoders, self.faults = FastDecoders(SETTINGS), Faults()
        meter = SignalMeter(self.faults, {"acme": TextPolicy.REDACT}, lambda _: Registered(frozenset({1})))
        self.reader = kind(self.decoders, meter, SETTINGS)

    def read(self, kind: RecordKind, body: bytes, content_type: str) -> Slices:
        return self.reader.read(RawRequest(kind, body, content_type, RULES, "", None, "acme"))

    def known(self) -> dict[Stream, Known]:
        streams, _ = self.decoders.streams_of("acme")
        return {one: Known.of(decoder) for one in streams if (decoder := self.decoders.find(one))}


@pytest.fixture(scope="module")
def sides() -> Iterator[tuple[Side, Side]]:
    here, child = Side(ReaderHere), Side(ChildReader)
    yield here, child
    child.reader.stop()


def shown(result: Slices) -> object:
    """All of a result, comparable."""
    if isinstance(result, WatchkeeperError):
        return type(result), result.message, result.hint
    return [
        (
            [
                (batch.stream, batch.ids, repr(decode(batch.blob).to_pylist()), decode(batch.blob).schema)
                for batch in (*one.rows.predictions, *one.rows.outcomes)
            ],
            [(text.stream, text.rows, text.content) for text in one.rows.texts],
            list(one.rows.quarantined),
            (one.rejected, one.unlisted, one.ignored, one.scores, one.request, one.accepted, one.size),
        )
        for one in result
        if isinstance(one.rows, StoreRows)
    ]


def dirty() -> Iterator[tuple[str, RecordKind, bytes, str]]:
    rows = [prediction(id=f"r{n}", features={"a": n / 3, "b": "xyz"[n % 3]}) for n in range(600)]
    some: dict[str, list[Any]] = {
        "good": rows,
        "good again": [{**row, "id": f"{row['id']} again"} for row in rows],
        "one bad in ten": [{**row, "confidence": 7} if n % 10 == 0 else row for n, row in enumerate(rows)],
        "not records": [*rows, 7, None, [], "text", {"client": 1}],
        "another client": [{**row, "client": "globex"} if n % 7 == 0 else row for n, row in enumerate(rows)],
        "equal ids": [{**row, "id": "same"} if n % 9 == 0 else row for n, row in enumerate(rows)],
        "many models": [prediction(id=str(n), model=f"m{n % 40}") for n in range(500)],
        "many features": [prediction(id=str(n), features={f"f{n}": 1, "a": 2.0}) for n in range(200)],
        "types that change": [
            prediction(id=str(n), features={"c": (1, "x", None, True, [1.0])[n % 5]}) for n in range(500)
        ],
        "ignored fields": [prediction(id=str(n), **{f"extra {n % 200}": 1}) for n in range(500)],
        "hostile names": [
            prediction(id=name, features={name: name}, segments={name: name})
            for name in ('"', "\r\n", "\u2028", "\0", "\u202e", "x" * 10_000, "\ud800", "a.b", "")
        ],
        "times": [{**row, "timestamp": NOW + 1e6 * (n % 3 - 1)} for n, row in enumerate(rows)],
        "no times": [{"id": str(n), "model": "untimed", "prediction": "ok"} for n in range(500)],
        "calls": [prediction(id=str(n), model="llm", texts=CALL) for n in range(50)],
        "too many": rows * 2,
        "nothing": [],
    }
    for name, records in some.items():
        yield name, RecordKind.PREDICTIONS, json.dumps(records).encode(), ""
    outcomes = [outcome(id=f"r{n}", truth=("ok", 1.5, [])[n % 3], model=f"m{n % 30}") for n in range(900)]
    yield "outcomes", RecordKind.OUTCOMES, msgspec.json.encode(outcomes), ""
    yield "lines", RecordKind.PREDICTIONS, b"\n".join(map(msgspec.json.encode, rows)) + b"\n{", "x-ndjson"
    yield "cut off", RecordKind.PREDICTIONS, msgspec.json.encode(rows)[:-100], ""
    yield "NaN", RecordKind.PREDICTIONS, b'[{"id":"n","model":"m","prediction":1,"features":{"a":NaN}}]', ""
    yield "no UTF-8", RecordKind.PREDICTIONS, b'[{"id": "\xff"}]', ""
    yield "deep", RecordKind.PREDICTIONS, b"[" * 200_000, ""
    table = pa.record_batch(
        {
            "id": [f"a{n % 590}" for n in range(600)],
            "model": ["fraud", "other"] * 300,
            "prediction": ["ok", None, "no"] * 200,
            "features.a": np.arange(600.0),
            "confidence": [0.5] * 599 + [7.0],
        }
    )
    yield "columns", RecordKind.PREDICTIONS, stream(table), ARROW
    yield "half of columns", RecordKind.PREDICTIONS, stream(table)[:5000], ARROW
    yield "no columns", RecordKind.PREDICTIONS, b"hello", ARROW


DIRTY = list(dirty())


@pytest.mark.parametrize(
    ("kind", "body", "content_type"), [one[1:] for one in DIRTY], ids=[one[0] for one in DIRTY]
)
def test_it_is_read_the_same_way(
    sides: tuple[Side, Side], kind: RecordKind, body: bytes, content_type: str
) -> None:
    here, child = sides
    assert shown(child.read(kind, body, content_type)) == shown(here.read(kind, body, content_type))
    assert child.known() == here.known()
    assert child.faults.active() == here.faults.active()


def test_what_is_learned_and_forgotten_elsewhere_counts(sides: tuple[Side, Side]) -> None:
    for side in sides:
        side.decoders.forget(list(side.known())[:])
    more = [prediction(id=str(n), model=f"n{n % 14}") for n in range(100)]
    here, child = (shown(side.read(RecordKind.PREDICTIONS, msgspec.json.encode(more), "")) for side in sides)
    assert here == child
    assert sides[0].known() == sides[1].known()


def test_a_child_that_dies_is_told_and_replaced() -> None:
    side = Side(ChildReader)
    assert isinstance(side.reader, ChildReader)
    body = msgspec.json.encode([prediction(id="a")])
    asked = side.decoders.streams_of

    def kill(client: str) -> Any:
        os.kill(side.reader.pids[0], signal.SIGKILL)  # type: ignore[union-attr]
        return asked(client)

    full = [prediction(model=f"n{n}") for n in range(13)]
    side.decoders.streams_of = kill  # type: ignore[method-assign]
    try:
        answer = side.read(RecordKind.PREDICTIONS, msgspec.json.encode(full), "")
    finally:
        side.decoders.streams_of = asked  # type: ignore[method-assign]
    assert isinstance(answer, BusyError)
    assert answer.message == "the request could not be read: its process was killed by SIGKILL"
    assert isinstance(side.read(RecordKind.PREDICTIONS, body, ""), list)
    side.reader.stop()
    assert isinstance(side.read(RecordKind.PREDICTIONS, body, ""), BusyError)
