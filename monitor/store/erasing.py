"""Deletes what belongs to one client, by the list in `monitor.store.client_data`, and overwrites what was deleted."""

import contextlib
import re
import zlib
from collections.abc import Callable, Sequence
from contextlib import closing

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, Table, and_, delete, or_, select, union

from monitor.errors import DamageError, StoreError
from monitor.store.checksums import unseal
from monitor.store.client_data import PLACES, Owner
from monitor.store.db import Store
from monitor.store.sqlite import BUSY_SECONDS
from monitor.store.tables import metadata

STAYS = frozenset(("audit", "audit_checkpoints"))
"""Tables whose rows of a client stay until their age: the evidence of who read and changed what."""
_LAST = frozenset(("layouts", "measurement_shapes", "streams"))
"""Tables that others refer to."""
_AT_ONCE = 200
_FILL = 1 << 20
"""Bytes with which free pages are overwritten in one transaction."""
MOST_REWRITTEN = 64 << 20
"""Bytes of a database that is written anew while daemons use it: seconds in which they wait."""
_SPACE = "it needs as much free space as the database has, beside it and for temporary files"
_CONTENT = {
    "diagnoses": "diagnosis", "faults": "subject", "half_calls": "content", "incidents": "incident",
    "outbox": "body", "quarantine": "record", "silences": "matchers", "waiting_calls": "content",
    "waiting_runs": "content",
}  # fmt: skip
"""The column that is searched, by table."""
_ESCAPED = re.compile(rb"(?:\\u[0-9a-fA-F]{4})+")


def of_client(connection: Connection, client: str, sources: Sequence[str] = ()) -> dict[str, int]:
    """Delete all rows of a client but those that stay; the number of rows by table, of tables that had some. `sources`
    are the names of those that read for this client alone: halves of their calls do not name it.
    """
    halves = metadata.tables["half_calls"]
    own_halves = connection.execute(delete(halves).where(halves.c.source.in_(sources))).rowcount
    counts = {}
    for owner in (Owner.DELIVERY, Owner.BATCH, Owner.FINGERPRINT, Owner.CONTENT, Owner.STREAM, Owner.CLIENT):
        for place in PLACES:
            if place.owner is owner and place.table not in STAYS | _LAST:
                counts[place.table] = _delete(connection, metadata.tables[place.table], owner, client)
    counts["half_calls"] += own_halves
    for name, where in _unused(client).items():
        counts[name] = connection.execute(delete(metadata.tables[name]).where(where)).rowcount
    return {name: count for name, count in sorted(counts.items()) if count > 0}


def _delete(connection: Connection, table: Table, owner: Owner, client: str) -> int:
    if owner is Owner.CONTENT:
        is_database_fault = holding([f"{client}/"]) if table.name == "faults" else _is_of(client)
        return delete_holding(connection, table.name, is_database_fault)
    if owner is Owner.DELIVERY:
        numbers = [key[0] for key in _matching(connection, metadata.tables["outbox"], _is_of(client))]
        return sum(
            connection.execute(
                delete(table).where(table.c.delivery.in_(numbers[at : at + _AT_ONCE]))
            ).rowcount
            for at in range(0, len(numbers), _AT_ONCE)
        )
    return connection.execute(delete(table).where(_belongs(table, owner, client))).rowcount


def _belongs(table: Table, owner: Owner, client: str) -> ColumnElement[bool]:
    streams, batches = metadata.tables["streams"].c, metadata.tables["prediction_batches"].c
    numbers = select(streams.id).where(streams.client == client)
    if owner is Owner.STREAM:
        return table.c.stream.in_(numbers)
    if owner is Owner.BATCH:
        return table.c.batch.in_(select(batches.id).where(batches.stream.in_(numbers)))
    if owner is Owner.FINGERPRINT:
        alerts, transitions = metadata.tables["alerts"].c, metadata.tables["transitions"].c
        mine: Sequence[Select[tuple[str]]] = (
            select(alerts.fingerprint).where(alerts.client == client),
            select(transitions.fingerprint).where(transitions.client == client),
        )
        return table.c.fingerprint.in_(union(*mine))
    return table.c.client == client


def _unused(client: str) -> dict[str, ColumnElement[bool]]:
    """What nothing refers to once the rows of a client are gone."""
    tables = metadata.tables
    referring = ("baselines", "profiles", "history", "drift_calibrations", "site_windows", "site_bases")
    layouts = [select(tables[name].c.layout) for name in referring]
    shapes = select(tables["measurements"].c.shape)
    return {
        "layouts": tables["layouts"].c.id.not_in(union(*layouts)),
        "measurement_shapes": tables["measurement_shapes"].c.id.not_in(shapes),
        "streams": tables["streams"].c.client == client,
    }


def _is_of(client: str) -> Callable[[bytes], bool]:
    """Whether JSON is about a client: of a record, or a matcher."""
    name = msgspec.json.encode(client)
    matcher = msgspec.json.encode(f"client={name.decode()}")[1:-1]
    needles = (b'"client":' + name, b'"client": ' + name, matcher)
    return lambda content: any(needle in content for needle in needles)


def delete_halves(
    connection: Connection, is_meant: Callable[[bytes], bool], sources_of_others: Sequence[str]
) -> int:
    """Delete the halves of calls whose content is meant, but none of sources that read for other clients alone."""
    is_ours = metadata.tables["half_calls"].c.source.not_in(sources_of_others)
    return delete_holding(connection, "half_calls", is_meant, where=is_ours)


def delete_diagnoses(connection: Connection, client: str, is_meant: Callable[[bytes], bool]) -> int:
    """Delete the diagnoses of a client's alerts whose content is meant; the number of rows."""
    table = metadata.tables["diagnoses"]
    where = _belongs(table, Owner.FINGERPRINT, client)
    return delete_holding(connection, "diagnoses", is_meant, where=where)


def holding(texts: Sequence[str]) -> Callable[[bytes], bool]:
    """Whether bytes hold one of these texts, as it is or as JSON."""
    needles = {form for text in texts for form in (text.encode(), msgspec.json.encode(text)[1:-1])}
    return lambda content: any(needle in content for needle in needles)


def naming(ids: Sequence[str]) -> Callable[[bytes], bool]:
    """Whether bytes hold one of these ids as a whole: `1` is neither in `12` nor in `a-1`."""
    forms = sorted({form for one in ids for form in (one.encode(), msgspec.json.encode(one)[1:-1])})
    whole = re.compile(rb"(?<![\w-])(?:" + b"|".join(map(re.escape, forms)) + rb")(?![\w-])")
    return lambda content: whole.search(content) is not None


def delete_holding(
    connection: Connection,
    name: str,
    is_meant: Callable[[bytes], bool],
    client: str = "",
    where: ColumnElement[bool] | None = None,
) -> int:
    """Delete the rows of a table, of one client or with a condition if given, whose content is meant; the number of
    rows.
    """
    table = metadata.tables[name]
    keys = list(table.primary_key.columns)
    where = table.c.client == client if client else where
    matching = _matching(connection, table, is_meant, where)
    for at in range(0, len(matching), _AT_ONCE):
        some = [
            and_(*(column == value for column, value in zip(keys, key, strict=True)))
            for key in matching[at : at + _AT_ONCE]
        ]
        connection.execute(delete(table).where(or_(*some)))
    return len(matching)


def _matching(
    connection: Connection,
    table: Table,
    is_meant: Callable[[bytes], bool],
    where: ColumnElement[bool] | None = None,
) -> list[tuple[object, ...]]:
    """The keys of the rows whose content is meant."""
    query = select(*table.primary_key.columns, table.c[_CONTENT[table.name]].label("content"))
    if where is not None:
        query = query.where(where)
    keys = []
    for row in connection.execute(query).yield_per(_AT_ONCE):
        raw = row[-1] if isinstance(row[-1], bytes) else str(row[-1] or "").encode()
        if is_meant(searchable(raw)):
            keys.append(tuple(row[:-1]))
    return keys


def searchable(raw: bytes) -> bytes:
    """Stored bytes without seal and compression, and once more with the characters that JSON has escaped."""
    with contextlib.suppress(DamageError):  # damaged bytes are searched as they are
        raw = unseal(raw)
    with contextlib.suppress(zlib.error):
        raw = zlib.decompress(raw)
    if b"\\u" not in raw:
        return raw
    return raw + b"\n" + _ESCAPED.sub(_unescaped, raw)


def _unescaped(match: re.Match[bytes]) -> bytes:
    units = bytes.fromhex(match.group().replace(b"\\u", b"").decode())
    return units.decode("utf-16-be", "replace").encode()


def overwrite_deleted(store: Store) -> bool:
    """Overwrite free pages and the write-ahead log of an SQLite database with zeros, while daemons run. On PostgreSQL,
    free the rows. False if the write-ahead log is in use for so long that old bytes stay in it.
    """
    if not store.is_sqlite:
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("SET statement_timeout = 0")
            for place in PLACES:
                connection.exec_driver_sql(f'VACUUM "{place.table}"')
            connection.exec_driver_sql("RESET statement_timeout")
        return True
    with store.write() as connection:
        connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS zeros (content BLOB)")
    try:
        while _free_pages(store):
            with store.write() as connection:
                connection.exec_driver_sql("INSERT INTO zeros VALUES (zeroblob(?))", (_FILL,))
    finally:
        with store.write() as connection:
            connection.exec_driver_sql("DROP TABLE zeros")
    return empty_log(store)


def rewrite(store: Store, *, is_alone: bool) -> bool:
    """Write all pages of an SQLite database anew, without what partly used ones still hold: where SQLite moves rows to
    other pages, copies stay behind that `secure_delete` does not overwrite. Writers wait meanwhile, so a large database
    that others may use is not written anew: False then, or if others have used it all the time.
    """
    if not store.is_sqlite or store.is_in_memory:
        return True
    with store.read() as connection:
        if not is_alone and store.size(connection) > MOST_REWRITTEN:
            return False
    with closing(store.engine.raw_connection()) as connection:
        driver = connection.driver_connection
        assert driver is not None
        driver.execute("PRAGMA temp_store=FILE")  # it is as large as the database
        try:
            driver.execute("VACUUM")
        except driver.OperationalError as error:
            if "locked" in str(error):
                return False
            raise StoreError(f"the database cannot be rewritten: {error}", hint=_SPACE) from error
        finally:
            driver.execute("PRAGMA temp_store=MEMORY")
    return empty_log(store)


def _free_pages(store: Store) -> int:
    with store.read() as connection:
        return int(connection.exec_driver_sql("PRAGMA freelist_count").scalar_one())


def empty_log(store: Store, seconds: float = 2.0, tries: int = 5) -> bool:
    """Write the write-ahead log of an SQLite database into its file and truncate it; False if others still read it.

    Writers wait up to `seconds` for each of the tries.
    """
    if not store.is_sqlite or store.is_in_memory:
        return True
    with closing(store.engine.raw_connection()) as connection:
        driver = connection.driver_connection
        assert driver is not None
        driver.execute(f"PRAGMA busy_timeout={seconds * 1000:.0f}")
        try:
            return any(
                not driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] for _ in range(tries)
            )
        finally:
            driver.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
