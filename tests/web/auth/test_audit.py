"""The audit log on the real daemon: written while it runs and when it stops, and kept while the store refuses."""

from pathlib import Path

import pytest

from monitor.errors import StoreError
from monitor.store import audit
from monitor.store.audit import AuditEntry
from monitor.store.db import Store
from monitor.web.auth.audit import MOST_WAITING, OTHERS, AuditLog
from tests.support import clients, schema
from tests.support.daemon import Daemon
from tests.support.server import serving
from tests.support.traffic import prediction, send
from tests.support.waiting import until


def entries(url: str, target: str) -> list[AuditEntry]:
    store = Store(url)
    with store.read() as connection:
        found = [entry for entry in audit.latest(connection) if entry.target == target]
    store.close()
    return found


def test_looks_are_written_down_by_the_daemon_also_at_its_end(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, "evaluate: {every: 1s}\nnotify: {console: false}\n").start()
    send(daemon, [prediction()])
    assert daemon.get("/c/acme/").status_code == 200
    until(lambda: entries(daemon.store_url, "/c/acme"), "the look is written down")
    assert daemon.get("/c/acme/days.csv").status_code == 200
    daemon.stop()
    [look] = entries(daemon.store_url, "/c/acme/days.csv")
    assert (look.client, look.who, look.outcome) == ("acme", "this machine", 200)


def test_what_could_not_be_written_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = clients.opened(tmp_path, hours=1)
    log = AuditLog(shop.store)
    log.note(AuditEntry(clients.NOW, "ada", "127.0.0.1", "read", "acme", "/c/acme/", 200))

    def refused(*_: object) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as full:
        full.setattr(audit, "add", refused)
        with pytest.raises(StoreError):
            log.flush()
    log.note(AuditEntry(clients.NOW + 1, "ada", "127.0.0.1", "read", "acme", "/c/acme/", 200))
    assert log.flush() == 1
    with shop.store.read() as connection:
        [entry] = audit.latest(connection)
    assert entry.times == 2


def test_while_nothing_can_be_written_only_so_much_waits_and_the_rest_is_counted() -> None:
    log = AuditLog(Store("sqlite://"))
    for number in range(MOST_WAITING + 500):
        log.note(AuditEntry(clients.NOW, "nobody", f"10.0.0.{number}", "read", "acme", "/c/acme/", 403))
    assert len(log._waiting) == MOST_WAITING + 1
    [others] = [entry for entry in log._waiting.values() if entry.who == OTHERS]
    assert others.times == 500


def test_programs_that_ask_every_few_seconds_are_one_row_an_hour() -> None:
    store = Store("sqlite://")
    schema.create(store)
    log = AuditLog(store)
    for second in range(0, 3600, 15):
        at = clients.NOW + second
        log.count_machine(AuditEntry(at, "key 1f3a", "10.0.0.1", "read", "", "/metrics", 200))
        assert log.flush(at) == 0
    assert log.flush(clients.NOW + 3600) == 1
    with store.read() as connection:
        [entry] = audit.latest(connection)
    assert (entry.who, entry.times) == ("key 1f3a", 240)


def test_while_the_audit_log_cannot_be_written_pages_are_shown_and_changes_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.web.app.AUDIT_EVERY", 0.05)
    shop = clients.opened(tmp_path, hours=1)
    full: list[int] = [1]
    real = audit.add

    def sometimes(*arguments: object) -> None:
        if full:
            raise StoreError("the disk is full")
        real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(audit, "add", sometimes)
    with serving(shop) as web:
        assert web.get("/metrics").status_code == 200
        assert web.get("/c/acme/").status_code == 200
        until(lambda: web.post("/leave").status_code == 503, "changes are refused")
        assert "audit log" in web.post("/leave", headers={"accept": "text/html"}).text
        assert web.get("/c/acme/").status_code == 200
        full.clear()
        until(lambda: web.post("/leave").status_code != 503, "changes are accepted again")
    with shop.store.read() as connection:
        assert {("this machine", "/metrics"), ("this machine", "/c/acme")} <= {
            (entry.who, entry.target) for entry in audit.latest(connection)
        }
