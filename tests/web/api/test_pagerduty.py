"""PagerDuty's webhooks: repeated, out of order, forged, signed twice, and while the store is gone."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.errors import StoreError
from monitor.web.api.pagerduty import process
from tests.support.judging import one_rule
from tests.support.paging import PagingDaemon

RULE = "{metric: error_rate, over: open, above: 5%}"
SECRETS = ["old-secret", "new-secret"]


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[PagingDaemon]:
    with PagingDaemon(tmp_path, one_rule(tmp_path, RULE)) as made:
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


def post(
    daemon: PagingDaemon, kind: str, second: int, delivery: str = "", who: str = "Ann"
) -> tuple[int, str]:
    raw = body(kind, daemon.open_incidents()[0].key, second, who)
    return process(daemon.store, SECRETS, signature(raw), delivery or f"d{second}", raw, daemon.now)


def taken_by(daemon: PagingDaemon) -> str:
    daemon.run(0.3, 1)
    return daemon.alert().acknowledged_by


def test_an_acknowledgement_reaches_the_alert_and_can_be_taken_back(daemon: PagingDaemon) -> None:
    assert post(daemon, "acknowledged", 10) == (202, "incident.acknowledged applied")
    assert taken_by(daemon) == "Ann"
    post(daemon, "unacknowledged", 11)
    assert taken_by(daemon) == ""


def test_a_repeated_delivery_changes_nothing(daemon: PagingDaemon) -> None:
    post(daemon, "acknowledged", 10, "d1")
    post(daemon, "unacknowledged", 11, "d2")
    assert post(daemon, "acknowledged", 10, "d1") == (202, "already received")
    assert taken_by(daemon) == ""


def test_an_event_that_comes_late_does_not_undo_a_newer_one(daemon: PagingDaemon) -> None:
    post(daemon, "unacknowledged", 20)
    post(daemon, "acknowledged", 30, who="Bob")
    post(daemon, "unacknowledged", 25)
    assert taken_by(daemon) == "Bob"


def test_one_of_two_signatures_is_enough_with_or_without_spaces(daemon: PagingDaemon) -> None:
    raw = body("acknowledged", daemon.open_incidents()[0].key, 10)
    for number, header in enumerate(
        (
            f"{signature(raw, 'x')}, {signature(raw, 'old-secret')}",
            f"{signature(raw, 'new-secret')},{signature(raw, 'x')}",
        )
    ):
        assert process(daemon.store, SECRETS, header, f"d{number}", raw, daemon.now)[0] == 202


@pytest.mark.parametrize("header", ["", "v1=", "v1=00", "v0=abc", "ü"])
def test_a_forged_or_re_encoded_body_is_refused(daemon: PagingDaemon, header: str) -> None:
    raw = body("resolved", daemon.open_incidents()[0].key, 10)
    assert process(daemon.store, SECRETS, header, "d", raw, daemon.now)[0] == 401
    assert process(daemon.store, SECRETS, signature(raw), "d", raw + b" ", daemon.now)[0] == 401
    assert daemon.open_incidents()[0].dismissed_at is None


def test_what_is_signed_and_not_ours_is_taken_and_ignored(daemon: PagingDaemon) -> None:
    ping = b'{"event": {"id": "1", "event_type": "pagey.ping", "occurred_at": "2027-01-15T08:00:00Z", "data": {}}}'
    assert process(daemon.store, SECRETS, signature(ping), "p", ping, daemon.now) == (202, "unknown incident")
    junk = b'{"hello": 1}'
    assert process(daemon.store, SECRETS, signature(junk), "j", junk, daemon.now)[0] == 202


def test_a_store_that_is_gone_asks_for_it_again_instead_of_refusing(
    daemon: PagingDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone() -> None:
        raise StoreError("the database cannot be used")

    raw = body("acknowledged", daemon.open_incidents()[0].key, 10)
    monkeypatch.setattr(daemon.store, "write", gone)
    assert process(daemon.store, SECRETS, signature(raw), "d", raw, daemon.now)[0] == 503


def test_an_incident_that_opened_and_was_taken_is_not_backed_up(daemon: PagingDaemon) -> None:
    post(daemon, "triggered", 3)
    post(daemon, "acknowledged", 4)
    daemon.run(0.3, 1200, every=30)
    assert daemon.chat.notifications == []


def test_one_that_nobody_takes_for_a_quarter_of_an_hour_is_told_again_another_way(
    daemon: PagingDaemon,
) -> None:
    post(daemon, "triggered", 3)
    daemon.run(0.3, 870, every=30)
    assert daemon.chat.notifications == []
    daemon.run(0.3, 60, every=30)
    assert [told.note for told in daemon.chat.notifications] == ["not acknowledged for 15m1s"]
