"""The audit log is a chain for each client: whatever is changed, removed or inserted is named."""

import hashlib
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.store import audit, audit_checkpoints
from monitor.store.audit import AuditEntry, Checkpoint
from monitor.store.audit_check import ChainCheck, verify
from monitor.store.audit_checkpoints import Signer
from monitor.store.db import Store
from tests.support import schema
from tests.support.postgresql import postgresql
from tests.support.thorough import SHARED_FIXTURES

SIGNER = Signer("a" * 64)
DAY = 86_400.0


def made(path: Path) -> Store:
    store = Store(f"sqlite:///{path}")
    schema.create(store)
    return store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with_tables = made(tmp_path / "a.db")
    yield with_tables
    with_tables.close()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    if request.param == "sqlite":
        yield made(tmp_path_factory.mktemp("audit") / "a.db")
        return
    with postgresql() as server:
        with_tables = Store(server.url)
        schema.create(with_tables)
        yield with_tables
        with_tables.close()


def entry(number: int, client: str = "acme", **changes: Any) -> AuditEntry:
    return replace(
        AuditEntry(number * DAY + 0.123456, "ada", "::1", "read", client, f"/{number}", 200), **changes
    )


def write(store: Store, *entries: AuditEntry) -> None:
    with store.write() as connection:
        audit.add(connection, entries)


def verdicts(store: Store, *outside: Checkpoint, signer: Signer = SIGNER) -> dict[str, ChainCheck]:
    with store.read() as connection:
        return {one.client: one for one in verify(connection, signer, outside)}


def sql(store: Store, statement: str, *values: Any) -> None:
    with store.write() as connection:
        connection.exec_driver_sql(statement, tuple(values))


def signed(store: Store, now: float = 100 * DAY) -> list[Checkpoint]:
    with store.write() as connection:
        return audit_checkpoints.make(connection, SIGNER, now)


def test_a_chain_is_what_its_description_says(store: Store) -> None:
    """By hand: SHA-256 over the hash before, a version, a length and canonical JSON."""
    write(store, entry(1), entry(2, who="ä\u2028"))
    before = bytes(32)
    for sequence, at, who in ((1, 86_400_123_456, "ada"), (2, 172_800_123_456, "ä\u2028")):
        content = [sequence, at, who, "::1", "read", "acme", f"/{sequence}", 200, 1]
        raw = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
        before = hashlib.sha256(before + b"1" + len(raw).to_bytes(8, "big") + raw).digest()
    with store.read() as connection:
        assert audit.end(connection, "acme") == (2, before)


def test_writers_take_turns_and_the_chain_never_forks(shared: Store) -> None:
    def some(writer: int) -> None:
        for number in range(6):
            write(shared, *(entry(number, client, who=f"w{writer}") for client in ("turns", "", "other")))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(some, range(4)))
    found = verdicts(shared)
    assert {name: (found[name].entries, found[name].problem) for name in ("turns", "", "other")} == {
        "turns": (24, ""), "": (24, ""), "other": (24, ""),
    }  # fmt: skip


def test_what_a_database_changes_in_texts_and_times_does_not_break_the_chain(shared: Store) -> None:
    odd = "nul \x00, lone \ud800, rtl \u202e, quote ' \" \\, line \u2028\r\n"
    write(
        shared,
        entry(1, "odd", target=odd, who="x" * 10_000),
        entry(2, "odd", at=1_795_046_400.987654321, outcome=2**70, times=-3),
        entry(3, "odd", at=float("nan")),
        entry(4, "odd", at=1e300, address="y" * 999),
    )
    found = verdicts(shared)["odd"]
    assert (found.entries, found.problem) == (4, "")


TAMPERED = {
    "who": ("UPDATE audit SET who = 'eve' WHERE sequence = 3", "entry 3 .* was changed or inserted"),
    "at": ("UPDATE audit SET at = at + 0.000001 WHERE sequence = 2", "entry 2 .* was changed or inserted"),
    "times": ("UPDATE audit SET times = 7 WHERE sequence = 1", "entry 1 .* was changed or inserted"),
    "hash": ("UPDATE audit SET hash = zeroblob(32) WHERE sequence = 4", "entry 4 .* was changed or inserted"),
    "type": ("UPDATE audit SET outcome = 'fine' WHERE sequence = 2", "entry 2 was changed: 'fine' is not"),
    "other chain": ("UPDATE audit SET client = 'globex' WHERE sequence = 4", "entry 4 was removed"),
    "removed": ("DELETE FROM audit WHERE sequence = 3", "entry 3 was removed"),
    "removed first": ("DELETE FROM audit WHERE sequence <= 2", "the entries before entry 3 were removed"),
    "removed last": ("DELETE FROM audit WHERE sequence >= 5", "entry 5 was removed: the checkpoint of"),
    "removed all": ("DELETE FROM audit", "entry 1 was removed: the checkpoint of"),
    "inserted": (
        "INSERT INTO audit (at, who, address, action, client, target, outcome, times)"
        " SELECT at, 'eve', address, action, client, target, outcome, times FROM audit WHERE sequence = 2",
        "row 8 was inserted",
    ),
    "appended": (
        "INSERT INTO audit (at, who, address, action, client, target, outcome, times, sequence, hash)"
        " SELECT at, 'eve', address, action, client, target, outcome, times, 7, hash FROM audit WHERE sequence = 6",
        "entry 7 .* was changed or inserted",
    ),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_the_first_row_that_was_changed_is_named(store: Store, name: str) -> None:
    statement, told = TAMPERED[name]
    write(store, *(entry(number) for number in range(1, 7)))
    write(store, entry(1, "other"))
    outside = signed(store)
    assert not any(one.problem for one in verdicts(store, *outside).values())
    if name == "removed all":
        sql(store, "DELETE FROM audit_checkpoints")
    sql(
        store,
        statement + (" AND client = 'acme'" if "INSERT" not in statement and "WHERE" in statement else ""),
    )
    found = verdicts(store, *outside)
    assert found["acme"].problem
    assert re.search(told, found["acme"].problem)
    assert name == "removed all" or not found["other"].problem


def test_a_chain_that_was_computed_anew_contradicts_a_checkpoint_outside(
    store: Store, tmp_path: Path
) -> None:
    write(store, *(entry(number) for number in range(1, 7)))
    outside = [audit_checkpoints.read_line(audit_checkpoints.line(one)) for one in signed(store)]
    sql(store, "DELETE FROM audit")
    sql(store, "DELETE FROM audit_checkpoints")
    write(store, *(entry(number, who="eve" if number == 2 else "ada") for number in range(1, 7)))
    assert not verdicts(store)["acme"].problem, "inside the database, nothing is wrong with it"
    assert "an entry up to 6 was changed after the checkpoint" in verdicts(store, *outside)["acme"].problem
    forged = Checkpoint("acme", 6, audit_end(store), 1.0, SIGNER.key, b"x" * 32)
    assert "is forged" in verdicts(store, forged)["acme"].problem
    assert verdicts(store)["acme"].signed_until == 0


def audit_end(store: Store) -> bytes:
    with store.read() as connection:
        return audit.end(connection, "acme")[1]


def test_what_another_key_has_signed_is_told_and_a_restored_backup_is_older(store: Store) -> None:
    write(store, entry(1), entry(2))
    with store.write() as connection:
        [signed] = audit_checkpoints.make(connection, Signer("b" * 64), 9 * DAY)
    with store.read() as connection:
        [verdict] = verify(connection, SIGNER)
        assert (verdict.problem, verdict.signed_until, verdict.foreign_until) == ("", 0, 2)
        ahead = replace(signed, sequence=5)
        [older] = verify(connection, SIGNER, [ahead])
    assert older.problem.startswith("entry 3 was removed: the checkpoint of")
    write(
        store, entry(3), entry(4), entry(5), entry(6)
    )  # what was entered after the restore is another entry 5
    with store.read() as connection:
        assert "changed after the checkpoint" in verify(connection, SIGNER, [ahead])[0].problem


def test_retention_deletes_up_to_a_signed_anchor(store: Store) -> None:
    write(store, *(entry(number) for number in range(1, 11)), entry(2, "gone"))
    outside = signed(store, 10 * DAY)
    with store.write() as connection:
        assert audit_checkpoints.delete_before(connection, 5 * DAY, SIGNER, 11 * DAY) == 5
    found = verdicts(store, *outside)
    assert (found["acme"].entries, found["acme"].problem) == (6, "")
    assert (found["gone"].entries, found["gone"].problem) == (0, "")
    write(store, entry(12), entry(12, "gone"))  # the numbers go on
    found = verdicts(store, *outside)
    assert [(one.entries, one.problem) for one in found.values()] == [(7, ""), (1, "")]
    sql(store, "DELETE FROM audit WHERE sequence = 5")
    assert verdicts(store)["acme"].problem == "the entries before entry 6 were removed"


def test_entries_from_before_the_chains_stay_and_age(store: Store) -> None:
    sql(
        store,
        "INSERT INTO audit (at, who, address, action, client, target, outcome, times)"
        " VALUES (1.0, 'ada', '', 'read', 'acme', '/', 200, 1)",
    )
    write(store, entry(3))
    found = verdicts(store)["acme"]
    assert (found.entries, found.problem) == (1, "")
    with store.write() as connection:
        assert audit_checkpoints.delete_before(connection, DAY, SIGNER, DAY) == 1
    with store.read() as connection:
        assert [one.target for one in audit.latest(connection)] == ["/3"]


def test_a_change_whose_entry_cannot_be_written_is_not_made(store: Store) -> None:
    def change() -> None:
        with store.write() as connection:
            connection.exec_driver_sql("INSERT INTO leases VALUES ('a', 'b', 1, 1.0)")
            audit.add(connection, [entry(1)])

    sql(store, "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END")
    with pytest.raises(Exception, match="no"):
        change()
    with store.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM leases").scalar() == 0


@settings(max_examples=12, deadline=None, suppress_health_check=SHARED_FIXTURES)
@given(data=st.data())
def test_law_any_change_of_any_column_of_any_row_is_found(store: Store, data: st.DataObject) -> None:
    sql(store, "DELETE FROM audit")
    write(store, *(entry(number) for number in range(1, 6)))
    names = [
        column.name for column in audit.entries.columns if column.name not in ("id", "client", "sequence")
    ]
    column, row = data.draw(st.sampled_from(names)), data.draw(st.integers(1, 5))
    value = data.draw(
        st.one_of(st.integers(0, 99), st.text(min_size=1, max_size=5), st.binary(min_size=1, max_size=5))
    )
    sql(store, f"UPDATE audit SET {column} = ? WHERE sequence = ?", value, row)
    with store.read() as connection:
        now = connection.exec_driver_sql(f"SELECT {column} FROM audit WHERE sequence = {row}").scalar()
    same = {"who": "ada", "address": "::1", "action": "read", "outcome": 200, "times": 1, "target": f"/{row}"}
    assert bool(verdicts(store)["acme"].problem) == (now != same.get(column, object()))
