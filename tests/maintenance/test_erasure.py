"""Erasing persons and clients: afterwards, no byte of any file says who they were. What stays are counts."""

import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from monitor.maintenance.erasure import ErasureSubject, erase_client, erase_records, pseudonym
from monitor.predictions.intake.parse import RecordKind
from monitor.predictions.log.export import batches_with_outcomes
from monitor.records import Silence, Stream
from monitor.store import audit, backup, baselines, predictions, silences, sqlcipher, streams, texts
from monitor.store.baselines import StoredBaseline
from monitor.store.db import Store
from monitor.store.migrate import migrate
from monitor.store.restore import restore
from monitor.store.tables import metadata
from monitor.store.texts import StoredTexts
from tests.support.joining import join
from tests.support.log import NOW, STREAM, running, send
from tests.support.postgresql import postgresql

LEFT = sorted(Path("tests/data").glob("store-*.db.xz"))[-1]
KEY = "ab" * 32
PERSON, HOSTILE = "person-4711", "o'\"\\\r\u2028\u202e%_\ud7ff" + "x" * 200
SECRETS = (b"person-4711", b"ADA LOVELACE", b"her words")


def row(identity: str, **more: Any) -> dict[str, Any]:
    return {
        "id": identity, "client": "acme", "model": "fraud", "timestamp": NOW - 30, "prediction": "ok",
        "features": {"amount": 1.0, "name": "BOB"}, "segments": {"customer": "c1"}, **more,
    }  # fmt: skip


def hers(identity: str = PERSON) -> dict[str, Any]:
    return row(identity, features={"amount": 5.0, "name": "ADA LOVELACE"}, segments={"customer": "her words"})


def truth(identity: str) -> dict[str, Any]:
    return {"client": "acme", "model": "fraud", "id": identity, "truth": "ok"}


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def found(folder: Path, needles: tuple[bytes, ...] = SECRETS) -> set[bytes]:
    everything = b"\n".join(bytes_of(folder).values())
    return {needle for needle in needles if needle in everything}


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Store]:
    """Her records among those of others: in the log, with outcomes, waiting, rejected, as text, in a sample."""
    with running(tmp_path) as (log, store):
        send(log, RecordKind.PREDICTIONS, [row("a"), hers(), row("b"), hers(HOSTILE)])
        send(log, RecordKind.PREDICTIONS, [hers("person-4711b")])
        send(
            log,
            RecordKind.OUTCOMES,
            [{"client": "acme", "model": "fraud", "id": i, "truth": "ok"} for i in ("b", PERSON)],
        )
        with store.write() as connection:
            join(connection, STREAM, NOW)
        send(
            log,
            RecordKind.OUTCOMES,
            [{"client": "acme", "model": "fraud", "id": i, "truth": "no"} for i in (f"{PERSON}-late", "z")],
        )
        send(log, RecordKind.PREDICTIONS, [{**hers(), "timestamp": "yesterday"}])
        with store.write() as connection:
            sample = predictions.some(
                connection, STREAM, predictions.numbers(connection, STREAM, 0, 1e11)[:1]
            )
            blob = next(iter(sample)).blob
            new = StoredBaseline(STREAM, "baseline", NOW, "a file", None, None, "x", "y", b"", b"", blob)
            baselines.put(connection, new, NOW)
            texts.put(connection, [StoredTexts(STREAM, b"d" * 16, NOW, NOW, 4, blob)])
        yield store


def everything(store: Store) -> list[dict[str, Any]]:
    return [one for batch in batches_with_outcomes(store, STREAM, 0, 1e11) for one in batch.to_pylist()]


def test_no_byte_of_any_file_says_who_she_was_and_the_others_are_as_before(
    filled: Store, tmp_path: Path
) -> None:
    before = {one["id"]: one for one in everything(filled)}
    with filled.read() as connection:
        figures = streams.figures_of_all(connection)
    assert found(tmp_path) == set(SECRETS)
    ids = frozenset((PERSON, f"{PERSON}b", f"{PERSON}-late", HOSTILE))
    receipt = erase_records(filled, "acme", ErasureSubject(ids), NOW, "ada", "here", "k" * 64)
    assert receipt.removed == {
        "baselines": 2, "known_outcomes": 1, "outcome_batches": 1, "prediction_batches": 3, "quarantine": 1, "texts": 2,
    }  # fmt: skip
    assert receipt.subjects[0] == pseudonym("k" * 64, min(ids))
    assert {one["id"]: one for one in everything(filled)} == {name: before[name] for name in ("a", "b")}
    with filled.read() as connection:
        assert streams.figures_of_all(connection) == figures
        [entry, *_] = audit.latest(connection, "acme")
        assert entry.action == "erase"
    assert not found(tmp_path), "while the daemon runs"
    filled.close()
    assert not found(tmp_path)


def test_records_with_a_value_are_erased(filled: Store, tmp_path: Path) -> None:
    receipt = erase_records(
        filled, "acme", ErasureSubject(column="customer", value="her words"), NOW, "ada", "here"
    )
    assert receipt.removed["prediction_batches"] == 3
    assert {one["id"] for one in everything(filled)} == {"a", "b"}
    assert found(tmp_path, (b"her words", b"ADA LOVELACE")) == set()


def test_erasing_twice_finds_nothing_more_and_other_clients_keep_theirs(filled: Store) -> None:
    assert erase_records(filled, "globex", ErasureSubject(frozenset((PERSON,))), NOW, "ada", "").removed == {}
    ids = frozenset((PERSON,))
    assert (
        erase_records(filled, "acme", ErasureSubject(ids), NOW, "ada", "").removed["prediction_batches"] == 1
    )
    assert erase_records(filled, "acme", ErasureSubject(ids), NOW, "ada", "").removed == {}


def test_a_damaged_batch_is_told_and_stops_no_other(filled: Store) -> None:
    with filled.write() as connection:
        first = predictions.numbers(connection, STREAM, 0, 1e11)[0]
        connection.exec_driver_sql("UPDATE prediction_batches SET blob = x'00' WHERE id = ?", (first,))
    receipt = erase_records(filled, "acme", ErasureSubject(frozenset((PERSON, f"{PERSON}b"))), NOW, "ada", "")
    assert receipt.unreadable == 1
    assert receipt.removed["prediction_batches"] == 1


@pytest.mark.parametrize("kind", ["sqlite", "encrypted", "postgresql"])
def test_nothing_of_a_client_is_left_but_the_audit_log(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(lzma.decompress(LEFT.read_bytes()))
    store = Store(f"sqlite:///{path}")
    migrate(store)
    silence = Silence("s1", ('client="acme"', 'model="fraud"'), 1.0, 2.0, "ada", "night")
    with store.write() as connection:
        silences.add(connection, silence)
        clients = {stream.client for stream in streams.streams(connection)}
        streams.key(connection, Stream("globex", "churn"), NOW)
    assert clients == {"acme", "globex"}
    assert found(tmp_path, (b"acme/",))
    if kind == "sqlite":
        _erased(store)
        assert found(tmp_path, (b"acme/",)) == set()
        return
    if kind == "encrypted":
        store.close()
        sqlcipher.export(path, tmp_path / "locked.db", "", KEY)
        path.unlink()
        locked = Store(f"sqlite:///{tmp_path}/locked.db", key=KEY)
        _erased(locked)
        with locked.read() as connection:
            assert connection.exec_driver_sql("PRAGMA freelist_count").scalar() == 0
        locked.close()
        sqlcipher.export(tmp_path / "locked.db", tmp_path / "opened.db", KEY, "")
        assert found(tmp_path, (b"globex/",)), "it is readable now"
        assert found(tmp_path, (b"acme/",)) == set()
        return
    backup.write(store, tmp_path / "copy")
    with postgresql() as server:
        restore(tmp_path / "copy", Store(server.url), replaces=False)
        other = Store(server.url)
        _erased(other)
        other.close()


def _erased(store: Store) -> None:
    receipt = erase_client(store, "acme", NOW, "ada", "here")
    assert sum(receipt.removed.values()) > 200
    with store.read() as connection:
        left = {table.name: str(connection.execute(select(table)).all()) for table in metadata.sorted_tables}
    assert [name for name, content in left.items() if "acme" in content] == ["audit"]
    assert "globex" in left["streams"]
