"""What the daemon asks the database does not get slower with the age of the log: every statement goes by a key."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sqlalchemy import event

from monitor.app import App
from monitor.clock import ManualClock
from monitor.config import Config
from monitor.predictions.batches import split
from monitor.predictions.intake import Kind
from monitor.status import overview
from monitor.store.db import Store
from tests.support.log import STREAM, outcome, send

MINUTE = 60
START = 1_800_000_000
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


def minute(app: App, clock: ManualClock, number: int) -> None:
    """A minute of predictions, late rows, and what became known of them; and a tick after it."""
    times = START + MINUTE * number + np.arange(20) * 2.5
    times[0] -= 10 * MINUTE
    rows = pa.RecordBatch.from_arrays(
        [
            pa.array([f"{number}-{index}" for index in range(20)]),
            pa.array((times * 1e6).astype(np.int64)),
            pa.array(["ok", "fraud"] * 10).dictionary_encode(),
            pa.array(np.random.default_rng(number).normal(size=20)),
        ],
        names=["id", "timestamp", "prediction", "features.amount"],
    )
    app.log.append(split(STREAM, rows, MINUTE))
    known = [outcome(id=f"{number - 1}-{index}", truth="ok", timestamp=clock.now()) for index in range(20)]
    send(app.log, Kind.OUTCOMES, known)
    clock.advance(MINUTE)
    app.tick()


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


@pytest.mark.parametrize("job", ["learn", "compact", "forget", "look_across"])
def test_no_statement_of_a_job_reads_a_whole_table(app: tuple[App, ManualClock], job: str) -> None:
    daemon, clock = app
    for number in range(4):
        minute(daemon, clock, number)
    clock.advance(3600.0 if job != "forget" else 500 * 86400.0)  # all of it is old
    with heard(daemon.store) as statements:
        getattr(daemon.jobs, job)()
    assert_none_is_slow(daemon, statements)


def status_of(app: App, clock: ManualClock) -> None:
    with app.store.read() as connection:
        overview(connection, MINUTE, clock.now())


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
    work = {
        "tick": lambda number: minute(daemon, clock, number),
        "learn": lambda _: daemon.jobs.learn(),
        "compact": lambda _: daemon.jobs.compact(),
        "forget": lambda _: daemon.jobs.forget(),
        "days": lambda _: daemon.days.update(clock.now()),
        "status": lambda _: status_of(daemon, clock),
    }
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
