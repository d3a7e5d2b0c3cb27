"""The same as `test_damaged_rows` on PostgreSQL, whose columns refuse many a damage, but not all of them."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa

from monitor.store.db import Store
from monitor.store.migrate import migrate
from monitor.store.tables import metadata
from tests.store import test_damaged_rows
from tests.store.test_damaged_rows import DAMAGES, EACH, Damage, live_on, pages, started, template, together  # noqa: F401
from tests.support.postgresql import Server, postgresql

CASES = [[one] for one in EACH] if os.environ.get("WATCHKEEPER_EACH") else [together(n, 30) for n in (3, 20)]


@pytest.fixture(scope="module")
def server(template: Path) -> Iterator[Server]:  # noqa: F811
    """With a database `filled` that holds what the template does."""
    with postgresql() as server:
        server.execute("CREATE DATABASE filled")
        source, target = sa.create_engine(f"sqlite:///{template}/watchkeeper.db"), engine(server, "filled")
        store = Store(target.url.render_as_string(hide_password=False))
        migrate(store)
        store.close()
        with source.connect() as read, target.begin() as write:
            for table in (one for one in metadata.sorted_tables if one.name != "alembic_version"):
                rows = [dict(row._mapping) for row in read.execute(sa.select(table))]
                if rows:
                    write.execute(table.insert(), rows)
                column = table.autoincrement_column
                if column is not None and rows:
                    counter = f"pg_get_serial_sequence('{table.name}', '{column.name}')"
                    newest = max(row[column.name] for row in rows)
                    write.execute(sa.text(f"SELECT setval({counter}, {newest}) WHERE {counter} IS NOT NULL"))
        source.dispose()
        target.dispose()
        yield server


def engine(server: Server, name: str) -> sa.Engine:
    return sa.create_engine(server.url.rsplit("/", 1)[0] + f"/{name}")


def damage(connection: sa.Connection, some: Sequence[Damage]) -> int:
    """How many of them PostgreSQL took."""
    taken = 0
    for table, column, how in some:
        key = list(table.primary_key.columns)
        newest = sa.select(column, *key).order_by(*[one.desc() for one in key]).limit(1)
        row = connection.execute(newest).first()
        if row is None:
            continue
        value = DAMAGES[how](row[0]) if callable(DAMAGES[how]) else DAMAGES[how]
        here = [one == known for one, known in zip(key, row[1:], strict=True)]
        try:
            with connection.begin_nested():
                connection.execute(sa.update(table).where(*here).values({column.name: value}))
                taken += 1
        except (sa.exc.SQLAlchemyError, ValueError, TypeError):  # no row of this kind can be there
            continue
    return taken


@pytest.mark.parametrize("some", CASES, ids=lambda some: str(some[0]).replace("\0", ""))
def test_a_damaged_row_stops_nothing_but_itself(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, some: list[Damage]
) -> None:
    server.execute("DROP DATABASE IF EXISTS damaged WITH (FORCE);CREATE DATABASE damaged TEMPLATE filled")
    damaged = engine(server, "damaged")
    with damaged.begin() as connection:
        taken = damage(connection, some)
    damaged.dispose()
    assert taken or len(some) == 1
    url = damaged.url.render_as_string(hide_password=False)
    config = test_damaged_rows.CONFIG.replace("sqlite:///{folder}/watchkeeper.db", url)
    monkeypatch.setattr(test_damaged_rows, "CONFIG", config)
    app = started(tmp_path)
    try:
        live_on(app)
        assert "initech/score" in (tmp_path / "told").read_text(), (
            "somebody is paged for the model that fails"
        )
        assert pages(app) == {}
    finally:
        app.log.stop()
        app.store.close()
