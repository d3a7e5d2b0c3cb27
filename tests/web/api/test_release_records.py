"""POST /v1/releases from outside: who may record, what is refused, and that nothing doubles."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from monitor.app import App
from monitor.clock import ManualClock
from monitor.config.root import Config
from monitor.config.schema import ClientConfig
from monitor.errors import StoreError
from monitor.predictions.intake.parse import RecordKind
from monitor.records import Stream
from monitor.store import api_keys, model_versions, releases
from monitor.store.api_keys import KeyKind
from monitor.store.model_versions import Version
from monitor.store.settings import StoreSettings
from monitor.web.pages.charts.marks import marks, of_versions
from tests.support.log import send

NOW = 1_795_420_800.0
FRAUD = Stream("acme", "fraud")
RELEASE = {"client": "acme", "model": "fraud", "version": "8", "artifact": {"sha256": "a" * 64}}


class Daemon:
    """The web application of a daemon with a client, and its keys."""

    def __init__(self, folder: Path) -> None:
        config = Config(store=StoreSettings(url=f"sqlite:///{folder}/a.db"), clients={"acme": ClientConfig()})
        self.clock = ManualClock(NOW)
        self.app = App(config, self.clock)
        self.web = TestClient(self.app.application)
        self.key = self.made(KeyKind.INGEST, "acme")

    def made(self, kind: KeyKind, client: str) -> str:
        self.clock.advance(2)  # new keys take effect after a second
        with self.app.store.write() as connection:
            return api_keys.create(connection, kind, client, NOW)[1]

    def post(self, body: Any, key: str = "") -> Any:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.web.post(
            "/v1/releases", content=raw, headers={"Authorization": f"Bearer {key or self.key}"}
        )

    def recorded(self) -> list[tuple[str, str, str]]:
        with self.app.store.read() as connection:
            return [(one.version, one.digest[:4], one.recorded_by) for one in releases.of(connection, FRAUD)]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    made = Daemon(tmp_path_factory.mktemp("releases"))
    with made.web:
        yield made
    made.app.store.close()


def test_a_release_is_recorded_once_and_another_content_is_answered_with_what_differs(daemon: Daemon) -> None:
    first, again = daemon.post(RELEASE), daemon.post(RELEASE)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() | {"recorded": False} == again.json()
    assert again.json()["contradictions"] == []
    other = daemon.post(RELEASE | {"artifact": {"sha256": "b" * 64}})
    assert (other.status_code, other.json()["contradictions"]) == (201, ["artifact.sha256"])
    assert len(daemon.recorded()) == 2
    assert all(by.startswith("key ") for _, _, by in daemon.recorded())


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"", 400, "not a release"),
        ({"client": "acme", "model": "fraud"}, 400, "missing required field `version`"),
        (RELEASE | {"artifact": {"sha256": "none"}}, 400, "not a SHA-256 digest"),
        (RELEASE | {"released_at": NOW + 3600}, 400, "ahead of the daemon's clock"),
        (RELEASE | {"client": "acmee"}, 403, "belongs to client"),
        (RELEASE | {"model": "fr\u2028aud"}, 400, "cannot be seen"),
        (b"x" * 10_000_000, 413, ""),
        (b'{"client": "acme", "model": "fraud", "version": "' + b"8" * 300_000 + b'"}', 413, ""),
    ],
)
def test_what_is_refused_is_told_and_stores_nothing(
    daemon: Daemon, body: Any, status: int, says: str
) -> None:
    before = daemon.recorded()
    answer = daemon.post(body)
    assert (answer.status_code, says in answer.json()["error"]) == (status, True), answer.text
    assert answer.json().keys() == {"error", "hint"}
    assert daemon.recorded() == before


def test_releases_at_the_same_moment_are_each_recorded_once_and_the_later_is_told_what_differs(
    daemon: Daemon,
) -> None:
    twice = [
        RELEASE | {"model": "other", "version": "8", "artifact": {"sha256": letter * 64}}
        for letter in "ababab"
    ]
    with ThreadPoolExecutor(len(twice)) as threads:
        answers = list(threads.map(daemon.post, twice))
    assert sorted(answer.status_code for answer in answers) == [200] * 4 + [201] * 2
    with daemon.app.store.read() as connection:
        stored = [one.digest for one in releases.of(connection, Stream("acme", "other"))]
    assert sorted(stored) == sorted({answer.json()["digest"] for answer in answers})
    assert any(answer.json()["contradictions"] == ["artifact.sha256"] for answer in answers)


def test_who_may_record(daemon: Daemon) -> None:
    assert daemon.web.post("/v1/releases", json=RELEASE).status_code == 401
    assert daemon.post(RELEASE, "wk_wrong").status_code == 401
    assert daemon.post(RELEASE, daemon.made(KeyKind.PAGE, "acme")).status_code == 403
    other = daemon.made(KeyKind.INGEST, "globex")
    assert daemon.post(RELEASE, other).status_code == 403
    unknown = daemon.post(RELEASE | {"client": "globex"}, other)
    assert (unknown.status_code, "not configured" in unknown.text) == (400, True)
    assert daemon.web.get("/v1/releases").status_code == 405


def test_a_store_that_is_gone_means_503_and_the_same_body_later_is_recorded_once(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise StoreError("gone")

    body = RELEASE | {"version": "6"}
    daemon.post(body | {"version": ""})  # the key is known
    with monkeypatch.context() as patched:
        patched.setattr(daemon.app.store, "write", gone)
        assert daemon.post(body).status_code == 503
    assert [daemon.post(body).status_code for _ in range(2)] == [201, 200]


def test_the_page_and_metrics_say_what_was_released_by_whom_and_the_client_does_not_read_names(
    daemon: Daemon,
) -> None:
    hostile = "<b>kim</b> & \u202eco"
    with daemon.app.store.write() as connection:
        model_versions.put(
            connection, [Version(FRAUD, "1", NOW - 9e4, NOW), Version(FRAUD, "9", NOW - 500, NOW)]
        )
    late = {
        **RELEASE,
        "version": "9",
        "released_at": NOW - 600,
        "released_by": hostile,
        "flags": ["migration"],
    }
    assert daemon.post(late).status_code == 201
    with daemon.app.store.read() as connection:
        for_staff = [one.text for one in of_versions(connection, FRAUD, with_names=True)]
        for_client = [one.text for one in of_versions(connection, FRAUD, with_names=False)]
    assert f"new version 9, released by {hostile}" in for_staff
    assert "new version 9" in for_client
    assert "version 8 released" in for_client
    assert not any("kim" in text for text in for_client)
    path = "/api/v1/clients/acme/models/fraud/releases"
    daemon.app.log.start()
    send(
        daemon.app.log,
        RecordKind.PREDICTIONS,
        [{"client": "acme", "model": "fraud", "version": "9", "prediction": "ok"}],
    )
    daemon.app.log.stop()
    for kind, by in ((KeyKind.STAFF, hostile), (KeyKind.PAGE, "")):
        key = daemon.made(kind, "" if kind is KeyKind.STAFF else "acme")
        answer = daemon.web.get(path, headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 200, answer.text
        assert {one["version"] for one in answer.json()} == {"6", "8", "9"}
        assert next(one for one in answer.json() if one["version"] == "9")["released_by"] == by
        figures = daemon.web.get("/metrics", headers={"Authorization": f"Bearer {key}"}).text
        assert ("kim" in figures) == (kind is KeyKind.STAFF), figures[:200]


def test_a_release_long_before_its_first_prediction_has_a_mark_of_its_own() -> None:
    versions = [Version(FRAUD, "7", 0.0, NOW), Version(FRAUD, "8", NOW, NOW)]
    near = releases.Release(FRAUD, "8", "a" * 64, NOW - 800, NOW, "kim")
    early = releases.Release(FRAUD, "8", "b" * 64, NOW - 4000, NOW)
    assert [one.text for one in marks(versions, [early], with_names=True)] == [
        "version 8 released",
        "new version 8",
    ]
    assert [one.text for one in marks(versions, [near], with_names=True)] == [
        "new version 8, released by kim"
    ]
    assert marks([], [], with_names=True) == ()
