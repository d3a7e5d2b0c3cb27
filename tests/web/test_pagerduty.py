"""PagerDuty's webhooks: repeated, out of order, forged, signed twice, and while the store is gone."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.errors import StoreError
from monitor.web.pagerduty import take
from tests.support.judging import one_rule
from tests.support.paging import World

RULE = "{metric: error_rate, over: open, above: 5%}"
SECRETS = ["old-secret", "new-secret"]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path, one_rule(tmp_path, RULE)) as made:
        made.confirming = frozenset(["pagerduty"])
        made.run(0.3, 2)
        yield made


def body(kind: str, key: str, second: int, who: str = "Ann") -> bytes:
    event = {
        "id": f"E{second}",
        "event_type": f"incident.{kind}",
        "resource_type": "incident",
        "occurred_at": f"2027-01-15T08:00:{second:02}.000Z",
        "agent": {"type": "user_reference", "summary": who},
        "data": {"id": "Q1", "type": "incident", "incident_key": key},
    }
    return json.dumps({"event": event}).encode()


def signature(raw: bytes, secret: str = "new-secret") -> str:
    return "v1=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()


def post(world: World, kind: str, second: int, delivery: str = "", who: str = "Ann") -> tuple[int, str]:
    raw = body(kind, world.open_incidents()[0].key, second, who)
    return take(world.store, SECRETS, signature(raw), delivery or f"d{second}", raw, world.now)


def taken_by(world: World) -> str:
    world.run(0.3, 1)
    return world.alert().acknowledged_by


def test_an_acknowledgement_reaches_the_alert_and_can_be_taken_back(world: World) -> None:
    assert post(world, "acknowledged", 10) == (202, "incident.acknowledged noted")
    assert taken_by(world) == "Ann"
    post(world, "unacknowledged", 11)
    assert taken_by(world) == ""


def test_a_repeated_delivery_changes_nothing(world: World) -> None:
    post(world, "acknowledged", 10, "d1")
    post(world, "unacknowledged", 11, "d2")
    assert post(world, "acknowledged", 10, "d1") == (202, "seen before")
    assert taken_by(world) == ""


def test_an_event_that_comes_late_does_not_undo_a_newer_one(world: World) -> None:
    post(world, "unacknowledged", 20)
    post(world, "acknowledged", 30, who="Bob")
    post(world, "unacknowledged", 25)
    assert taken_by(world) == "Bob"


def test_one_of_two_signatures_is_enough_with_or_without_spaces(world: World) -> None:
    raw = body("acknowledged", world.open_incidents()[0].key, 10)
    for number, header in enumerate(
        (
            f"{signature(raw, 'x')}, {signature(raw, 'old-secret')}",
            f"{signature(raw, 'new-secret')},{signature(raw, 'x')}",
        )
    ):
        assert take(world.store, SECRETS, header, f"d{number}", raw, world.now)[0] == 202


@pytest.mark.parametrize("header", ["", "v1=", "v1=00", "v0=abc", "ü"])
def test_a_forged_or_re_encoded_body_is_refused(world: World, header: str) -> None:
    raw = body("resolved", world.open_incidents()[0].key, 10)
    assert take(world.store, SECRETS, header, "d", raw, world.now)[0] == 401
    assert take(world.store, SECRETS, signature(raw), "d", raw + b" ", world.now)[0] == 401
    assert world.open_incidents()[0].dismissed_at is None


def test_what_is_signed_and_not_ours_is_taken_and_ignored(world: World) -> None:
    ping = b'{"event": {"id": "1", "event_type": "pagey.ping", "occurred_at": "2027-01-15T08:00:00Z", "data": {}}}'
    assert take(world.store, SECRETS, signature(ping), "p", ping, world.now) == (202, "no incident of ours")
    junk = b'{"hello": 1}'
    assert take(world.store, SECRETS, signature(junk), "j", junk, world.now)[0] == 202


def test_a_store_that_is_gone_asks_for_it_again_instead_of_refusing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone() -> None:
        raise StoreError("the database cannot be used")

    raw = body("acknowledged", world.open_incidents()[0].key, 10)
    monkeypatch.setattr(world.store, "write", gone)
    assert take(world.store, SECRETS, signature(raw), "d", raw, world.now)[0] == 503


def test_an_incident_that_opened_and_was_taken_is_not_backed_up(world: World) -> None:
    post(world, "triggered", 3)
    post(world, "acknowledged", 4)
    world.run(0.3, 1200, every=30)
    assert world.chat.told == []


def test_one_that_nobody_takes_for_a_quarter_of_an_hour_is_told_again_another_way(world: World) -> None:
    post(world, "triggered", 3)
    world.run(0.3, 870, every=30)
    assert world.chat.told == []
    world.run(0.3, 60, every=30)
    assert [told.note for told in world.chat.told] == ["nobody has taken this page for 15m1s"]
