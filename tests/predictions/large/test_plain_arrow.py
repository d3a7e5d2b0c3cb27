"""A plain Arrow body of a sender that is alone is read in the daemon, with the same result as in a child process."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.clock import ManualClock
from monitor.predictions.intake.fast_decoder import FastDecoders
from monitor.predictions.intake.parse import RecordKind
from monitor.predictions.intake.requests import RawRequest
from monitor.predictions.intake.schema import Rules
from monitor.predictions.large import plain_arrow
from monitor.predictions.large.plain_arrow import (
    MOST_BYTES,
    MOST_COLUMNS,
    MOST_ROWS,
    PlainArrowReader,
    is_plain,
)
from monitor.predictions.large.reading import ReaderHere, Slices
from monitor.predictions.log.writer import PredictionLog
from monitor.predictions.settings import PredictionSettings
from monitor.predictions.texts.measuring import SignalMeter
from monitor.runtime.faults import Faults
from monitor.store.db import Store
from tests.predictions.large.test_child_reader import ARROW, shown
from tests.support import schema
from tests.support.arrow_requests import stream
from tests.support.log import NOW
from tests.support.thorough import examples

SETTINGS = PredictionSettings()
RULES = Rules(SETTINGS, NOW, "acme", frozenset({"acme"}))


def category(*values: str | None, rows: int = 600) -> pa.Array:
    return pa.array([values[n % len(values)] for n in range(rows)]).dictionary_encode()


def columns(rows: int = 600, **changed: Any) -> bytes:
    """A body as a client sends it; columns are replaced, or left out where they are None."""
    named: dict[str, Any] = {
        "id": [f"r{n}" for n in range(rows)],
        "model": category("fraud", rows=rows),
        "timestamp": np.full(rows, int(NOW * 1e6)),
        "prediction": category("ok", "no", rows=rows),
        "confidence": np.linspace(0, 1, rows),
        "features.amount": np.arange(float(rows)),
        "features.count": np.arange(rows),
        "features.kind": category("a", "b", None, rows=rows),
    } | {name.replace("__", "."): values for name, values in changed.items()}
    return stream(pa.record_batch({name: values for name, values in named.items() if values is not None}))


def of(body: bytes, kind: RecordKind = RecordKind.PREDICTIONS) -> RawRequest:
    return RawRequest(kind, body, ARROW, RULES, "", None, "acme")


def sides() -> tuple[PlainArrowReader, ReaderHere]:
    made = [
        kind(FastDecoders(SETTINGS), SignalMeter(Faults()), SETTINGS)
        for kind in (PlainArrowReader, ReaderHere)
    ]
    return made[0], made[1]  # type: ignore[return-value]


def both(body: bytes) -> tuple[Slices | None, Slices]:
    plain, reference = sides()
    return plain.read(of(body)), reference.read(of(body))


PLAIN: dict[str, Callable[[], bytes]] = {
    "as clients send": lambda: columns(),
    "most rows": lambda: columns(MOST_ROWS),
    "numbers as predictions": lambda: columns(prediction=np.arange(600.0)),
    "times with a unit": lambda: columns(
        timestamp=pa.array([int(NOW * 1e3)] * 600, pa.timestamp("ms", "UTC"))
    ),
    "no ids": lambda: columns(id=None),
    "numbers as ids": lambda: columns(id=np.arange(600)),
    "some without a value": lambda: columns(confidence=pa.array([0.5, None, float("nan")] * 200)),
    "booleans and small types": lambda: columns(
        features__flag=pa.array([True, None] * 300), features__small=np.arange(600, dtype=np.int8)
    ),
    "some invalid rows": lambda: columns(confidence=np.array([0.5] * 595 + [7.0] * 5)),
    "equal ids": lambda: columns(id=["same", "same", *(str(n) for n in range(598))]),
    "its own client": lambda: columns(client=category("acme")),
    "an environment": lambda: columns(environment=category("staging")),
    "two texts as one category": lambda: columns(prediction=category("ok", " ok", "OK")),
    "rows of two batches": lambda: stream(
        *[pa.record_batch({"model": category("m"), "prediction": np.arange(600.0)})] * 2
    ),
}
OTHERS: dict[str, Callable[[], bytes]] = {
    "one row too many": lambda: columns(MOST_ROWS + 1),
    "two models": lambda: columns(model=category("fraud", "other")),
    "models as texts": lambda: columns(model=["fraud"] * 600),
    "texts as features": lambda: columns(features__words=["some words"] * 600),
    "texts as times": lambda: columns(timestamp=["2026-01-01T00:00:00Z"] * 600),
    "nothing in a column": lambda: columns(features__none=pa.nulls(600)),
    "lists": lambda: columns(features__list=[[1.0]] * 600),
    "structs": lambda: columns(features__struct=[{"a": 1}] * 600),
    "views": lambda: columns(id=pa.array(["a"] * 600, pa.string_view())),
    "runs": lambda: columns(
        features__run=pa.RunEndEncodedArray.from_arrays(pa.array([600], pa.int32()), pa.array([1.0]))
    ),
    "decimals": lambda: columns(confidence=pa.array([1] * 600, pa.decimal128(5))),
    "unknown names": lambda: columns(extra=np.arange(600)),
    "texts of a call": lambda: columns(**{"texts.input": category("hello")}),
    "a long entry": lambda: columns(features__kind=category("x" * 20_000)),
    "many entries": lambda: columns(
        1200, **{f"features.k{k}": category(*map(str, range(1200)), rows=1200) for k in range(9)}
    ),
    "many columns": lambda: columns(**{f"features.c{n}": np.arange(600.0) for n in range(MOST_COLUMNS)}),
    "a dictionary that grows": lambda: stream(
        *[pa.record_batch({"model": category("m"), "prediction": category(*"abc"[:n])}) for n in (1, 2, 3)]
    ),
    "compressed": lambda: stream(
        pa.record_batch({"model": category("m"), "prediction": np.arange(600.0)}), compression="zstd"
    ),
    "no stream": lambda: b"hello",
    "nothing": lambda: b"",
}


@pytest.mark.parametrize("make", PLAIN.values(), ids=PLAIN)
def test_a_plain_body_is_read_here_as_in_a_child(make: Callable[[], bytes]) -> None:
    here, reference = both(make())
    assert here is not None
    assert shown(here) == shown(reference)


@pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS)
def test_anything_else_is_left_to_a_child(make: Callable[[], bytes]) -> None:
    assert not is_plain(make())
    assert sides()[0].read(of(make())) is None


@pytest.mark.parametrize(
    "body",
    [
        columns(timestamp=np.arange(600) * 3_600_000_000 + int((NOW - 600 * 3600) * 1e6)),
        columns(confidence=np.full(600, 7.0)),
        columns(client=category("globex")),
        columns(prediction=None),
    ],
    ids=["a window for each row", "no valid row", "of another client", "no predictions"],
)
def test_what_shows_to_take_long_is_left_to_a_child(body: bytes) -> None:
    assert is_plain(body)
    assert sides()[0].read(of(body)) is None


def test_outcomes_other_formats_and_large_bodies_are_left_to_a_child() -> None:
    plain, _ = sides()
    assert plain.read(of(columns(), RecordKind.OUTCOMES)) is None
    assert plain.read(RawRequest(RecordKind.PREDICTIONS, b"[]", "", RULES, "", None, "acme")) is None
    assert plain.read(of(columns() + bytes(MOST_BYTES))) is None


def test_while_one_is_read_here_another_is_left_to_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, _ = sides()
    is_reading, go_on = threading.Event(), threading.Event()

    def slow(_body: bytes) -> bool:
        is_reading.set()
        assert go_on.wait(300)
        raise AssertionError("the turn ends also where reading fails")

    monkeypatch.setattr(plain_arrow, "is_plain", slow)
    failed: list[BaseException] = []

    def fail() -> None:
        try:
            plain.read(of(columns()))
        except AssertionError as error:
            failed.append(error)

    thread = threading.Thread(target=fail)
    thread.start()
    assert is_reading.wait(300)
    monkeypatch.undo()
    assert plain.read(of(columns())) is None
    go_on.set()
    thread.join()
    assert failed
    assert plain.read(of(columns())) is not None


@settings(max_examples=examples(60), deadline=None)
@given(st.data())
def test_law_a_damaged_body_is_left_to_a_child_or_read_with_the_same_result(data: st.DataObject) -> None:
    body = bytearray(columns(50))
    for _ in range(data.draw(st.integers(1, 6))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.sampled_from([len(body), len(body) - 9, len(body) // 2]))
    here, reference = both(bytes(body[:cut]))
    assert here is None or shown(here) == shown(reference)


_ARRAYS = st.sampled_from(
    [
        pa.array([1, None, 3]),
        pa.array([1.5, None, float("inf")]),
        pa.array([2**63, 0, 1], pa.uint64()),
        pa.array([True, None, False]),
        pa.array(["a", None, "b"]),
        pa.array(["a", None, "b"]).dictionary_encode(),
        pa.array(["", "\0", "\u202e"]).dictionary_encode(),
        pa.array([1, 1, None]).dictionary_encode(),
        pa.array([None, None, None], pa.float64()),
        pa.array([None, None, None], pa.string()).dictionary_encode(),
        pa.array([0, 10**15, -1], pa.timestamp("us")),
        pa.array([1.5, 2.5, None], pa.float16()),
        pa.array([[1], None, []]),
        pa.nulls(3),
    ]
)
_NAMES = ("id", "client", "model", "version", "timestamp", "prediction", "error", "confidence", "latency_ms",
          "automated", "features.a", "segments.s", "probabilities.p", "attributions.a", "items", "x")  # fmt: skip


@settings(max_examples=examples(150), deadline=None)
@given(st.dictionaries(st.sampled_from(_NAMES), _ARRAYS, min_size=1, max_size=6))
def test_law_any_type_in_any_column_is_left_to_a_child_or_read_with_the_same_result(
    named: dict[str, pa.Array],
) -> None:
    here, reference = both(stream(pa.record_batch({"model": category("m", rows=3), **named})))
    assert here is None or shown(here) == shown(reference)


def test_beside_another_sender_bodies_are_read_in_a_child(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/watchkeeper.db")
    schema.create(store)
    in_child: list[str] = []

    class Child(ReaderHere):
        def read(self, request: RawRequest) -> Slices:
            in_child.append(request.sender)
            return super().read(request)

    clock = ManualClock(NOW)
    log = PredictionLog(store, SETTINGS, clock, reader=Child)
    log.start()
    try:
        _store(log, "acme")
        assert not in_child
        _store(log, "globex")
        _store(log, "acme")
        assert in_child == ["acme"]
        clock.advance(6.0)
        _store(log, "acme")  # the first after a pause may still be read there
        in_child.clear()
        _store(log, "acme")
        assert not in_child
    finally:
        log.stop()
        store.close()


_number = iter(range(1000))


def _store(log: PredictionLog, sender: str) -> None:
    """Have a body read and stored."""
    number = next(_number)
    body = columns(id=[f"{number} {n}" for n in range(600)])
    request = RawRequest(RecordKind.PREDICTIONS, body, ARROW, log.rules(sender), "", None, sender)
    slices = log.prepared(request)
    assert isinstance(slices, list), slices
    stored = threading.Event()
    log.submit_slices(slices, lambda _result: stored.set())
    assert stored.wait(300)
