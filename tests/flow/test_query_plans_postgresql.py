"""PostgreSQL too is asked no more of a log that is older: what it reads is counted by itself."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, create_engine, text

from monitor.app import App
from monitor.clock import ManualClock
from monitor.config.root import Config
from tests.support.minutes import MINUTE, START, everything, minute
from tests.support.postgresql import postgresql
from tests.support.waiting import until

DAYS = 10
_READ = text(
    "SELECT (SELECT sum(seq_tup_read) + coalesce(sum(idx_tup_fetch), 0) FROM pg_stat_user_tables)"
    " + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes)"
)
_OTHERS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
)
_AGED = {
    "profiles": ({}, f"seconds = {MINUTE}"),
    "measurements": ({}, "true"),
    "prediction_batches": (
        {
            "end": '"end" - 3600 * h',
            "id": "nextval(pg_get_serial_sequence('prediction_batches', 'id'))",
            "digest": "decode(md5(random()::text), 'hex')",
        },
        "counted",
    ),
}
"""Tables that grow each minute: what changes in a copy of a row that is hours older, and which rows are copied."""


class Reading:
    """How many rows and index entries a daemon made its PostgreSQL read."""

    def __init__(self, url: str) -> None:
        self._engine = create_engine(url, isolation_level="AUTOCOMMIT")

    def so_far(self, app: App) -> int:
        """All that was ever read. The daemon's connections are closed, because a server counts at their end."""
        app.store.engine.dispose()
        with self._engine.connect() as connection:
            until(lambda: connection.scalar(_OTHERS) == 0, "no other connection is open")
            return int(connection.scalar(_READ) or 0)

    def age(self, days: int) -> None:
        """Write what stands of the minutes so far again for each hour of so many days before."""
        with self._engine.connect() as connection:
            for table, (changed, kept) in _AGED.items():
                columns = _columns(connection, table)
                values = [
                    ({"start": "start - 3600 * h"} | changed).get(name, f'"{name}"') for name in columns
                ]
                names = ", ".join(f'"{name}"' for name in columns)
                connection.execute(
                    text(
                        f"INSERT INTO {table} ({names}) SELECT {', '.join(values)} FROM {table},"
                        f" generate_series(1, {24 * days}) h WHERE {kept} ON CONFLICT DO NOTHING"
                    )
                )
            connection.execute(text("VACUUM ANALYZE"))  # as its autovacuum does within the minute

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()


def _columns(connection: Connection, table: str) -> list[str]:
    asked = "SELECT column_name FROM information_schema.columns WHERE table_name = :name ORDER BY ordinal_position"
    return list(connection.scalars(text(asked), {"name": table}))


@pytest.fixture
def daemon() -> Iterator[tuple[App, ManualClock, Reading]]:
    with postgresql() as server:
        clock = ManualClock(float(START))
        app = App(Config.model_validate({"store": {"url": server.url}, "notify": {}}), clock)
        app.log.start()
        reading = Reading(server.url)
        yield app, clock, reading
        reading.close()
        app.log.stop()
        app.store.close()


def test_a_tick_and_the_jobs_read_no_more_of_a_database_that_is_older(
    daemon: tuple[App, ManualClock, Reading],
) -> None:
    app, clock, reading = daemon
    for number in range(60):
        minute(app, clock, number)
    asked: list[dict[str, int]] = []
    for first, days in ((60, DAYS), (70, 0)):
        asked.append({})
        for number, (name, step) in enumerate(everything(app, clock).items()):
            step(first + number)  # what happens once happens here
            before = reading.so_far(app)
            step(first + number + 1)
            asked[-1][name] = reading.so_far(app) - before
        if days:
            reading.age(days)
    young, old = asked
    assert min(young.values()) > 0
    assert {name: (young[name], old[name]) for name in old if old[name] > 2 * young[name] + 200} == {}
