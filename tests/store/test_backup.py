"""A backup is made while daemons write, and what is restored is what was there: every row of every table."""

import lzma
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from monitor.errors import InputError, StoreError
from monitor.records import Stream
from monitor.store import api_keys, audit, backup, streams
from monitor.store.api_keys import KeyKind
from monitor.store.audit import AuditEntry
from monitor.store.db import Store
from monitor.store.migrate import migrate
from monitor.store.restore import restore
from monitor.store.tables import metadata
from tests.support.postgresql import Server, postgresql

LEFT = sorted(Path("tests/data").glob("store-*.db.xz"))[-1]


def every_row(store: Store) -> dict[str, list[Any]]:
    with store.read() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in metadata.sorted_tables
        }


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with all that a daemon leaves behind, of this version."""
    path = tmp_path_factory.mktemp("full") / "watchkeeper.db"
    path.write_bytes(lzma.decompress(LEFT.read_bytes()))
    store = Store(f"sqlite:///{path}")
    migrate(store)
    store.close()
    return path


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgresql() as running:
        yield running


@pytest.fixture
def store(full: Path, tmp_path: Path) -> Iterator[Store]:
    shutil.copy(full, tmp_path / "here.db")
    here = Store(f"sqlite:///{tmp_path}/here.db")
    yield here
    here.close()


def test_from_a_file_into_a_file(store: Store, tmp_path: Path) -> None:
    before = every_row(store)
    assert sum(map(len, before.values())) > 500
    made = backup.write(store, tmp_path / "backup")
    assert made.rows == sum(map(len, before.values()))
    with store.write() as connection:
        connection.execute(metadata.tables["measurements"].delete())
    with pytest.raises(StoreError, match="another process uses"):
        restore(tmp_path / "backup", Store(f"sqlite:///{tmp_path}/here.db"), replaces=True)
    store.close()
    fresh = Store(f"sqlite:///{tmp_path}/here.db")
    with pytest.raises(InputError, match="already has data"):
        restore(tmp_path / "backup", fresh, replaces=False)
    counts = restore(tmp_path / "backup", fresh, replaces=True)
    assert counts == {name: len(rows) for name, rows in before.items()}
    restored = Store(f"sqlite:///{tmp_path}/here.db")
    assert every_row(restored) == before
    restored.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "here.db"]


def test_from_a_file_to_postgresql_and_back(store: Store, server: Server, tmp_path: Path) -> None:
    before = every_row(store)
    backup.write(store, tmp_path / "backup")
    target = Store(server.url)
    restore(tmp_path / "backup", target, replaces=False)
    assert every_row(target) == before
    with target.write() as connection:  # numbers go on where they were
        streams.key(connection, Stream("other", "fraud"), 1.0)
        audit.add(connection, [AuditEntry(1.0, "ada", "", "read", "acme", "/", 200)])
    backup.write(target, tmp_path / "second")
    after = every_row(target)
    target.close()
    restore(tmp_path / "second", Store(f"sqlite:///{tmp_path}/third.db"), replaces=False)
    again = Store(f"sqlite:///{tmp_path}/third.db")
    assert every_row(again) == after
    again.close()
    with pytest.raises(InputError, match="already has data"):
        restore(tmp_path / "second", Store(server.url), replaces=False)
    holding = Store(server.url)
    with holding.read(), pytest.raises(StoreError, match="1 other connection"):
        restore(tmp_path / "second", Store(server.url), replaces=True)
    holding.close()


def test_a_backup_is_one_moment_while_others_write(store: Store, tmp_path: Path) -> None:
    """What is committed before is in it, what is open is not, and nobody waits."""
    with store.write() as connection:
        api_keys.create(connection, KeyKind.INGEST, "acme", 1.0, name="before")
        with pytest.raises(InputError):
            backup.write(store, tmp_path / "here.db")
    with store.write() as connection:
        api_keys.create(connection, KeyKind.INGEST, "acme", 1.0, name="open")
        backup.write(Store(f"sqlite:///{tmp_path}/here.db"), tmp_path / "backup")
    made = Store(f"sqlite:///{tmp_path}/backup")
    with made.read() as connection:
        names = {key.name for key in api_keys.keys(connection)}
    assert "before" in names
    assert "open" not in names
    made.close()


@pytest.mark.parametrize("content", [b"", b"no database" * 999, b"SQLite format 3\0" + b"\xff" * 9000])
def test_what_is_no_backup_is_refused_and_changes_nothing(
    store: Store, tmp_path: Path, content: bytes
) -> None:
    before = every_row(store)
    store.close()
    (tmp_path / "bad").write_bytes(content)
    with pytest.raises((InputError, StoreError)):
        restore(tmp_path / "bad", Store(store.url.render_as_string()), replaces=True)
    assert every_row(store) == before


def test_a_damaged_backup_is_refused(store: Store, tmp_path: Path) -> None:
    made = backup.write(store, tmp_path / "backup")
    with made.path.open("r+b") as file:
        for at in range(8192, made.size, 8192):
            file.seek(at)
            file.write(b"\xaa" * 64)
    with pytest.raises(StoreError, match="damaged"):
        restore(made.path, Store(f"sqlite:///{tmp_path}/new.db"), replaces=False)
    assert not (tmp_path / "new.db").exists()


def test_a_row_that_the_other_database_cannot_hold_is_skipped_and_told(
    store: Store, server: Server, tmp_path: Path
) -> None:
    with store.write() as connection:  # SQLite stores anything in any column
        connection.exec_driver_sql("UPDATE streams SET rows = 'many' WHERE id = 1")
        connection.execute(
            insert(metadata.tables["leases"]), [{"name": "x", "holder": "y", "token": 1, "expires_at": 1.0}]
        )
    backup.write(store, tmp_path / "backup")
    target = Store(server.url)
    restore(tmp_path / "backup", target, replaces=True)
    assert [fault.part for fault in target.faults.active()] == ["streams"]
    assert len(every_row(target)["leases"]) == len(every_row(store)["leases"])
    target.close()
