"""A tick over many streams: 50 features and 100 rows each, from the log to stored measurements, on one core."""

import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from monitor.backtest import backtest
from monitor.metrics import METRICS, MetricSettings, Subject
from monitor.metrics import measure as measure_window
from monitor.predictions.batches import split
from monitor.records import Stream
from monitor.rules import load
from monitor.store import measurements
from monitor.windows import baseline
from monitor.windows.counting import count_new
from monitor.windows.reference import conform
from monitor.windows.rolling import Rolling
from monitor.windows.settings import WindowSettings
from tests.bench.kernel import Line, print_line
from tests.bench.tables import table
from tests.support import month
from tests.support.judging import one_rule
from tests.support.log import NOW, running
from tests.support.paging import World, errors

BASE = 60
START = 1_800_000_000 - 1_800_000_000 % 3600


def batch(rows: int, seed: int) -> pa.RecordBatch:
    """Rows of one base window, as the log keeps them."""
    made = conform(table(rows, 50, seed, moved=False)).combine_chunks().to_batches()[0]
    times = (NOW * 1e6 + np.arange(rows) * 1000).astype(np.int64)
    return pa.RecordBatch.from_arrays([pa.array(times), *made.columns], ["timestamp", *made.schema.names])


def tick(streams: int) -> float:
    """Wall seconds of count, measure and store for that many streams."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as (log, store):
        rows = batch(100, 1)
        held_against = baseline.from_table(
            Stream("bench", "0"), pa.Table.from_batches([batch(20_000, 0)]), NOW
        )
        for number in range(streams):
            stream = Stream("bench", str(number))
            log.append(split(stream, rows, BASE))
            with store.write() as connection:
                baseline.save(connection, replace(held_against, stream=stream), NOW)
        began = time.perf_counter()
        for stream, window in count_new(store, WindowSettings(), NOW):
            with store.write() as connection:
                base = baseline.load(connection, stream)
                profile = Rolling(connection, BASE, settled=NOW + BASE, now=NOW).profile(stream, window)
                found = measure_window(Subject(stream, window, profile, base, MetricSettings()))
                measurements.put(connection, stream, window, found, NOW)
        return time.perf_counter() - began


def storm() -> float:
    """Wall seconds to judge and store ten thousand new alerts in one tick, the dearest there is."""
    rule = "{metric: error_rate, over: open, above: 5%}"
    with tempfile.TemporaryDirectory() as folder, World(Path(folder), one_rule(Path(folder), rule)) as world:
        many = [errors(0.3, Stream("acme", f"model-{number:05}")) for number in range(10_000)]
        began = time.perf_counter()
        world.tick(many)
        return time.perf_counter() - began


def past(models: int = 10) -> float:
    """Wall seconds to judge a month of one-minute windows of so many models by the shipped packs."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as (_, store):
        month.write(store, models, START, 43_200)
        packs = [Path("rules") / f"{name}.yaml" for name in ("critical", "warning", "info", "daemon")]
        rules = load(packs, METRICS)
        began = time.perf_counter()
        backtest(store, rules, START, START + 43_200 * 60, base_seconds=BASE)
        return time.perf_counter() - began


def measure(streams: int = 1000) -> list[Line]:
    """The tick and what is judged in it, as lines of the table."""
    works = {
        f"tick of {streams:,} streams x 50 features": lambda: tick(streams),
        "10,000 new alerts judged and stored": storm,
        "backtest, a month of minutes, ten models": past,
    }
    lines = []
    for work, run in works.items():
        lines.append(Line(work, "none", run(), None, "s wall", None, 0.0, None))
        print_line(lines[-1])
    return lines
