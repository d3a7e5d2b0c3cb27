"""Stores of every version that went out: upgraded without the loss of a figure, whatever happens meanwhile.

`tests/data/upgrades/store-NNNN.db.xz` were written by daemons of the version whose last migration was NNNN.
"""

import lzma
import os
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text
from typer.testing import CliRunner

from monitor.app import App
from monitor.cli.registry import app as command
from monitor.clock import ManualClock
from monitor.config.root import load
from monitor.errors import StoreError
from monitor.store import profiles, streams
from monitor.store.db import Store
from monitor.store.integrity import full_check
from monitor.store.migrate import is_current, migrate
from monitor.windows import baseline as baselines
from monitor.windows import codec

DATA = Path(__file__).parent.parent / "data"
FOUND = [*sorted((DATA / "upgrades").glob("store-*.db.xz")), DATA / "store-0004.db.xz"]
OLDEST = DATA / "upgrades" / "store-0001.db.xz"
CONFIG = """\
store: {{url: "sqlite:///{path}"}}
notify: {{console: false}}
web: {{listen: "127.0.0.1:0"}}
"""

Rows = dict[str, list[dict[str, Any]]]


def unpacked(packed: Path, folder: Path) -> Path:
    path = folder / "watchkeeper.db"
    path.write_bytes(lzma.decompress(packed.read_bytes()))
    return path


def rows_of(path: Path) -> Rows:
    """Everything in a database but the revision, by table."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        query = "select name from sqlite_master where type = 'table' and name not like 'sqlite%'"
        tables = [name for (name,) in connection.execute(query) if name != "alembic_version"]
        return {
            table: [dict(row) for row in connection.execute(f'select * from "{table}"')] for table in tables
        }


def check_kept(before: Rows, after: Rows) -> None:
    """Every row is there with every value that it had. New columns and tables may have come."""
    assert before.keys() <= after.keys()
    for table, rows in before.items():
        names = list(rows[0]) if rows else []
        old, new = (
            sorted(repr([row[name] for name in names]) for row in some) for some in (rows, after[table])
        )
        assert old == new, table


@pytest.mark.parametrize("packed", FOUND, ids=lambda path: path.name.split(".")[0])
def test_every_figure_of_every_version_is_kept_read_and_gone_on_with(packed: Path, tmp_path: Path) -> None:
    path = unpacked(packed, tmp_path)
    before = rows_of(path)
    assert before["profiles"]
    assert before["alerts"]
    config = tmp_path / "watchkeeper.yaml"
    base = min(row["seconds"] for row in before["profiles"])
    config.write_text(CONFIG.format(path=path) + f"predictions: {{base_window: {base}s}}\n")
    app = App(load(config), ManualClock(max(row["last_received"] for row in before["streams"]) + 5))
    check_kept(before, rows_of(path))
    assert is_current(app.store)
    assert list(full_check(app.store)) == []
    for _ in range(2):
        app.tick()
    app.baselines.update(app.clock.now())  # windows without a baseline may have had another layout
    assert app.store.faults.active() == []
    counted = {
        (row["stream"], row["start"]): row["rows"] for row in before["profiles"] if row["seconds"] == base
    }
    found = {}
    with app.store.read() as connection:
        for stream in streams.streams(connection):
            for stored in profiles.between(connection, stream, base, 0, 2e9):
                decoded = codec.decode(stored.blob, baselines.layout_by_id(connection, stored.layout))
                assert decoded.rows == stored.rows
                found[streams.find(connection, stream), stored.window.start] = stored.rows
    assert {key: found[key] for key in counted} == counted
    app.stop()


@pytest.mark.parametrize("packed", FOUND[:1], ids=["oldest"])
def test_a_backup_can_be_made_before_the_upgrade(packed: Path, tmp_path: Path) -> None:
    path = unpacked(packed, tmp_path)
    before = rows_of(path)
    config = tmp_path / "watchkeeper.yaml"
    config.write_text(CONFIG.format(path=path))
    made = _called(config, "backup", str(tmp_path / "before.backup"))
    assert made == 0
    assert rows_of(tmp_path / "before.backup") == before
    assert rows_of(path) == before


@pytest.mark.parametrize("at", [1, 7, 40, 90])
def test_a_migration_that_is_killed_leaves_the_old_database_and_runs_again(at: int, tmp_path: Path) -> None:
    path = unpacked(OLDEST, tmp_path)
    before = rows_of(path)

    def killed(store: Store) -> None:
        seen = 0

        def count(*_: object) -> None:
            nonlocal seen
            seen += 1
            if seen == at:
                os.kill(os.getpid(), signal.SIGKILL)

        event.listen(store.engine, "after_cursor_execute", count)
        migrate(store)

    assert _in_child(path, killed) == -signal.SIGKILL
    assert rows_of(path) == before
    store = Store(f"sqlite:///{path}")
    assert not is_current(store)
    migrate(store)
    store.close()
    check_kept(before, rows_of(path))


def test_a_full_disk_leaves_the_old_database_and_says_so(tmp_path: Path) -> None:
    path = unpacked(OLDEST, tmp_path)
    before = rows_of(path)
    store = Store(f"sqlite:///{path}")

    @event.listens_for(store.engine, "connect")
    def limit(connection: sqlite3.Connection, _: object) -> None:
        pages = connection.execute("pragma page_count").fetchone()[0]
        connection.execute(f"pragma max_page_count = {pages + 2}")

    with pytest.raises(StoreError, match="full"):
        migrate(store)
    store.close()
    assert rows_of(path) == before


def test_a_database_that_may_only_be_read_is_left_alone(tmp_path: Path) -> None:
    path = unpacked(OLDEST, tmp_path)
    before = rows_of(path)
    path.chmod(0o444)
    for folder in (tmp_path, *tmp_path.parents[:-2]):
        folder.chmod(0o755)
    tmp_path.chmod(0o555)
    said = tmp_path.parent / "said"
    said.touch(mode=0o666)
    said.chmod(0o666)

    def as_nobody(store: Store) -> None:
        if os.getuid() == 0:
            os.setuid(65_534)
        try:
            migrate(store)
        except StoreError as error:
            said.write_text(error.message)

    assert _in_child(path, as_nobody) == 0
    tmp_path.chmod(0o755)
    assert "readonly" in said.read_text().replace("-", "")
    assert rows_of(path) == before


READING = (("status",), ("alerts",), ("quarantine",), ("audit", "verify"))
CHANGING = (
    ("erase", "--client", "acme", "--id", "4", "--yes"),
    ("silence", "add", 'model="fraud"', "--for", "1h", "--comment", "x"),
    ("key", "revoke", "1234"),
    ("prompts", "remove", "acme/fraud", "--version", "7"),
)


@pytest.mark.parametrize(
    "words", [*READING, *CHANGING, ("backup", "copy"), ("key", "create", "staff"), ("run",)], ids=" ".join
)
def test_nothing_is_done_with_a_database_of_a_newer_version(words: tuple[str, ...], newer: Path) -> None:
    before = newer.with_name("watchkeeper.db").read_bytes()
    with pytest.raises(StoreError, match="at revision 9999, which this version does not know") as told:
        _called(newer, *words)
    assert "run the version that wrote it" in (told.value.hint or "")
    assert newer.with_name("watchkeeper.db").read_bytes() == before


@pytest.mark.parametrize("words", CHANGING, ids=" ".join)
def test_nothing_is_changed_in_a_database_of_an_earlier_version(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    path = unpacked(OLDEST, tmp_path)
    before = rows_of(path)
    config = tmp_path / "watchkeeper.yaml"
    config.write_text(CONFIG.format(path=path))
    done = CliRunner().invoke(command, [*words, "--config", str(config)])
    assert isinstance(done.exception, StoreError), done.output
    assert "the database is of an earlier version: start the daemon of this version" in done.stderr
    assert rows_of(path) == before


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("newer")
    path = unpacked(OLDEST, folder)
    store = Store(f"sqlite:///{path}")
    migrate(store)
    with store.write() as connection:
        connection.execute(text("update alembic_version set version_num = '9999'"))
    store.close()
    (folder / "watchkeeper.yaml").write_text(CONFIG.format(path=path))
    return folder / "watchkeeper.yaml"


def _called(config: Path, *words: str) -> int:
    done = CliRunner().invoke(command, [*words, "--config", str(config)], catch_exceptions=False)
    assert done.exit_code != 2, done.output
    return done.exit_code


def _in_child(path: Path, work: Callable[[Store], None]) -> int:
    """The exit code of a copy of this process that works on the store; negative: the signal that ended it."""
    pid = os.fork()
    if pid == 0:
        try:
            work(Store(f"sqlite:///{path}"))
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
