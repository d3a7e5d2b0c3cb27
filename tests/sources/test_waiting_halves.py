"""Half calls wait in a real store, are paired across files, crashes and daemons, and given up in time."""

import json
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from monitor.clock import ManualClock
from monitor.predictions.log.batch import decode
from monitor.predictions.log.writer import PredictionLog
from monitor.predictions.settings import PredictionSettings
from monitor.sources.formats import catalog
from monitor.sources.formats.format import NO_MAPPING
from monitor.sources.http_push import HttpSettings
from monitor.sources.objects.objects import ObjectsSettings
from monitor.sources.pairing.waiting import PairingPlan, WaitingHalves
from monitor.sources.reading import PayloadReader
from monitor.sources.source import Payload
from monitor.store import half_calls, predictions, quarantine
from monitor.store.db import Store
from monitor.store.half_calls import HalfCallConflictError
from monitor.store.migrate import migrate
from tests.support import http
from tests.support.daemon import Daemon
from tests.support.source_checks import runner
from tests.support.thorough import THOROUGH
from tests.support.waiting import until

NOW = 1_790_000_000.0
DEFAULTS = {"model": "fraud"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(f"sqlite:///{tmp_path}/watchkeeper.db")
    migrate(store)
    yield store
    store.close()


class Kitchen:
    """One source of halves with a clock of its own, as one daemon runs it."""

    def __init__(self, store: Store, **settings: Any) -> None:
        self.clock = ManualClock(NOW)
        self.log = PredictionLog(store, PredictionSettings(), self.clock)
        section = HttpSettings(client="acme", model="fraud", format="kserve", **settings)
        self.reader = PayloadReader(
            "iris", section.make_format(), self.log, DEFAULTS, "acme", is_ordered=False
        )
        self.halves = WaitingHalves("iris", section, store, self.clock, self.clock.elapsed())

    def plan(self, *payloads: Payload) -> PairingPlan:
        reading = self.reader.read_all(payloads)
        assert not reading.requests
        return self.halves.plan(self.reader, reading.halves)

    def commit(self, plan: PairingPlan) -> None:
        self.log.store_delivery(plan.requests, plan.settle)

    def deliver(self, *payloads: Payload) -> None:
        self.commit(self.plan(*payloads))

    def give_up(self) -> None:
        self.halves.give_up(self.reader, self.commit)


def event(call: str, side: str, body: object, at: float) -> Payload:
    time = datetime.fromtimestamp(at, UTC).isoformat()
    sent = {"ce-id": call, "ce-type": f"x.{side}", "ce-time": time, "content-type": "application/json"}
    return Payload(json.dumps(body).encode(), f"call {call}", headers=sent)


def request(call: str, at: float = NOW) -> Payload:
    return event(call, "request", {"instances": [{"n": call}]}, at)


def response(call: str, at: float = NOW) -> Payload:
    return event(call, "response", {"predictions": ["ok"]}, at + 0.05)


def rows(store: Store) -> list[dict[str, Any]]:
    with store.read() as connection:
        batches = connection.execute(predictions.BATCHES.select()).all()
    return sorted(
        (row for batch in batches for row in decode(batch.blob).to_pylist()), key=lambda row: row["id"]
    )


def waiting(store: Store) -> int:
    with store.read() as connection:
        return half_calls.count(connection, "iris")


def told(store: Store) -> list[str]:
    with store.read() as connection:
        return [one.rejected.error for one in quarantine.latest(connection, None, 20)]


def test_halves_of_different_deliveries_become_one_record(store: Store) -> None:
    kitchen = Kitchen(store)
    kitchen.deliver(request("a"), response("b"))
    assert waiting(store) == 2
    Kitchen(store).deliver(
        response("a"), request("b"), request("a")
    )  # after a crash: what was stored comes again
    assert [(row["id"], row["latency_ms"], row["features.n"]) for row in rows(store)] == [
        ("a", 50.0, "a"),
        ("b", 50.0, "b"),
    ]
    assert waiting(store) == 0
    kitchen.deliver(request("a"), response("a"), response("b"))
    assert len(rows(store)) == 2
    assert waiting(store) == 0
    assert not told(store)


def test_two_daemons_that_pair_the_same_call_store_it_once(store: Store) -> None:
    first, second = Kitchen(store), Kitchen(store)
    first.deliver(request("a"))
    plans = [first.plan(response("a")), second.plan(response("a"))]
    first.commit(plans[0])
    with pytest.raises(HalfCallConflictError):
        second.commit(plans[1])
    second.deliver(response("a"))
    assert len(rows(store)) == 1
    assert not told(store)


def test_a_request_without_a_response_is_told_and_not_before_its_time(store: Store) -> None:
    kitchen = Kitchen(store, pair_within="10m")
    kitchen.deliver(request("a"), response("b"))
    kitchen.clock.advance(599)
    kitchen.give_up()
    assert waiting(store) == 2
    reopened = Kitchen(
        store, pair_within="10m"
    )  # opened after a long time: what came meanwhile is not read yet
    reopened.clock.advance(599)
    reopened.halves.began = reopened.clock.elapsed()
    reopened.clock.advance(300)
    reopened.give_up()
    assert waiting(store) == 2
    kitchen.clock.advance(2)
    kitchen.give_up()
    assert waiting(store) == 0
    assert told(store) == ["source iris, call a: no response to call 'a' arrived"]
    ((row),) = rows(store)
    assert (row["id"], row["prediction"]) == ("b", "ok")
    kitchen.deliver(response("a"))
    assert "was given up before this response arrived" in told(store)[0]


def test_a_request_without_a_response_may_be_an_error(store: Store) -> None:
    kitchen = Kitchen(store, unanswered="error")
    kitchen.deliver(request("a"))
    kitchen.clock.advance(601)
    kitchen.give_up()
    assert [(row["id"], row["error"]) for row in rows(store)] == [("a", "no response")]


def test_a_damaged_row_holds_up_nobody(store: Store) -> None:
    kitchen = Kitchen(store)
    kitchen.deliver(request("a"), request("b"))
    with store.write() as connection:
        connection.execute(half_calls.HALF_CALLS.update().values(content=b"\x00", received_at=NOW))
    kitchen.deliver(response("a"), request("b"))
    assert len(told(store)) == 2
    kitchen.deliver(response("b"))
    assert [row["id"] for row in rows(store)] == ["b"]


def test_azures_inputs_and_outputs_are_joined_across_files(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "modelDataCollector"
    for kind, value in (("model_outputs", {"label": "x"}), ("model_inputs", {"drug": "a"})):
        (folder / kind).mkdir(parents=True)
        lines = [
            {"type": f"azureml.inference.{kind}", "correlationid": f"c-{n}", "data": [value] * 2, "time": time.time()}
            for n in range(20)
        ]  # fmt: skip
        (folder / kind / "1.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    source = runner(store, ObjectsSettings(url=str(folder), format="azureml", client="acme", model="fraud"))
    source.start()
    try:
        until(lambda: source.state().accepted == 40, "all rows are stored")
    finally:
        source.stop()
    assert {row["id"] for row in rows(store)} == {f"c-{n}#{i}" for n in range(20) for i in range(2)}


CONFIG = """
sources:
  iris: {kind: http, format: kserve, client: acme, model: fraud}
notify: {console: false}
"""


def test_each_call_is_stored_once_although_the_daemon_is_killed(tmp_path: Path) -> None:
    daemon, calls, rng = Daemon(tmp_path, CONFIG), 60, random.Random(5)
    todo = [half(f"c-{n}", time.time()) for n in range(calls) for half in (request, response)]
    rng.shuffle(todo)
    lock, begun = threading.Lock(), threading.Event()

    def send(_: int) -> None:
        while True:
            with lock:
                if not todo:
                    return
                payload = todo.pop()
            try:
                answer = http.post(
                    f"{daemon.url}/v1/sources/iris", content=payload.body, headers=dict(payload.headers)
                )
                is_stored = answer.status_code == 202
            except httpx2.TransportError:
                is_stored = False
            begun.set()
            if not is_stored:
                time.sleep(0.05)
                with lock:
                    todo.insert(0, payload)

    with daemon:
        with ThreadPoolExecutor(4) as pool:
            sending = pool.map(send, range(4))
            for _ in range(6 if THOROUGH else 1):
                begun.clear()
                begun.wait(300)
                daemon.kill()
                daemon.start()
            list(sending)
        store = Store(daemon.store_url)
        try:
            until(lambda: len(rows(store)) == calls, "all calls are stored")
            assert [row["id"] for row in rows(store)] == sorted(f"c-{n}" for n in range(calls))
            assert all(row["latency_ms"] == pytest.approx(50, abs=60) for row in rows(store))
            assert waiting(store) == 0
            assert not told(store)
        finally:
            store.close()


def test_a_format_without_halves_gives_up_nothing(store: Store) -> None:
    kitchen = Kitchen(store)
    kitchen.deliver(request("a"))
    kitchen.clock.advance(1e6)
    plain = PayloadReader("iris", catalog.make("watchkeeper", NO_MAPPING), kitchen.log, {})
    kitchen.halves.give_up(plain, kitchen.commit)
    assert waiting(store) == 1
