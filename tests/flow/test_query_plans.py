"""What the daemon asks the database does not get slower with the age of the log: every statement goes by a key."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from monitor.app import App
from monitor.clock import ManualClock
from monitor.config.root import Config
from monitor.store.db import Store
from tests.support.minutes import MINUTE, START, everything, minute

GROWING = (
    "prediction_batches",
    "known_outcomes",
    "profiles",
    "history",
    "measurements",
    "drift_verdicts",
    "probes",
)
"""Tables of which a stream gets rows every minute or every hour."""
PARTIAL = ("ix_prediction_batches_uncounted", "ix_prediction_batches_unsearched")
"""Indexes that hold only what is still to be done."""


@contextmanager
def heard(store: Store) -> Iterator[set[str]]:
    """The statements, with their values, that are run meanwhile."""
    statements: set[str] = set()

    def listen(driver: sqlite3.Connection, *_: Any) -> None:
        driver.set_trace_callback(statements.add)

    event.listen(store.engine, "checkout", listen)
    yield statements
    event.remove(store.engine, "checkout", listen)


def slow(database: Path, statement: str) -> list[str]:
    """The steps of a statement that read more of a growing table the longer it is."""
    with sqlite3.connect(database) as connection:
        steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
    connection.close()
    if "LIMIT 1 OFFSET 0" in statement:
        steps = [step for step in steps if "USING COVERING INDEX" not in step]  # the first entry of an index
    growing = [step for step in steps if re.match(rf"(SCAN|SEARCH) ({'|'.join(GROWING)})\b", step)]
    return [
        step
        for step in growing
        if not any(index in step for index in PARTIAL) and (step.startswith("SCAN") or "(stream=?)" in step)
    ]


def assert_none_is_slow(app: App, statements: set[str]) -> None:
    path = app.store.path
    assert path is not None
    asked = [one for one in statements if one.startswith(("SELECT", "UPDATE", "DELETE"))]
    assert asked
    found = {one: steps for one in asked if (steps := slow(path, one))}
    assert not found, "\n\n".join(f"{steps}\n{statement}" for statement, steps in found.items())


@pytest.fixture
def app(tmp_path: Path) -> Iterator[tuple[App, ManualClock]]:
    clock = ManualClock(float(START))
    settings = {"store": {"url": f"sqlite:///{tmp_path}/watchkeeper.db"}, "notify": {}}
    app = App(Config.model_validate(settings), clock)
    app.log.start()
    yield app, clock
    app.log.stop()
    app.store.close()


def test_no_statement_of_a_tick_reads_a_whole_stream(app: tuple[App, ManualClock]) -> None:
    daemon, clock = app
    for number in range(3):  # what happens once happens here
        minute(daemon, clock, number)
    with heard(daemon.store) as statements:
        for number in range(3, 8):
            minute(daemon, clock, number)
    assert any("profiles" in one for one in statements)
    assert any("known_outcomes" in one for one in statements)
    assert_none_is_slow(daemon, statements)


@pytest.mark.parametrize("job", ["learn", "compact", "delete_expired", "measure_rows"])
def test_no_statement_of_a_job_reads_a_whole_table(app: tuple[App, ManualClock], job: str) -> None:
    daemon, clock = app
    for number in range(4):
        minute(daemon, clock, number)
    clock.advance(3600.0 if job != "delete_expired" else 500 * 86400.0)  # all of it is old
    with heard(daemon.store) as statements:
        getattr(daemon.jobs, job)()
    assert_none_is_slow(daemon, statements)


def age(app: App, days: int) -> None:
    """Write what stands of the minutes so far again for each hour of so many days before, as if it had come then."""
    path = app.store.path
    assert path is not None
    with sqlite3.connect(path) as connection:
        for table, changed, kept in (
            ("profiles", {}, f"seconds = {MINUTE}"),
            ("measurements", {}, "1"),
            (
                "prediction_batches",
                {"end": '"end" - 3600 * h', "id": "NULL", "digest": "randomblob(8)"},
                "counted",
            ),
        ):
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            values = [({"start": "start - 3600 * h"} | changed).get(name, f'"{name}"') for name in columns]
            connection.execute(
                f"WITH RECURSIVE hours(h) AS (SELECT 1 UNION ALL SELECT h + 1 FROM hours WHERE h < {24 * days}) "
                f"INSERT OR IGNORE INTO {table} SELECT {', '.join(values)} FROM {table}, hours WHERE {kept}"
            )
    connection.close()


@contextmanager
def steps(store: Store) -> Iterator[list[int]]:
    """How many hundreds of steps SQLite's machine takes meanwhile, as a list that grows by one for each."""
    taken: list[int] = []

    def listen(driver: sqlite3.Connection, *_: Any) -> None:
        driver.set_progress_handler(lambda: taken.append(1), 100)

    event.listen(store.engine, "checkout", listen)
    yield taken
    event.remove(store.engine, "checkout", listen)


def test_a_tick_and_the_jobs_ask_no_more_of_a_database_that_is_older(app: tuple[App, ManualClock]) -> None:
    daemon, clock = app
    for number in range(60):
        minute(daemon, clock, number)
    work = everything(daemon, clock)
    asked: list[dict[str, int]] = []
    for first, days in ((60, 10), (70, 0)):
        asked.append({})
        for number, (name, step) in enumerate(work.items()):
            step(first + number)  # what happens once happens here
            with steps(daemon.store) as taken:
                step(first + number + 1)
            asked[-1][name] = len(taken)
        age(daemon, days)
    young, old = asked
    assert {name: old[name] for name in work if old[name] > 2 * young[name] + 20} == {}


def test_the_check_would_see_one(app: tuple[App, ManualClock]) -> None:
    daemon, clock = app
    minute(daemon, clock, 0)
    path = daemon.store.path
    assert path is not None
    assert slow(path, "SELECT * FROM profiles WHERE stream = 1 AND (seconds = 60 OR start = 3)")
    assert not slow(path, "SELECT * FROM profiles WHERE stream = 1 AND seconds = 60 AND start = 3")
