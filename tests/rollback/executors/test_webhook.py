"""The signed webhook, against a receiver that verifies as Standard Webhooks says."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import pytest

from monitor.rollback.executors.executor import ExecutorError
from monitor.rollback.executors.webhook import WebhookExecutorSettings
from tests.support.orders import HOSTILE, order
from tests.support.stand_in import Asked, Reply, StandIn

KEY = base64.b64encode(bytes(range(32))).decode()


class Strict:
    """Verifies the signature and the time, and acts once on each id."""

    def __init__(self) -> None:
        self.acted: list[dict[str, Any]] = []
        self.seen: set[str] = set()

    def answer(self, asked: Asked) -> Reply:
        identity, sent_at = asked.headers["webhook-id"], asked.headers["webhook-timestamp"]
        if abs(time.time() - int(sent_at)) > 300:
            return Reply(400, b"too old")
        signed = f"{identity}.{sent_at}.".encode() + asked.body
        mine = base64.b64encode(hmac.new(bytes(range(32)), signed, hashlib.sha256).digest()).decode()
        given = asked.headers["webhook-signature"].split(" ")
        if not any(hmac.compare_digest(f"v1,{mine}", one) for one in given):
            return Reply(401, b"bad signature")
        if identity not in self.seen:
            self.seen.add(identity)
            self.acted.append(json.loads(asked.body))
        return Reply(204)


def webhook(server: StandIn, secret: str = f"whsec_{KEY}") -> WebhookExecutorSettings:
    return WebhookExecutorSettings.model_validate(
        {"kind": "webhook", "url": server.url, "secret": secret, "timeout": "5s"}
    )


def test_an_order_is_signed_and_acted_on_once() -> None:
    receiver = Strict()
    with StandIn(receiver.answer) as server:
        executor = webhook(server).make()
        assert executor.execute(order()) == executor.execute(order()) == "the webhook answered 204"
    assert receiver.acted == [
        {
            "schema": "watchkeeper.rollback/1", "id": "0123456789ab", "action": "rollback", "client": "acme",
            "model": "fraud", "environment": "production", "from_version": "8", "to_version": "7",
            "trigger": "HighErrorRate", "reason": "9 % fail", "dry_run": False, "drill": False,
            "decided_at": "2027-01-15T08:00:00Z", "expires_at": "2027-01-15T08:05:00Z",
        }
    ]  # fmt: skip


def test_another_key_is_refused() -> None:
    with (
        StandIn(Strict().answer) as server,
        pytest.raises(ExecutorError, match=r"HTTP 401 .*: bad signature") as refused,
    ):
        webhook(server, base64.b64encode(b"another key of 24 bytes!").decode()).make().execute(order())
    assert refused.value.is_certain


@pytest.mark.parametrize("version", [name for name in HOSTILE if name != "\ud800"])
def test_a_hostile_version_is_data(version: str) -> None:
    receiver = Strict()
    with StandIn(receiver.answer) as server:
        webhook(server).make().execute(order(version=version))
    assert receiver.acted[0]["from_version"] == version


@pytest.mark.parametrize(
    "secret", ["", "password", "whsec_", base64.b64encode(b"short").decode(), "whsec_" + "é" * 40]
)
def test_a_weak_key_is_a_mistake_of_the_configuration(secret: str) -> None:
    with pytest.raises(ValueError, match="openssl rand"), StandIn(Strict().answer) as server:
        webhook(server, secret)
