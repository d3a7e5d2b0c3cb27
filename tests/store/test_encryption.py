"""An encrypted store: stolen files say nothing, a wrong key is named, and a conversion survives a kill at each step."""

import lzma
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monitor.clock import ManualClock
from monitor.errors import InputError, StoreError
from monitor.predictions.intake.parse import RecordKind
from monitor.predictions.log.writer import PredictionLog
from monitor.predictions.settings import PredictionSettings
from monitor.store import backup, encryption
from monitor.store.db import Store
from monitor.store.encryption import convert
from monitor.store.erasing import empty_log
from monitor.store.integrity import full_check, quick_check
from monitor.store.migrate import migrate
from monitor.store.restore import restore
from tests.store.test_backup import LEFT, every_row
from tests.support import schema
from tests.support.log import NOW, send
from tests.support.thorough import THOROUGH

KEY, OTHER = "a1" * 32, "B2" * 32


def opened(path: Path, key: str = "") -> Store:
    return Store(f"sqlite:///{path}", key=key)


def rows_of(path: Path, key: str = "") -> Any:
    store = opened(path, key)
    try:
        return every_row(store)
    finally:
        store.close()


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("full") / "watchkeeper.db"
    path.write_bytes(lzma.decompress(LEFT.read_bytes()))
    store = opened(path)
    migrate(store)
    store.close()
    return path


@pytest.fixture
def here(full: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(full, tmp_path / "a.db"))


def test_no_text_of_a_client_is_in_the_bytes_of_an_encrypted_store(tmp_path: Path) -> None:
    found = {}
    for name, key in (("plain", ""), ("encrypted", KEY)):
        store = opened(tmp_path / name, key)
        schema.create(store)
        log = PredictionLog(store, PredictionSettings(), ManualClock(NOW))
        log.start()
        person = {
            "id": "person-4711",
            "client": "secretive",
            "model": "m",
            "timestamp": NOW,
            "features": {"n": "ADA LOVELACE"},
        }
        send(log, RecordKind.PREDICTIONS, [person | {"prediction": "ok"}, {**person, "timestamp": "no"}])
        files = b"".join(path.read_bytes() for path in tmp_path.glob(f"{name}*"))
        found[name] = {
            text for text in (b"secretive", b"person-4711", b"ADA LOVELACE", b"CREATE TABLE") if text in files
        }
        assert len(files) > 100_000
        log.stop()
        store.close()
    assert found["encrypted"] == set()
    assert found["plain"] >= {b"secretive", b"CREATE TABLE"}


def test_an_encrypted_store_is_as_large_as_its_file(tmp_path: Path) -> None:
    store = opened(tmp_path / "a.db", KEY)
    schema.create(store)
    assert empty_log(store)
    with store.read() as connection:
        assert store.size(connection) == (tmp_path / "a.db").stat().st_size
    store.close()


def test_a_wrong_key_a_missing_key_and_a_plain_file_are_named(here: Path) -> None:
    def message(key: str) -> str:
        with pytest.raises(StoreError) as caught, opened(here, key).read():
            pass
        return f"{caught.value.message} {caught.value.hint}"

    assert "is not encrypted, but store.key is set" in message(KEY)
    assert convert(here, "", KEY)
    assert f"store.key is not the key of the database {here}" in message(OTHER)
    assert "set `store.key`" in message("")
    with pytest.raises(StoreError, match="is not the key of the database"):
        convert(here, OTHER, "")


def test_encrypting_changing_the_key_and_decrypting_keep_every_row(here: Path) -> None:
    before = rows_of(here)
    steps = (("", KEY), (KEY, OTHER), (OTHER, ""))
    for old, new in steps:
        assert convert(here, old, new) is True
        assert convert(here, old, new) is False, "done already"
        assert rows_of(here, new) == before
        store = opened(here, new)
        assert list(full_check(store)) == []
        store.close()
        assert [path.name for path in here.parent.iterdir()] == ["a.db"]


def test_nobody_else_may_have_it_open(here: Path) -> None:
    daemon = opened(here)
    with daemon.read():
        pass
    with pytest.raises(StoreError, match="another process uses"):
        convert(here, "", KEY)
    daemon.close()
    assert convert(here, "", KEY)


STEPS = ("ensure_alone", "count_rows", "sqlcipher.export", "ensure_sound", "sync")


def killed_at(step: int, run: Callable[[], object]) -> int:
    """The signal that ended a child that is killed before (even) or after (odd) the n-th call of its steps."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    left = [step]

    def mortal(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            for moment in range(2):
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left[0] -= 1
                if moment == 0:
                    answer = real(*arguments, **named)
            return answer

        return call

    for name in STEPS:
        holder: Any = encryption.sqlcipher if "." in name else encryption
        setattr(holder, name.rpartition(".")[2], mortal(getattr(holder, name.rpartition(".")[2])))
    Path.replace = mortal(Path.replace)  # type: ignore[method-assign]
    run()
    os._exit(0)


def test_a_kill_at_any_step_leaves_a_whole_database_and_the_next_run_finishes(tmp_path: Path) -> None:
    small = opened(tmp_path / "small.db")
    schema.create(small)
    with small.write() as connection:
        connection.exec_driver_sql("INSERT INTO leases VALUES ('a', 'b', 1, 1.0)")
    small.close()
    before, ended = leases(tmp_path / "small.db"), []
    for step in range(0, 99, 1 if THOROUGH else 3):
        path = Path(shutil.copy(tmp_path / "small.db", tmp_path / f"{step}.db"))
        status = killed_at(step, lambda: convert(path, "", KEY))  # noqa: B023 - called at once
        assert status in (0, signal.SIGKILL)
        ended.append(plain := encryption.is_plain(path))
        assert leases(path, "" if plain else KEY) == before
        assert convert(path, "", KEY) is plain
        assert leases(path, KEY) == before
        assert not list(tmp_path.glob("*converting*"))
        if status == 0:
            break
    assert ended[0] is True
    assert ended[-1] is False


def leases(path: Path, key: str = "") -> Any:
    store = opened(path, key)
    with store.read() as connection:
        found = connection.exec_driver_sql("SELECT * FROM leases").all()
    store.close()
    return found


def test_backups_have_the_key_of_the_store_and_plain_ones_can_be_restored_into_it(
    here: Path, tmp_path: Path
) -> None:
    before = rows_of(here)
    plain = opened(here)
    backup.write(plain, tmp_path / "plain backup")
    plain.close()
    convert(here, "", KEY)
    store = opened(here, KEY)
    backup.write(store, tmp_path / "backup")
    store.close()
    assert not encryption.is_plain(tmp_path / "backup")
    with pytest.raises(StoreError, match="not the key"):
        restore(tmp_path / "backup", opened(tmp_path / "b.db", OTHER), replaces=False)
    for name in ("plain backup", "backup"):
        restore(tmp_path / name, opened(tmp_path / f"from {name}", KEY), replaces=False)
        assert rows_of(tmp_path / f"from {name}", KEY) == before
    assert b"acme" not in (tmp_path / "from plain backup").read_bytes()


def test_a_page_that_was_changed_is_found(here: Path) -> None:
    convert(here, "", KEY)
    with here.open("r+b") as file:
        file.seek(8192 + 100)
        file.write(b"\0\0\0\0")
    store = opened(here, KEY)
    assert any("page 3" in line or "HMAC" in line for line in full_check(store))
    store.close()


def test_a_path_that_cannot_be_part_of_a_url_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        backup.file_store(tmp_path / "a?b")
    assert quick_check(opened(tmp_path / "new", KEY), 1.0) == []
