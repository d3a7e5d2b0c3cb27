"""The demonstration's switch: it sends as many flights to the new version as the daemon says."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest

from monitor.config.root import load
from monitor.demo import flights, rollout
from monitor.demo.model import LateModel
from monitor.demo.process import STREAM
from monitor.demo.rollout import BASE, CANARY, PLAN, RolloutKind, SlowModel, TrafficSwitch
from monitor.demo.runner import roll_out
from monitor.demo.serving import VERSION, Record
from monitor.errors import InputError
from monitor.records import Stream
from monitor.rollouts.plan import parse_plan
from monitor.store import rollouts
from monitor.store.db import Store
from monitor.store.migrate import migrate
from tests.rollouts.test_running import Service
from tests.support.rollouts import Behaviour

NOW = 1_795_420_800.0


class Pipeline:
    """A model that takes two milliseconds of processor time to say that a flight is on time."""

    def predict_proba(self, _: object) -> np.ndarray:
        until = time.process_time() + 0.002
        while time.process_time() < until:
            pass
        return np.array([[0.9, 0.1]])


class Daemon:
    """What the switch speaks to: it keeps what it is sent, and answers with a step."""

    def __init__(self) -> None:
        self.step: dict[str, Any] | None = None
        self.sent: list[Record] = []
        self.http = httpx2.Client(transport=httpx2.MockTransport(self._answer))

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/step"):
            return httpx2.Response(404) if self.step is None else httpx2.Response(200, json=self.step)
        if request.url.path == "/v1/predictions":
            self.sent += json.loads(request.content)
        return httpx2.Response(202)


def endless() -> Iterator[Record]:
    flight = dict.fromkeys(flights.FEATURES, 1)
    while True:
        yield {**flight, "flight": "UA1", "late": False, "origin": "EWR"}


def switch(kind: RolloutKind, folder: Path) -> TrafficSwitch:
    model = LateModel(Pipeline())
    return rollout.two_versions(model, "http://daemon", kind, folder, endless)


def step(share: float, state: str = "running") -> dict[str, Any]:
    return {"share": share, "state": state, "reason": "a pass"}


def test_the_share_is_the_daemon_s_and_stays_while_it_does_not_answer(tmp_path: Path) -> None:
    daemon, one = Daemon(), switch(RolloutKind.GOOD, tmp_path)
    assert not one.ask(daemon.http)
    one.second(daemon.http, NOW)
    assert {record["version"] for record in daemon.sent} == {VERSION}
    daemon.step, daemon.sent = step(50.0), []
    assert one.ask(daemon.http)
    assert not one.ask(daemon.http)
    daemon.step = None
    one.ask(daemon.http)
    for second in range(10):
        one.second(daemon.http, NOW + second)
    shares = Counter(record["version"] for record in daemon.sent)
    assert shares[CANARY] / shares.total() == pytest.approx(0.5, abs=0.1)
    assert len({record["id"] for record in daemon.sent}) == len(daemon.sent)
    daemon.step, daemon.sent = step(0.0, "failed"), []
    assert one.ask(daemon.http)
    one.second(daemon.http, NOW + 20)
    assert {record["version"] for record in daemon.sent} == {VERSION}


def test_the_bad_version_fails_and_the_slow_one_is_slow(tmp_path: Path) -> None:
    bad = switch(RolloutKind.BAD, tmp_path)
    bad.share = 100.0
    records = [bad.serve(NOW) for _ in range(200)]
    assert sum("error" in record for record in records) / 200 == pytest.approx(0.1, abs=0.07)
    slow = SlowModel(Pipeline())
    features: dict[str, object] = dict.fromkeys(flights.FEATURES, 1)
    assert slow.answer(features).latency_ms >= 6.0


def test_it_begins_anew_with_a_configuration_that_the_daemon_takes(tmp_path: Path) -> None:
    (tmp_path / "training.parquet").touch()
    place = rollout.prepare(tmp_path, 8080)
    store = Store(f"sqlite:///{place}/watchkeeper.db")
    migrate(store)
    stream = Stream(STREAM["client"], STREAM["model"], STREAM["environment"])
    Service(store, stream).run(1, Behaviour(), advancing=False)
    rollout.begin(place, NOW)
    with store.read() as connection:
        known = rollouts.latest(connection, stream)
    store.close()
    assert known is not None
    assert (known[0].canary, known[0].stable, known[0].plan) == (CANARY, VERSION, parse_plan(PLAN, BASE))
    assert load(place / "watchkeeper.yaml").predictions.base_window == BASE
    rollout.prepare(tmp_path, 8080)
    assert not list(place.glob("watchkeeper.db*"))


def test_an_unknown_kind_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown rollout 'ugly'"):
        roll_out(tmp_path, 8080, "ugly", print)
