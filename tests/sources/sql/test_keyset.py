"""Reading a table page by page: each row once, in order, whatever the values and the size of a page."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine
from sqlalchemy.dialects import mssql, mysql, oracle
from sqlalchemy.engine.default import DefaultDialect

from monitor.sources.sql import keyset
from monitor.sources.sql.keyset import Keyset
from tests.support.thorough import examples

NAMES = st.sampled_from(["t", "Order", "we ird", 'a"b', "größe", "select"])
CELLS = st.none() | st.integers(0, 3)


@given(NAMES, st.lists(st.tuples(CELLS, CELLS, st.integers()), max_size=12), st.integers(1, 5), st.data())
@settings(max_examples=examples(40), deadline=None)
def test_law_pages_hold_each_row_once_and_in_order(name, cells, size, data):
    places = {(position, key) for position, key, _ in cells}
    statements = Keyset(name, ("at time", "key"))
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        quoted = engine.dialect.identifier_preparer.quote_identifier(name)
        connection.exec_driver_sql(f'create table {quoted} ("at time" integer, "key" integer, extra text)')
        for position, key in places:
            connection.exec_driver_sql(f"insert into {quoted} values (?, ?, 'x')", (position, key))
        present = sorted(place for place in places if None not in place)
        until = data.draw(st.sampled_from(present)) if present and data.draw(st.booleans()) else None
        wanted = [place for place in present if until is None or place <= until]
        found, after = [], None
        while page := connection.execute(statements.rows(after, until, size)).all():
            assert len(page) <= size
            found += [tuple(row)[:2] for row in page]
            after = keyset.read(keyset.written(found[-1]))
        assert found == wanted
        again = connection.execute(statements.places(None, until, 99)).all()
        assert [tuple(row) for row in again] == wanted
        last = connection.execute(statements.last(2)).all()
        assert [tuple(row)[:2] for row in last] == present[::-1][:2]
    engine.dispose()


DIALECTS = {
    "mssql": ("TOP", mssql.dialect()),
    "mysql": ("LIMIT", mysql.dialect()),
    "oracle": ("FETCH FIRST", oracle.dialect()),
    "standard": ("LIMIT", DefaultDialect()),  # Snowflake's has the same form
}


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("table", ["analytics.fraud_truths", "dw.analytics.Truths", "select"])
def test_statements_are_those_of_the_dialect(name, table):
    limit, dialect = DIALECTS[name]
    statements = Keyset(table, ("loaded_at", "Key"))
    place = (datetime(2026, 11, 29, tzinfo=UTC), "k-1")
    for statement in (
        statements.rows(place, place, 7),
        statements.places(None, place, 7),
        statements.last(7),
    ):
        text = " ".join(str(statement.compile(dialect=dialect)).split())
        assert text.count(limit) == 1
        assert text.count("ORDER BY") == 1
        assert text.index("FROM") < text.index("WHERE") < text.index("ORDER BY")
        assert "loaded_at IS NOT NULL" in text
    quoted = dialect.identifier_preparer
    words = str(statements.rows(None, None, 1).compile(dialect=dialect))
    assert quoted.quote("Key") in words
    assert quoted.quote(table.rpartition(".")[2]) in words


VALUES = st.one_of(
    st.integers(-(2**70), 2**70),
    st.text(max_size=20),
    st.floats(allow_nan=False),
    st.booleans(),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.datetimes(timezones=st.sampled_from([None, UTC, timezone(timedelta(hours=5, minutes=45))])),
    st.dates(),
    st.uuids(),
)


@given(st.lists(VALUES, min_size=1, max_size=4))
@settings(max_examples=examples(40))
def test_law_a_position_is_read_as_it_was_written(values):
    found = keyset.read(keyset.written(tuple(values)))
    assert found == tuple(values)
    assert list(map(type, found)) == list(map(type, values))


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", '[["x", 1]]', '[["time", "soon"]]', '[["decimal", "x"]]', "[", "7"]
)
def test_a_damaged_position_is_said_to_be_one(text):
    with pytest.raises(ValueError, match=r".+"):
        keyset.read(text)


@pytest.mark.parametrize("value", [b"x", None, [1], {"a": 1}, "x" * 2000], ids=lambda value: str(value)[:9])
def test_a_value_that_cannot_be_a_position_is_refused(value):
    with pytest.raises(ValueError, match=r"cannot be a position|characters, more than"):
        keyset.written((value,))


def test_times_without_a_zone_are_utc():
    assert keyset.seconds_of(datetime(2026, 11, 23, 8)) == 1_795_420_800.0  # noqa: DTZ001
    assert (
        keyset.seconds_of(datetime(2026, 11, 23, 9, tzinfo=timezone(timedelta(hours=1)))) == 1_795_420_800.0
    )
    assert keyset.seconds_of("2026-11-23 08:00:00") == 1_795_420_800.0
    assert keyset.seconds_of("seven") is None
    assert keyset.seconds_of(date(2026, 11, 23)) is None
    assert keyset.seconds_of(Decimal(7)) is None
    assert keyset.read(keyset.written((UUID(int=7),))) == (UUID(int=7),)
