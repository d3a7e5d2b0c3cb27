"""What one model takes of the disk and the processor, for `watchkeeper size`.

`python -m tests.bench.storage [--minutes 180] [--postgresql]` counts, measures and stores so many minutes of
one model, once for each number of rows a minute and of features, and prints the figures that
`monitor/sizing/figures.py` keeps: bytes of a row, and bytes and CPU of a minute. The clock is moved by hand. `on disk`
is the growth of the whole database, relative to the content of these tables.
"""

import argparse
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection

from monitor.app import App
from monitor.clock import ManualClock
from monitor.config.root import Config
from monitor.predictions.log.batch import split
from monitor.records import Stream
from monitor.windows import baseline
from monitor.windows.baseline_from_table import conform
from monitor.windows.round_robin import RoundRobin
from tests.bench.tables import table
from tests.support.postgresql import postgresql

MINUTE = 60
START = 1_800_000_000 - 1_800_000_000 % 3600
GRID = tuple((rows, features) for rows in (100, 3000, 12_000) for features in (10, 50))
KEPT = {
    "row": ("prediction_batches", "length(blob) + length(ids)"),
    "profiles": (f"profiles WHERE seconds = {MINUTE}", "length(blob)"),
    "sums": (f"profiles WHERE seconds > {MINUTE}", "length(blob)"),
    "fine measurements": ("measurements WHERE seconds < 3600", "length(figures) + length(reasons)"),
    "hourly measurements": ("measurements WHERE seconds >= 3600", "length(figures) + length(reasons)"),
}


def rows_of(start: float, rows: int, features: int) -> pa.RecordBatch:
    """Rows with ids, spread over a minute, as the log keeps them."""
    sample = conform(table(rows, features, int(start), moved=False)).combine_chunks().to_batches()[0]
    times = pa.array((start * 1e6 + np.arange(rows) * (59e6 / rows)).astype(np.int64))
    rng = np.random.default_rng(int(start))
    ids = pa.array([str(uuid.UUID(bytes=rng.bytes(16))) for number in range(rows)])
    names = ["timestamp", "id", *sample.schema.names]
    return pa.RecordBatch.from_arrays([times, ids, *sample.columns], names)


@contextmanager
def fresh(*, is_server: bool) -> Iterator[str]:
    """The address of an empty database."""
    if is_server:
        with postgresql() as server:
            yield server.url
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield f"sqlite:///{Path(folder) / 'size.db'}"


def size_on_disk(connection: Connection) -> int:
    """Bytes of the whole database."""
    if connection.dialect.name == "postgresql":
        return int(connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one())
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    return int(pages * connection.exec_driver_sql("PRAGMA page_size").scalar_one())


def kept(connection: Connection) -> dict[str, int]:
    """Bytes of the content of each table."""
    found = {}
    for name, (source, size) in KEPT.items():
        query = f"SELECT coalesce(sum({size}), 0) FROM {source}"
        found[name] = int(connection.exec_driver_sql(query).scalar_one())
    return found


def measure(url: str, rows: int, features: int, minutes: int) -> str:
    """One line of the grid."""
    clock = ManualClock(float(START))
    app = App(Config.model_validate({"store": {"url": url}, "notify": {"console": False}}), clock)
    endless = RoundRobin(float("inf"))
    judge = replace(app.pipeline.judge, order=endless, evaluating=RoundRobin(float("inf")))
    app.pipeline = replace(app.pipeline, judge=judge)
    judge.measuring.round_robin = judge.measuring.last_seconds.round_robin = RoundRobin(float("inf"))
    stream = Stream(f"bench-{rows}-{features}", "model")
    with app.store.write() as connection:
        learned = baseline.from_table(stream, table(3000, features, 0, moved=False), START)
        baseline.save(connection, learned, START)
    with app.store.read() as connection:
        before = size_on_disk(connection)
    spent = []
    for _ in range(minutes):
        sent = rows_of(clock.now(), rows, features)
        clock.advance(MINUTE)
        app.log.append(split(stream, sent, MINUTE))
        began = time.process_time()
        app.tick()
        spent.append(time.process_time() - began)
    with app.store.read() as connection:
        found, grown = kept(connection), size_on_disk(connection) - before
    app.store.close()
    content = sum(found.values())
    parts = [f"row {found.pop('row') / minutes / rows:.1f} B"]
    parts += [f"{name} {size / minutes:,.0f} B/min" for name, size in found.items()]
    parts += [f"CPU {1000 * float(np.median(spent[1:])):.1f} ms/min"]
    return f"{rows:6} rows/min {features:3} features: {', '.join(parts)}, on disk {grown / content:.2f}"


def main() -> None:
    """Print the grid."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=180)
    parser.add_argument("--postgresql", action="store_true")
    chosen = parser.parse_args()
    for rows, features in GRID:
        with fresh(is_server=chosen.postgresql) as url:
            print(measure(url, rows, features, chosen.minutes), flush=True)


if __name__ == "__main__":
    main()
