"""The Spark engine, for lakes that are too large for one machine: the same kernel on many machines.

Each task opens its part of a file itself (a few row groups of a Parquet file, or a whole file) and counts it with
`mapInArrow`. No row passes through the JVM, and S3 is accessed with the same credentials as without Spark. Partial
profiles are shuffled by stream and window and merged; the driver receives one profile per window. Executors need
Watchkeeper installed and access to the files.
"""

import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import msgspec
import pyarrow as pa
from pyspark import Accumulator, SparkConf
from pyspark.sql import DataFrame, SparkSession

from monitor.lake.task import ChunkCounter, CountingTask, PartialProfiles, Progress, merge_counts
from monitor.records import Rejected, Stream, Window
from monitor.runtime.cpu_tuning import keep_freed_memory
from monitor.sources.files import locations
from monitor.sources.files.chunked import chunks, row_groups
from monitor.sources.files.local import PARQUET
from monitor.sources.files.locations import Location
from monitor.windows import codec
from monitor.windows.layout import build
from monitor.windows.layout.layout import Layout

_ITEM_BYTES = 64_000_000
_MAX_IN_MEMORY = 48
_REPORT_INTERVAL = 0.25
_PARTIAL = pa.schema(
    [
        ("client", pa.string()),
        ("model", pa.string()),
        ("environment", pa.string()),
        ("start", pa.int64()),
        ("blob", pa.binary()),
        ("notes", pa.binary()),
    ]
)
_COLUMNS = "client string, model string, environment string, start bigint, blob binary, notes binary"
_KEY = ("client", "model", "environment", "start")


_Item = tuple[str, list[int]]
"""A file, and the row groups to read; none: all."""


class _Notes(msgspec.Struct):
    """Further results of a task: rejected and skipped rows, and ignored columns."""

    rejected: dict[str, int] = {}
    others: int = 0
    examples: list[Rejected] = []
    ignored: set[str] = set()


@dataclass(frozen=True, slots=True)
class _Progress:
    """Progress of the tasks, in Spark's accumulators: items (parts of files), and rows."""

    items: Accumulator[int]
    rows: Accumulator[int]


def run(task: CountingTask, progress: Progress) -> Iterator[PartialProfiles]:
    """Count the files on Spark: in the active session, or in a new one on this machine's cores.

    Raises:
        InputError: the driver cannot read a Parquet file.
    """
    session = _session()
    context = session.sparkContext
    items = _items(task.places, 4 * context.defaultParallelism)
    done = _Progress(context.accumulator(0), context.accumulator(0))
    with _reporting(done, len(items), progress):
        decoded = {stream: build.decode(blob) for stream, blob in task.layouts.items()}
        for row in _frame(session, items, replace(task, places=()), done).toLocalIterator():
            yield _restored(row, decoded, task.seconds)


def _session() -> SparkSession:
    """The active session, or one as `spark-submit` or its variables configure it, or one on this machine's cores."""
    conf = SparkConf()
    is_own = not conf.contains("spark.master") and "SPARK_MASTER" not in os.environ
    if is_own:
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # the same packages
        conf.setMaster("local[*]").set("spark.ui.enabled", "false")
        conf.set("spark.driver.host", "127.0.0.1").set("spark.driver.bindAddress", "127.0.0.1")
    conf.set("spark.ui.showConsoleProgress", "false")
    # A row is a profile, so a batch is a few rows.
    conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "64")
    session = SparkSession.builder.appName("watchkeeper profile").config(conf=conf).getOrCreate()
    if is_own:
        session.sparkContext.setLogLevel("ERROR")
    return session


def _items(files: Sequence[Location], enough: int) -> list[_Item]:
    """The parts of files that tasks count: whole files, or row groups if there are few large files."""
    if len(files) >= enough:
        return [(place.name, []) for place in files]
    return [(place.name, groups) for place in files for groups in _parts(place)]


def _parts(place: Location) -> list[list[int]]:
    if place.suffix not in PARQUET or place.size <= _ITEM_BYTES:
        return [[]]
    groups = row_groups(place)
    parts = min(groups, -(-place.size // _ITEM_BYTES))
    return [list(range(groups))[number::parts] for number in range(parts)]


def _frame(session: SparkSession, items: Sequence[_Item], task: CountingTask, done: _Progress) -> DataFrame:
    """One row per window with its profile, and rows without a window that hold rejected rows."""
    chosen = tuple(items)

    def counted(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return _count(task, chosen, batches, done)

    def merged(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return _merge(task, batches)

    tasks = max(1, min(len(items), 8 * session.sparkContext.defaultParallelism))
    partial = session.range(0, len(items), 1, tasks).mapInArrow(counted, _COLUMNS)
    return partial.repartition(tasks, *_KEY).sortWithinPartitions(*_KEY).mapInArrow(merged, _COLUMNS)


def _count(
    task: CountingTask, items: Sequence[_Item], batches: Iterator[pa.RecordBatch], done: _Progress
) -> Iterator[pa.RecordBatch]:
    """On an executor: count parts of files, given by their numbers, into partial profiles."""
    keep_freed_memory()
    counter = ChunkCounter(task)
    waiting = PartialProfiles()
    for batch in batches:
        for number in batch.column(0).to_pylist():
            name, groups = items[number]
            for chunk in chunks(locations.location_of(name), groups or None, dialect=task.dialect):
                waiting = merge_counts([waiting, counter.count(chunk)])
                done.rows.add(chunk.rows.num_rows)
                if len(waiting.profiles) > _MAX_IN_MEMORY:
                    yield _written(waiting)
                    waiting = PartialProfiles()
            done.items.add(1)
    yield _written(waiting)


def _merge(task: CountingTask, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """On an executor: merge the partial profiles of each window, which are adjacent rows."""
    decoded = {stream: build.decode(blob) for stream, blob in task.layouts.items()}
    rows = (row for batch in batches for row in batch.to_pylist())
    for _, alike in groupby(rows, key=lambda row: tuple(row[name] for name in _KEY)):
        yield _written(merge_counts(_restored(row, decoded, task.seconds) for row in alike))


def _written(counted: PartialProfiles) -> pa.RecordBatch:
    rows: list[dict[str, Any]] = [
        {**dict(stream.labels), "start": window.start, "blob": codec.encode(profile)}
        for stream, window, profile in counted.profiles
    ]
    if counted.rejected or counted.others or counted.ignored:
        notes = _Notes(dict(counted.rejected), counted.others, counted.examples, set(counted.ignored))
        rows.append({"notes": msgspec.msgpack.encode(notes)})
    return pa.RecordBatch.from_pylist(rows, schema=_PARTIAL)


def _restored(row: Any, decoded: Mapping[Stream, Layout], seconds: int) -> PartialProfiles:
    if row["notes"] is not None:
        notes = msgspec.msgpack.decode(row["notes"], type=_Notes)
        return PartialProfiles([], notes.rejected, notes.others, notes.examples, notes.ignored)
    stream = Stream(row["client"], row["model"], row["environment"])
    profile = codec.decode(row["blob"], decoded[stream])
    return PartialProfiles([(stream, Window(row["start"], row["start"] + seconds), profile)])


@contextmanager
def _reporting(done: _Progress, items: int, progress: Progress) -> Iterator[None]:
    """Report the progress of the tasks several times per second while the driver waits."""
    is_finished = threading.Event()

    def report() -> None:
        while not is_finished.wait(_REPORT_INTERVAL):
            progress(done.rows.value, done.items.value / max(items, 1))

    reporter = threading.Thread(target=report, name="progress", daemon=True)
    reporter.start()
    try:
        yield
    finally:
        is_finished.set()
        reporter.join()
        progress(done.rows.value, done.items.value / max(items, 1))
