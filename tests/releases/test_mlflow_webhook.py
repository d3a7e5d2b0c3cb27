"""Webhooks of MLflow's model registry, signed as MLflow signs them: forged, replayed, late, of other events."""

import base64
import hashlib
import hmac
import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from monitor.clock import ManualClock
from monitor.errors import StoreError
from monitor.records import Stream
from monitor.releases.settings import MlflowSettings
from monitor.store import releases
from monitor.store.db import Store
from monitor.web.api.mlflow import process, routes
from tests.support import schema

NOW = 1_795_420_800.0
SETTINGS = MlflowSettings(
    webhook_secrets=(SecretStr("old"), SecretStr("new")),
    models={"fraud-detector": "acme/fraud"},
    aliases={"champion": "production", "challenger": "staging"},
)
FRAUD = Stream("acme", "fraud")


class Mlflow:
    """Sends webhooks as `mlflow.webhooks.delivery` does: `v1,base64(HMAC-SHA256(secret, id.timestamp.body))`."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def send(
        self,
        data: dict[str, Any],
        event: str = "model_version_alias.created",
        *,
        secret: str = "new",
        sent_at: float = NOW,
        now: float = NOW,
        settings: MlflowSettings = SETTINGS,
        change: Callable[[dict[str, str], bytes], tuple[dict[str, str], bytes]] = lambda h, b: (h, b),
    ) -> tuple[int, str]:
        entity, action = event.split(".")
        body = json.dumps(
            {"entity": entity, "action": action, "timestamp": "2026-11-23T08:00:00+00:00", "data": data}
        )
        delivery, timestamp = str(uuid.UUID(int=7)), str(int(sent_at))
        digest = hmac.new(secret.encode(), f"{delivery}.{timestamp}.{body}".encode(), hashlib.sha256).digest()
        headers = {
            "content-type": "application/json",
            "x-mlflow-delivery-id": delivery,
            "x-mlflow-timestamp": timestamp,
            "x-mlflow-signature": f"v1,{base64.b64encode(digest).decode()}",
        }
        headers, raw = change(headers, body.encode())
        return process(self.store, settings, headers, raw, now)

    def recorded(self) -> list[tuple[str, str, str]]:
        with self.store.read() as connection:
            some = releases.newest(connection, 9)
        return [(str(stream), one.version, one.note) for stream, of in sorted(some.items()) for one in of]


ALIAS = {"name": "fraud-detector", "alias": "champion", "version": "8"}


@pytest.fixture
def mlflow(tmp_path: Path) -> Mlflow:
    store = Store(f"sqlite:///{tmp_path}/a.db")
    schema.create(store)
    return Mlflow(store)


def test_an_alias_that_is_set_releases_the_version(mlflow: Mlflow) -> None:
    assert mlflow.send(ALIAS) == (202, "release 8 of acme/fraud/production is recorded")
    assert mlflow.recorded() == [("acme/fraud/production", "8", "MLflow fraud-detector: alias champion")]
    assert mlflow.send(ALIAS, secret="old") == (202, "already received")


@pytest.mark.parametrize(
    "change",
    [
        lambda h, b: (h, b.replace(b'"8"', b'"9"')),
        lambda h, b: (h | {"x-mlflow-delivery-id": "another"}, b),
        lambda h, b: (h | {"x-mlflow-delivery-id": ""}, b),
        lambda h, b: (h | {"x-mlflow-timestamp": str(int(NOW) + 1)}, b),
        lambda h, b: (h | {"x-mlflow-signature": ""}, b),
        lambda h, b: (h | {"x-mlflow-signature": h["x-mlflow-signature"].replace("v1,", "v2,")}, b),
        lambda h, b: (h | {"x-mlflow-signature": h["x-mlflow-signature"][3:]}, b),
        lambda h, b: (h | {"x-mlflow-signature": "v1,\ud800é"}, b),
        lambda h, b: ({}, b),
        lambda h, b: (h, b + b" "),
    ],
)
def test_what_mlflow_did_not_sign_is_refused(mlflow: Mlflow, change: Any) -> None:
    assert mlflow.send(ALIAS, change=change)[0] == 401
    assert mlflow.recorded() == []


def test_another_secret_is_refused_and_one_of_two_signatures_suffices(mlflow: Mlflow) -> None:
    assert mlflow.send(ALIAS, secret="guessed")[0] == 401
    both = mlflow.send(
        ALIAS, change=lambda h, b: (h | {"x-mlflow-signature": f"v1,AAAA {h['x-mlflow-signature']}"}, b)
    )
    assert both[0] == 202


@pytest.mark.parametrize(("off", "status"), [(-301, 401), (-299, 202), (299, 202), (301, 401), (1e10, 401)])
def test_a_webhook_is_accepted_within_five_minutes(mlflow: Mlflow, off: float, status: int) -> None:
    assert mlflow.send(ALIAS, sent_at=NOW + off)[0] == status
    assert bool(mlflow.recorded()) == (status == 202)


@pytest.mark.parametrize(
    ("event", "data", "says"),
    [
        ("model_version_alias.created", {**ALIAS, "alias": "shadow"}, "alias 'shadow' is not in"),
        ("model_version_alias.created", {**ALIAS, "name": "prices"}, "'prices' is not in releases.mlflow.models"),
        ("model_version_alias.deleted", {"name": "fraud-detector", "alias": "champion"}, "nothing is released"),
        ("model_version.created", {"name": "fraud-detector", "version": "8"}, "released nowhere"),
        ("model_version_tag.set", {"name": "fraud-detector", "version": "8", "key": "a", "value": "b"}, "nothing is"),
        ("registered_model.created", {"name": "fraud-detector", "tags": {}, "description": None}, "nothing is"),
        ("trace.created", {}, "nothing is released"),
        ("model_version_alias.created", {**ALIAS, "version": ""}, "version is empty"),
        ("model_version_alias.created", {**ALIAS, "version": 8}, "not an event"),
        ("model_version_alias.created", {**ALIAS, "version": "8\0"}, "NUL"),
        ("model_version_alias.created", {**ALIAS, "version": "8" * 2000}, "more than"),
    ],
)  # fmt: skip
def test_other_events_are_answered_and_record_nothing(
    mlflow: Mlflow, event: str, data: dict[str, Any], says: str
) -> None:
    status, answer = mlflow.send(data, event)
    assert (status, says in answer, mlflow.recorded()) == (202, True, []), answer


def test_a_registered_version_is_released_where_the_configuration_says_so(mlflow: Mlflow) -> None:
    settings = SETTINGS.model_copy(update={"new_versions": "development"})
    data = {"name": "fraud-detector", "version": "9", "source": "models:/m-1", "run_id": "abcd", "tags": {}}
    assert mlflow.send({**data, "description": None}, "model_version.created", settings=settings)[0] == 202
    assert mlflow.recorded() == [
        ("acme/fraud/development", "9", "MLflow fraud-detector: run abcd, models:/m-1")
    ]


def test_while_the_database_is_away_mlflow_retries_and_nothing_is_lost(
    mlflow: Mlflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise StoreError("away")

    with monkeypatch.context() as patched:
        patched.setattr(mlflow.store, "write", away)
        assert mlflow.send(ALIAS) == (503, "the database is unavailable")
    assert mlflow.send(ALIAS)[0] == 202
    assert len(mlflow.recorded()) == 1


def test_without_a_secret_there_is_no_route() -> None:
    assert routes(Store("sqlite://"), MlflowSettings(), ManualClock(NOW)) == []


@pytest.mark.parametrize("models", [{"a": "acme"}, {"a": "acme/fraud/production"}, {"a": "/fraud"}])
def test_a_mapping_that_names_no_model_is_a_mistake_of_the_configuration(models: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="is not client/model"):
        MlflowSettings(models=models)
