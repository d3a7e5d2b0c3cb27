"""A fleet of streams under the whole daemon: 50 features each, every stream with a baseline of its own.

`python -m tests.bench.fleet [--streams 1000]` times whole ticks (count, measure, judge, store) in which a minute of
every stream closes. The clock is moved by hand, so the figures are of work and not of waiting.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.app import App
from monitor.clock import ManualClock
from monitor.config.root import Config
from monitor.predictions.log.batch import split
from monitor.records import Stream
from monitor.runtime.cpu_tuning import release_freed_memory
from monitor.windows import baseline
from monitor.windows.baseline_from_table import Baseline, conform
from monitor.windows.round_robin import RoundRobin
from monitor.wiring import worker_pool
from monitor.workers.progress import cpu_seconds
from tests.bench.line import Line, against_goal, show
from tests.bench.tables import table

MINUTE = 60
START = 1_800_000_000 - 1_800_000_000 % 3600
FEATURES = 50
GOAL = 30.0
"""Seconds for a thousand streams."""


_KEPT = {
    "rows": ("prediction_batches", "length(blob) + length(ids)"),
    "profiles of minutes": (f"profiles WHERE seconds = {MINUTE}", "length(blob)"),
    "sums of profiles": (f"profiles WHERE seconds > {MINUTE}", "length(blob)"),
    "measurements of minutes": (
        f"measurements WHERE seconds = {MINUTE}",
        "length(figures) + length(reasons)",
    ),
}


class Cost(NamedTuple):
    """What one piece of work took, in seconds. `path` is the CPU of the daemon and of its busiest worker, one after the
    other: what the work would take with a free core for each.
    """

    wall: float
    cpu: float
    path: float


@cache
def _learned_from() -> pa.Table:
    return table(3000, FEATURES, 0, moved=False)


def model(stream: Stream, number: int) -> Baseline:
    """A baseline whose buckets no other number has."""
    known = _learned_from()
    columns = [
        pc.multiply(column, 1.0 + number / 1000) if name.startswith("n") else column
        for name, column in zip(known.schema.names, known.columns, strict=True)
    ]
    return baseline.from_table(stream, pa.table(columns, known.schema.names), START)


def minute_of_rows(start: float, rows: int) -> pa.RecordBatch:
    """Rows spread over a minute, as the log keeps them."""
    sample = conform(table(rows, FEATURES, int(start), moved=False)).combine_chunks().to_batches()[0]
    times = pa.array((start * 1e6 + np.arange(rows) * (59e6 / rows)).astype(np.int64))
    return pa.RecordBatch.from_arrays([times, *sample.columns], ["timestamp", *sample.schema.names])


class Fleet:
    """A daemon without threads or doors, over a database in `folder`; `minute` and `tick` move it on."""

    def __init__(self, folder: Path, streams: int, workers: int = 1) -> None:
        self.clock = ManualClock(float(START))
        url = f"sqlite:///{folder}/fleet.db"
        raw = {"store": {"url": url}, "notify": {}, "evaluate": {"workers": workers}}
        config = Config.model_validate(raw)
        app = self.app = App(config, self.clock)
        endless = RoundRobin(float("inf"))  # all of the work, however long it takes
        judge = replace(app.pipeline.judge, order=endless, evaluating=RoundRobin(float("inf")))
        judge.measuring.round_robin = judge.measuring.last_seconds.round_robin = RoundRobin(float("inf"))
        app.pipeline = replace(app.pipeline, judge=judge)
        if workers > 1:
            shown = (app.gauges, app.daily_summaries, app.counters, app.versions)
            means = (config, self.clock, app.store, app.rules, app.pipeline.uptime)
            pool = worker_pool(*means, *shown, seconds=1e9, at_most=1e9)
            assert pool.start(self.clock.now(), 120.0), "the workers started"
            app.pipeline = replace(app.pipeline, workers=pool)
        self.streams = [Stream("bench", f"model-{number:04}") for number in range(streams)]

    def learn(self) -> None:
        """Give each stream a baseline of its own."""
        for number, stream in enumerate(self.streams):
            made = model(stream, number)
            with self.app.store.write() as connection:
                baseline.save(connection, made, START)

    def minute(self, rows: int = 100) -> None:
        """Let a minute pass in which every stream sends so many rows."""
        sent = minute_of_rows(self.clock.now(), rows)
        self.clock.advance(MINUTE)
        for stream in self.streams:
            self.app.log.append(split(stream, sent, MINUTE))

    def tick(self) -> Cost:
        """One tick, timed; with the work of its workers."""
        began, own, before = time.perf_counter(), time.process_time(), self._of_workers()
        self.app.tick()
        wall, own = time.perf_counter() - began, time.process_time() - own
        of_workers = [after - one for after, one in zip(self._of_workers(), before, strict=True)]
        return Cost(wall, own + sum(of_workers), own + max(of_workers, default=0.0))

    def _of_workers(self) -> list[float]:
        return [cpu_seconds(worker.resident.pid) for worker in self.app.pipeline.worker_states()]


@contextmanager
def fleet(streams: int, workers: int = 1) -> Iterator[Fleet]:
    """A fresh fleet with its baselines."""
    with tempfile.TemporaryDirectory() as folder:
        made = Fleet(Path(folder), streams, workers)
        made.learn()
        try:
            yield made
        finally:
            made.app.pipeline.stop()
            made.app.store.close()


def workers(streams: int = 1000, minutes: int = 4) -> list[Line]:
    """A tick in which a minute closes: by two workers, beside one process, in turns; the medians."""
    costs: dict[int, list[Cost]] = {1: [], 2: []}
    with fleet(streams) as alone, fleet(streams, 2) as divided:
        for _ in range(minutes):
            for number, made in ((1, alone), (2, divided)):
                made.minute()
                costs[number].append(made.tick())
    (one, one_cpu, _), (two, two_cpu, path) = (
        [statistics.median(parts) for parts in zip(*costs[number][1:], strict=True)] for number in (1, 2)
    )
    work = f"tick of {streams:,} streams x {FEATURES} features by two workers, of the time of one process"
    return [
        show(against_goal(work, two / one, 0.55, "wall", None)),
        show(
            against_goal(
                "the same: CPU of the daemon and of the busier worker", path / one_cpu, 0.55, "CPU", None
            )
        ),
        show(Line("the same: one process", "", one, None, "s wall", None)),
        show(Line("the same: two workers", "", two, None, "s wall", None)),
        show(Line("the same: CPU of one process", "", one_cpu, None, "s CPU", None)),
        show(Line("the same: CPU of the daemon and two workers", "", two_cpu, None, "s CPU", None)),
    ]


def measure(streams: int = 1000, minutes: int = 4) -> list[Line]:
    """Whole ticks of a fleet in which a minute closes, the median; and one in which nothing is new."""
    with fleet(streams) as made:
        closing = []
        for _ in range(minutes):
            made.minute()
            closing.append(made.tick())
            release_freed_memory()  # as the daemon does each minute
        made.clock.advance(2.0)
        idle = made.tick()
        memory = _resident_mb()
    work = f"tick of {streams:,} streams x {FEATURES} features: a minute of 100 rows each closes"
    wall, cpu, _ = (statistics.median(parts) for parts in zip(*closing[1:], strict=True))
    goal = GOAL * streams / 1000
    return [
        show(against_goal(work, wall, goal, "s wall", memory)),
        show(
            Line(
                "the same, the first tick, which reads and prepares all",
                "",
                closing[0].cpu,
                None,
                "s CPU",
                memory,
            )
        ),
        show(against_goal("the same, the daemon's own work", cpu, goal, "s CPU", memory)),
        show(
            against_goal("the same streams, nothing new", idle.wall, 2.0 * streams / 1000, "s wall", memory)
        ),
    ]


def kept(minutes: int = 64, rows: int = 100) -> list[Line]:
    """What a stream takes on disk: bytes for each minute of so many rows."""
    with fleet(1) as made:
        for _ in range(minutes):
            made.minute(rows)
            made.tick()
        with made.app.store.read() as connection:
            sizes = {
                name: float(connection.exec_driver_sql(f"SELECT sum({size}) FROM {table}").scalar_one())
                / minutes
                for name, (table, size) in _KEPT.items()
            }
    work = f"kept on disk for a minute of {rows} rows x {FEATURES} features:"
    return [show(Line(f"{work} {name}", "", size, None, "bytes", None)) for name, size in sizes.items()]


def _resident_mb() -> float:
    return int(Path("/proc/self/status").read_text().partition("VmRSS:")[2].split()[0]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--workers", action="store_true", help="two workers beside one process")
    asked = parser.parse_args()
    (workers if asked.workers else measure)(asked.streams)


if __name__ == "__main__":
    main()
