"""What runs beside the requests of the web: whatever is raised in it, and whatever hangs, stops nothing else."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import Connection

from monitor.clock import ManualClock
from monitor.errors import AccessError, StoreError
from monitor.store import api_keys, audit, daily_summaries
from monitor.store.api_keys import Key, KeyKind
from monitor.store.audit import AuditEntry
from monitor.store.db import Store
from monitor.store.migrate import migrate
from monitor.web.auth.audit import AuditLog
from monitor.web.auth.authentication import Access
from monitor.web.pages import events
from monitor.web.server import Server
from monitor.web.settings import WebSettings
from tests.support import clients
from tests.support.clients import NOW, Shop
from tests.support.ports import free_port
from tests.support.server import running, serving
from tests.support.waiting import until

SECONDS = 20
WRONG = [
    ValueError("odd"),
    MemoryError(),
    RecursionError(),
    OSError(28, "No space left on device"),
    KeyError("x"),
]
wrong = pytest.mark.parametrize("error", WRONG, ids=lambda error: type(error).__name__)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return clients.opened(tmp_path, hours=1)


class Asked:
    """Access to a store with one key; asks with it, or with one that was never made."""

    def __init__(self, store: Store) -> None:
        self.clock = ManualClock(NOW)
        with store.write() as connection:
            self._token = api_keys.create(connection, KeyKind.INGEST, "acme", NOW)[1]
        self.access = Access(store, self.clock)

    def known(self) -> str:
        return self._who(self._token)

    def unknown(self) -> str:
        return self._who("wk_never_made")

    def _who(self, token: str) -> str:
        return self.access.who(KeyKind.INGEST, {"authorization": f"Bearer {token}"}, "10.0.0.1").client


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Asked]:
    store = Store(f"sqlite:///{tmp_path}/keys.db")
    migrate(store)
    yield Asked(store)
    store.close()


@wrong
def test_keys_that_cannot_be_read_are_known_on_and_read_again(
    asked: Asked, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    assert asked.known() == "acme"
    faults = asked.access._store.faults

    def broken(*_: object) -> object:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(api_keys, "keys", broken)
        asked.clock.advance(60)
        assert asked.known() == "acme"
        with pytest.raises(AccessError):
            asked.unknown()
        until(lambda: [(f.part, f.subject) for f in faults.active()] == [("thread", "keys")], "it is told")
        asked.clock.advance(1000)
        with pytest.raises(StoreError):
            asked.known()
    asked.access._not_before = float("-inf")
    assert asked.known() == "acme"
    assert faults.active() == []


def test_a_reading_of_keys_that_hangs_holds_up_nobody_whose_key_is_known(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asked.known() == "acme"
    over = threading.Event()
    monkeypatch.setattr(api_keys, "keys", lambda _: over.wait(SECONDS) and [])
    asked.clock.advance(60)
    began, before = time.monotonic(), threading.active_count()
    for _ in range(50):
        assert asked.known() == "acme"
    assert time.monotonic() - began < 5
    assert threading.active_count() <= before + 1
    over.set()


def test_a_new_key_waits_for_a_reading_of_keys_that_is_under_way(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asked.known() == "acme"
    with asked.access._store.write() as connection:
        token = api_keys.create(connection, KeyKind.INGEST, "globex", NOW)[1]
    began, read, answers = threading.Event(), api_keys.keys, list[str]()

    def slow(connection: Connection) -> list[Key]:
        began.set()
        threading.Event().wait(0.5)  # longer than those wait whose key is known
        return read(connection)

    monkeypatch.setattr(api_keys, "keys", slow)
    asked.clock.advance(60)
    first = threading.Thread(target=lambda: answers.append(asked.known()))
    first.start()
    assert began.wait(300)
    assert asked._who(token) == "globex"
    first.join(300)
    assert answers == ["acme"]


def test_where_no_thread_can_be_started_keys_are_known_on(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asked.known() == "acme"

    def none_left(_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", none_left)
        asked.clock.advance(60)
        assert asked.known() == "acme"
        asked.clock.advance(1000)
        with pytest.raises(StoreError, match="can't start new thread"):
            asked.known()
    assert asked.known() == "acme"


@wrong
def test_an_audit_log_that_cannot_be_written_loses_nothing_and_goes_on(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr("monitor.web.app.AUDIT_EVERY", 0.05)
    real, failures = audit.add, []

    def sometimes(*arguments: object) -> None:
        if len(failures) < 3:
            failures.append(1)
            raise error
        real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(audit, "add", sometimes)

    def written() -> list[str]:
        with shop.store.read() as connection:
            return [entry.target for entry in audit.latest(connection)]

    with serving(shop) as web:
        assert web.get("/c/acme/").status_code == 200
        until(lambda: len(failures) == 3 and "/c/acme" in written(), "it is written in the end")


def test_an_entry_that_cannot_be_written_keeps_back_no_other(shop: Shop) -> None:
    log = AuditLog(shop.store)
    for target, outcome in (("/before", 200), ("/odd", 2**70), ("/after", 200)):
        log.note(AuditEntry(NOW, "ada", "127.0.0.1", "read", "acme", target, outcome))
    log.flush()
    with shop.store.read() as connection:
        assert {entry.target for entry in audit.latest(connection)} == {"/before", "/odd", "/after"}
    assert not shop.store.faults.active()


@contextmanager
def listening(web: httpx2.Client, client: str) -> Iterator[Iterator[str]]:
    with web.stream("GET", f"/c/{client}/events") as stream:
        lines = stream.iter_lines()
        assert any("hello" in line for line in lines)
        yield lines


@pytest.mark.parametrize("error", [*WRONG, StoreError("it is gone")], ids=lambda error: type(error).__name__)
def test_a_stream_of_events_outlives_what_its_look_raises(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(events, "CHECK_SECONDS", 0.05)
    failures: list[str] = []
    real = daily_summaries.last_update

    def sometimes(connection: object, client: str) -> float | None:
        if client == "acme" and len(failures) < 3:
            failures.append(client)
            raise error
        return time.monotonic() if failures else real(connection, client)  # type: ignore[arg-type]

    with serving(shop) as web, listening(web, "acme") as mine, listening(web, "globex") as other:
        monkeypatch.setattr(daily_summaries, "last_update", sometimes)
        for lines in (mine, other):
            assert any("change" in line for line in lines), "it ended"
    assert len(failures) == 3


def test_streams_whose_looks_hang_keep_no_page_waiting(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "CHECK_SECONDS", 0.05)
    over, hanging = threading.Event(), []

    def hang(*_: object) -> None:
        hanging.append(1)
        over.wait(SECONDS)

    with serving(shop) as web, listening(web, "acme"), listening(web, "globex"), listening(web, "initech"):
        monkeypatch.setattr(daily_summaries, "last_update", hang)
        until(lambda: len(hanging) >= events.THREADS, "all threads of events hang")
        assert web.get("/c/acme/").status_code == 200
        assert web.get("/healthz").status_code == 200
        over.set()


async def application(scope: dict[str, object], receive: object, send: object) -> None:
    if scope["type"] == "lifespan":
        await receive()  # type: ignore[operator]
        await send({"type": "lifespan.startup.complete"})  # type: ignore[operator]
        await receive()  # type: ignore[operator]
        await send({"type": "lifespan.shutdown.complete"})  # type: ignore[operator]
        return
    await send({"type": "http.response.start", "status": 204, "headers": []})  # type: ignore[operator]
    await send({"type": "http.response.body", "body": b""})  # type: ignore[operator]


def test_tasks_of_the_server_that_raise_are_begun_again_and_it_ends_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("monitor.web.server.RETRY_AFTER", 0.01)
    server = Server(application, WebSettings(listen=f"127.0.0.1:{free_port()}"))
    looks: list[int] = []

    async def watch() -> None:
        looks.append(1)
        await asyncio.sleep(0)
        raise WRONG[len(looks) % len(WRONG)]

    def broken() -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(server.connections, "watch", watch)
    ended: list[BaseException | None] = []

    def run() -> None:
        try:
            server.run_until_stopped(broken, broken)
            ended.append(None)
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    until(lambda: server.is_listening and len(looks) > 10, "it is begun again")
    assert httpx2.get(server.url).status_code == 204
    server.stop()
    thread.join(SECONDS)
    assert ended == [None]


def test_a_certificate_whose_look_raises_does_not_end_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        looks = 0

        def renew(self, _: object) -> bool:
            Broken.looks += 1
            raise ValueError("no certificate")

    server = Server(application, WebSettings(listen=f"127.0.0.1:{free_port()}"))
    server._certificate = Broken()  # type: ignore[assignment]
    server._config.timeout_notify = 0
    with running(server) as url:
        server._config.ssl = object()  # type: ignore[assignment]
        until(lambda: Broken.looks > 2, "it looks again and again")
        assert httpx2.get(url).status_code == 204
