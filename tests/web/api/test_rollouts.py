"""Fault case 24: whatever goes wrong, nothing is promoted and nothing rolled back by accident."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from litestar.testing import TestClient

from monitor.app import App
from monitor.clock import ManualClock
from monitor.config.root import ClientConfig, Config, ModelSettings
from monitor.errors import StoreError
from monitor.records import Stream
from monitor.releases.approval.approve import decide
from monitor.releases.settings import ReleasePolicy
from monitor.rollouts import running
from monitor.rollouts.plan import parse_plan
from monitor.store import api_keys, model_versions
from monitor.store.approvals import TEAM, Approval
from monitor.store.model_versions import Version
from monitor.store.settings import StoreSettings
from tests.support.rollouts import Behaviour, put_minute

STREAM = Stream("acme", "fraud")
START = 1_795_420_800
STEP = "/v1/rollouts/acme/fraud/step"
VERDICT = "/v1/rollouts/acme/fraud/verdict"
HOOKS = ("rollout", "confirm-promotion", "rollback")


class Rollout:
    """Minutes of versions 7 and 8 in a store, and the daemon's web application before it."""

    def __init__(self, folder: Path, **sections: Any) -> None:
        self.clock, self.random = ManualClock(START), np.random.default_rng(3)
        self.app = App(Config(store=StoreSettings(url=f"sqlite:///{folder}/a.db"), **sections), self.clock)
        self.http = TestClient(self.app.application)
        self.http.headers["Authorization"] = f"Bearer {self.key('acme')}"
        self.seen("7", START - 86_400, START)

    def key(self, client: str) -> str:
        with self.app.store.write() as connection:
            return api_keys.create(connection, api_keys.KeyKind.PAGE, client, self.clock.now())[1]

    def seen(self, version: str, first: float, last: float) -> None:
        with self.app.store.write() as connection:
            model_versions.put(connection, [Version(STREAM, version, first, last)])

    def run(self, minutes: int, canary: float, stable: float = 0.01, version: str = "8") -> None:
        for _ in range(minutes):
            start = int(self.clock.now())
            self.clock.advance(60)
            arms = {version: (100, Behaviour(canary)), "7": (900, Behaviour(stable))}
            put_minute(self.app.store, STREAM, start, arms, self.random)

    def verdict(self, **asked: str) -> dict[str, Any]:
        answer = self.http.get(VERDICT, params={"canary": "8", **asked})
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("application/json")
        return dict(answer.json())

    def hook(self, name: str, canary: str = "8") -> int:
        body = {
            "name": "fraud",
            "namespace": "prod",
            "phase": "Progressing",
            "checksum": "85d557f47b",
            "metadata": {"client": "acme", "model": "fraud", "canary": canary},
        }
        return self.http.post(f"/v1/flagger/{name}", json=body).status_code

    def hooks(self) -> list[int]:
        return [self.hook(name) for name in HOOKS]


@pytest.fixture
def rollout(tmp_path: Path) -> Iterator[Rollout]:
    made = Rollout(tmp_path)
    with made.http:
        yield made
    made.app.store.close()


def test_24_a_rollout_from_its_first_minute_to_its_promotion(rollout: Rollout) -> None:
    rollout.run(3, canary=0.01)
    assert rollout.verdict()["verdict"] == "inconclusive"
    assert rollout.hooks() == [200, 403, 403], "go on, do not promote yet, do not roll back"
    rollout.run(20, canary=0.01)
    assert rollout.verdict()["verdict"] == "pass"
    assert rollout.verdict(gate="final")["verdict"] == "inconclusive"
    assert rollout.hooks() == [200, 403, 403]
    rollout.run(10, canary=0.01)
    assert rollout.verdict(gate="final")["verdict"] == "pass"
    assert rollout.hooks() == [200, 200, 403]


def test_24_a_canary_that_is_worse_is_rolled_back_once(rollout: Rollout) -> None:
    rollout.run(20, canary=0.08)
    found = rollout.verdict()
    assert found["verdict"] == "fail"
    assert found["e_value"] > found["threshold"]
    assert "of 1,800 fail" in found["reason"], "nineteen closed minutes, without the first one"
    assert {one["name"]: one["state"] for one in found["checks"]}["failures"] == "fail"
    assert rollout.hooks() == [403, 403, 200]
    rollout.clock.advance(600)  # it was rolled back: it answers nobody any more
    assert rollout.verdict()["verdict"] == "inconclusive"
    assert rollout.hook("rollback") == 403, "a second rollback of the same version is none"


def test_24_a_version_that_changed_meanwhile_is_not_rolled_back_for_the_one_before(rollout: Rollout) -> None:
    rollout.run(20, canary=0.08)
    rollout.run(1, canary=0.01, version="9")
    assert rollout.verdict()["verdict"] == "fail"
    assert rollout.hook("rollback") == 403
    assert rollout.hook("rollback", canary="9") == 403


@pytest.mark.parametrize("name", HOOKS)
def test_24_a_store_that_is_gone_promotes_nothing_and_rolls_nothing_back(
    rollout: Rollout, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    rollout.run(20, canary=0.08)

    def gone(*_: object) -> None:
        raise StoreError("the database cannot be used: connection refused")

    monkeypatch.setattr("monitor.rollouts.evaluate.model_versions.load", gone)
    assert rollout.hook(name) == 503
    answer = rollout.http.get(VERDICT, params={"canary": "8"})
    assert answer.status_code == 503
    assert "verdict" not in answer.json()


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{}", b"<html>200</html>", b'{"name": "x", "namespace": "y"}']
)
@pytest.mark.parametrize("name", HOOKS)
def test_24_a_hook_that_says_nothing_of_use_is_refused(rollout: Rollout, name: str, body: bytes) -> None:
    rollout.run(20, canary=0.08)
    assert rollout.http.post(f"/v1/flagger/{name}", content=body).status_code == 400


@pytest.mark.parametrize(
    "path", ["/v1/flagger", "/v1/flagger/", "/v1/flagger/roll-back", "/v1/flagger/rollback/x"]
)
def test_24_no_other_address_of_the_rollback_hook_is_a_yes(rollout: Rollout, path: str) -> None:
    assert rollout.http.post(path, json={}).status_code >= 400
    assert rollout.http.get("/v1/flagger/rollback").status_code >= 400


def test_24_without_a_canary_or_with_one_nobody_saw_there_is_no_pass(rollout: Rollout) -> None:
    assert rollout.http.get(VERDICT).status_code == 400
    assert rollout.http.get(VERDICT, params={"canary": "8", "gate": "open"}).status_code == 400
    assert rollout.verdict(canary="99")["verdict"] == "inconclusive"
    assert rollout.http.get("/v1/rollouts/acme/nothing/verdict?canary=1").status_code == 404


def test_24_nobody_may_ask_without_a_key_or_with_one_for_another_client(rollout: Rollout) -> None:
    asked = {"canary": "8"}
    for header, status in (("", 401), ("Bearer wk_wrong", 401), (f"Bearer {rollout.key('globex')}", 403)):
        answer = rollout.http.get(VERDICT, params=asked, headers={"Authorization": header})
        assert answer.status_code == status


def test_a_switch_asks_which_share_it_shall_send(rollout: Rollout) -> None:
    other = rollout.key("globex")
    assert rollout.http.get(STEP).status_code == 404
    rollout.run(5, canary=0.01)
    with rollout.app.store.write() as connection:
        plan = parse_plan("5:5m,50:20m,100:20m", 60)
        running.start(connection, STREAM, "9", "7", plan, who="ada", address="here", now=rollout.clock.now())
    asked = rollout.http.get(STEP).json()
    assert (asked["schema"], asked["state"], asked["share"]) == ("watchkeeper.step/1", "running", 5.0)
    assert (asked["canary"], asked["stable"], asked["step"]) == ("9", "7", 1)
    assert asked["reason"] == "started by ada: version 9 receives 5 %"
    rollout.run(9, canary=0.01, version="9")
    rollout.app.jobs.advance_rollouts()
    assert rollout.http.get(STEP).json()["share"] == 50.0
    rollout.run(15, canary=0.3, version="9")
    rollout.app.jobs.advance_rollouts()
    ended = rollout.http.get(STEP)
    assert (ended.json()["state"], ended.json()["share"]) == ("failed", 0.0)
    assert ended.headers["cache-control"] == "no-store"
    for header, status in (("", 401), (f"Bearer {other}", 403)):
        assert rollout.http.get(STEP, headers={"Authorization": header}).status_code == status


def test_a_canary_that_passed_is_not_promoted_without_the_approval_that_its_model_requires(
    tmp_path: Path,
) -> None:
    needs = ModelSettings(releases=ReleasePolicy(approval="team"))
    made = Rollout(tmp_path, clients={"acme": ClientConfig(models={"fraud": needs})})
    with made.http:
        made.run(40, 0.01)
        assert made.verdict()["verdict"] == "pass"
        refused = made.verdict(gate="final")
        assert refused["verdict"] == "inconclusive"
        assert "version 8 needs the approval of the team" in refused["reason"]
        assert made.hook("confirm-promotion") == 403
        assert made.hook("rollout") == 200
        assert made.hook("rollback") == 403
        with made.app.store.write() as connection:
            decide(connection, Approval(STREAM, "8", TEAM, True, "kim", made.clock.now(), note="seen"), "")
        assert made.verdict(gate="final")["verdict"] == "pass"
        assert made.hook("confirm-promotion") == 200
