"""Messages that are sent to a source over HTTP: kept by their source's thread, answered when they are stored."""

import base64
import gzip
import json
from collections.abc import Iterator

import httpx2
import pytest

from monitor.clock import SystemClock
from monitor.predictions.log.writer import PredictionLog
from monitor.predictions.settings import PredictionSettings
from monitor.sources.group import PushTarget, SourceGroup
from monitor.sources.http_push import MOST_WAITING, HttpSettings, PushInbox
from monitor.sources.otlp.agents.waiting_runs import WaitingRuns
from monitor.sources.otlp.waiting_calls import WaitingCalls
from monitor.sources.source import Payload
from monitor.store import quarantine
from monitor.store.db import Store
from monitor.store.migrate import migrate
from monitor.web.settings import WebSettings
from tests.support.ingest_server import Ingest, rows_of, server_of
from tests.support.log import STREAM
from tests.support.ports import free_port
from tests.support.server import running
from tests.support.waiting import until

SECTIONS = {
    "orders": HttpSettings(client=STREAM.client, model=STREAM.model),
    "iris": HttpSettings(client=STREAM.client, model=STREAM.model, format="kserve"),
    "azure": HttpSettings(
        client=STREAM.client, model=STREAM.model, format="azureml", url_path="/modeldata/log"
    ),
    "größe/1": HttpSettings(client=STREAM.client, model=STREAM.model),
}


@pytest.fixture(scope="module")
def ingest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingest]:
    folder, clock = tmp_path_factory.mktemp("pushed"), SystemClock()
    store = Store(f"sqlite:///{folder}/watchkeeper.db")
    migrate(store)
    log = PredictionLog(store, PredictionSettings(body_limit=100_000, acknowledge_within=1.0), clock)
    group = SourceGroup(SECTIONS, log, store, clock)
    log.start()
    group.start()
    silent = PushInbox()
    silent.open()
    push_targets = [
        *group.push_targets,
        PushTarget("closed", "", "/v1/sources/closed", PushInbox()),
        PushTarget("silent", "", "/v1/sources/silent", silent),
    ]
    web = WebSettings(listen=f"127.0.0.1:{free_port()}")
    try:
        with running(server_of(log, store, clock, web, push_targets)) as url:
            made = Ingest(url, store, log, WaitingCalls(log, store), WaitingRuns(log, store))
            until(lambda: made.post(b" ", "/v1/sources/orders").status_code == 202, "the source is open")
            yield made
    finally:
        group.stop()
        log.stop()
        store.close()


def ids(ingest: Ingest) -> set[str]:
    return {row["id"] for row in rows_of(ingest)}


def words_in_quarantine(ingest: Ingest) -> str:
    with ingest.store.read() as connection:
        return "\n".join(one.rejected.error for one in quarantine.latest(connection, None, 50))


def test_a_record_is_stored_when_it_is_answered(ingest: Ingest) -> None:
    for path in ("/v1/sources/orders", "/v1/sources/gr%C3%B6%C3%9Fe%2F1"):
        answer = ingest.post({"id": path[-4:], "prediction": "ok"}, path)
        assert (answer.status_code, answer.json()) == (202, {"received": 1})
        assert path[-4:] in ids(ingest)
    body = json.dumps({"id": "gz", "prediction": "ok"}).encode()
    assert ingest.post(gzip.compress(body), "/v1/sources/orders", content_encoding="gzip").status_code == 202
    assert "gz" in ids(ingest)


def test_the_halves_of_a_call_become_a_record_also_over_azures_path(ingest: Ingest) -> None:
    for side, body in (("response", {"predictions": [1]}), ("request", {"instances": [[2]]})):
        sent = {"ce_id": "k-1", "ce_type": f"x.{side}"}
        assert ingest.post(body, "/v1/sources/iris", **sent).status_code == 202
    for kind, body in (("model_inputs", [{"a": 1}]), ("model_outputs", [{"label": "x"}])):
        sent = {"ce_id": "1", "ce_type": f"azureml.inference.{kind}", "ce_correlationid": "az-1"}
        assert ingest.post(json.dumps(body).encode(), "/modeldata/log", **sent).status_code == 202
    assert {"k-1", "az-1"} <= ids(ingest)


def test_what_cannot_be_read_is_in_quarantine_and_not_sent_again(ingest: Ingest) -> None:
    for body in (b"{broken", b"\xff", b"[1]", b"null"):
        assert ingest.post(body, "/v1/sources/orders").status_code == 202
    assert "source orders, from 127.0.0.1" in words_in_quarantine(ingest)


@pytest.mark.parametrize("name", ["closed", "silent"])
def test_a_source_that_does_not_store_means_503(ingest: Ingest, name: str) -> None:
    answer = ingest.post({"id": "x", "prediction": 1}, f"/v1/sources/{name}")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "x" not in ids(ingest)


def test_errors_are_answered_with_their_status(ingest: Ingest) -> None:
    path = "/v1/sources/orders"
    assert ingest.post(b"x" * 100_001, path).status_code == 413
    assert ingest.post(gzip.compress(b"x" * 100_001), path, content_encoding="gzip").status_code == 413
    assert ingest.post(b"x", path, content_encoding="gzip").status_code == 400
    assert ingest.post(b"{}", "/v1/sources/nobody").status_code == 404
    assert httpx2.get(ingest.url + path).status_code == 405


def test_a_key_also_comes_as_the_password_of_the_url(ingest: Ingest) -> None:
    path, body = "/v1/sources/orders", {"id": "keyed", "prediction": "ok"}
    key, other = ingest.make_key(STREAM.client), ingest.make_key("somebody-else")
    basic = base64.b64encode(f"key:{key}".encode()).decode()
    until(lambda: ingest.post(body, path).status_code == 401, "a key is required")
    assert ingest.post(body, path, authorization=f"Basic {basic}").status_code == 202
    assert ingest.post(body, path, key=other).status_code == 403
    assert ingest.post(body, path, authorization="Basic %%%").status_code == 401
    assert "keyed" in ids(ingest)


def test_an_inbox_that_is_closed_or_full_sends_away_and_answers_who_waits() -> None:
    inbox, answers = PushInbox(), []
    with pytest.raises(Exception, match="cannot be stored now"):
        inbox.put(Payload(b"", ""), answers.append)
    inbox.open()
    for _ in range(MOST_WAITING):
        inbox.put(Payload(b"", ""), answers.append)
    with pytest.raises(Exception, match="too many messages"):
        inbox.put(Payload(b"", ""), answers.append)
    assert inbox.lag().waiting == MOST_WAITING
    inbox.close()
    assert answers == [False] * MOST_WAITING
