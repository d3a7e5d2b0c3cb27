"""Backup, erase, restore: what was erased comes back with a word for each erasure, and an entry in the audit log."""

import lzma
from pathlib import Path

import pytest

from monitor.maintenance.erasure import ErasureSubject, erase_client, erase_records
from monitor.store import audit, backup
from monitor.store.audit import AuditFilter
from monitor.store.db import Store
from monitor.store.migrate import migrate
from tests.maintenance.test_erasure import LEFT, NOW
from tests.support.fork_server import watchkeeper


@pytest.fixture
def store(tmp_path: Path) -> Store:
    (tmp_path / "here.db").write_bytes(lzma.decompress(LEFT.read_bytes()))
    (tmp_path / "watchkeeper.yaml").write_text(f'store: {{url: "sqlite:///{tmp_path}/here.db"}}\n')
    store = Store(f"sqlite:///{tmp_path}/here.db")
    migrate(store)
    erase_records(store, "globex", ErasureSubject(frozenset(("before",))), NOW - 1, "ada", "")
    backup.write(store, tmp_path / "backup")
    return store


def restored(folder: Path) -> str:
    config = str(folder / "watchkeeper.yaml")
    done = watchkeeper("restore", str(folder / "backup"), "--replace", "--config", config)
    assert done.returncode == 0, done.stderr
    return done.stderr


def entries(folder: Path) -> list[tuple[str, str]]:
    store = Store(f"sqlite:///{folder}/here.db")
    with store.read() as connection:
        found = audit.find(connection, AuditFilter(action="restore"))
    store.close()
    return [(one.client, one.target) for one in found]


def test_each_erasure_since_the_backup_is_told_with_its_command_and_stays_in_the_audit_log(
    store: Store, tmp_path: Path
) -> None:
    receipt = erase_records(store, "globex", ErasureSubject(frozenset(("p1",))), NOW, "ada", "")
    erase_client(store, "acme", NOW + 60, "user bob", "")
    store.close()
    said = restored(tmp_path)
    assert "globex: erase 0 records, receipt " + receipt.subjects[0][:16] in said
    assert "watchkeeper erase --client globex with the ids or the segment of that receipt" in said
    assert "acme: erase everything: " in said
    assert "erase it again: watchkeeper erase --client acme\n" in said
    assert said.count("erased earlier, and restored by this backup") == 2, (
        "the one before the backup is in it"
    )
    kept = entries(tmp_path)
    assert sorted(client for client, _ in kept) == ["acme", "globex"]
    assert all("brings back what was erased: erase " in target for _, target in kept)


def test_a_restore_without_an_erasure_since_says_nothing_of_it(store: Store, tmp_path: Path) -> None:
    store.close()
    assert "erased" not in restored(tmp_path)


def test_into_an_empty_place_it_says_that_it_does_not_know(store: Store, tmp_path: Path) -> None:
    store.close()
    (tmp_path / "here.db").unlink()
    assert "repeat the erasures of your receipts" in restored(tmp_path)
    assert entries(tmp_path) == []
