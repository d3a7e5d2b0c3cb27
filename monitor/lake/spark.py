"""The engine for lakes that one machine does not get through: Spark runs the same kernel on many.

Each task opens its part of a file itself (a few row groups of a Parquet file, or a whole file) and counts it with
`mapInArrow`, so no row passes through the JVM, and S3 is reached with the same credentials as without Spark. Partial
profiles are brought together by stream and window and merged there; what comes back to the driver is one profile a
window. Executors need Watchkeeper installed and must reach the files.
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

from monitor.lake.work import Counted, PieceCounter, Progress, Work, add_up
from monitor.records import Rejected, Stream, Window
from monitor.sources import places
from monitor.sources.local import PARQUET
from monitor.sources.pieces import pieces, row_groups
from monitor.sources.places import Place
from monitor.windows import assembly, codec
from monitor.windows.layout import Layout

_ITEM_BYTES = 64_000_000
_MOST_OPEN = 48
_TELL_EVERY = 0.25
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
"""A file and the row groups of it to read; none: all of it."""


class _Notes(msgspec.Struct):
    """What else a task has to say: rows refused and passed over, and columns left out."""

    refused: dict[str, int] = {}
    others: int = 0
    examples: list[Rejected] = []
    ignored: set[str] = set()


@dataclass(frozen=True, slots=True)
class _Done:
    """How far the tasks are, as Spark's accumulators tell the driver: items (parts of files), and rows."""

    items: Accumulator[int]
    rows: Accumulator[int]


def run(work: Work, progress: Progress) -> Iterator[Counted]:
    """Count the files on Spark: the session that is there, or a new one on this machine's cores.

    Raises:
        InputError: a Parquet file cannot be read here, on the driver.
    """
    session = _session()
    context = session.sparkContext
    items = _items(work.places, 4 * context.defaultParallelism)
    done = _Done(context.accumulator(0), context.accumulator(0))
    with _telling(done, len(items), progress):
        decoded = {stream: assembly.decode(blob) for stream, blob in work.layouts.items()}
        for row in _frame(session, items, replace(work, places=()), done).toLocalIterator():
            yield _restored(row, decoded, work.seconds)


def _session() -> SparkSession:
    """The session that is there; else one as `spark-submit` or its variables say; else on this machine's cores."""
    conf = SparkConf()
    is_own = not conf.contains("spark.master") and "SPARK_MASTER" not in os.environ
    if is_own:
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # the same packages
        conf.setMaster("local[*]").set("spark.ui.enabled", "false")
        conf.set("spark.driver.host", "127.0.0.1").set("spark.driver.bindAddress", "127.0.0.1")
    conf.set("spark.ui.showConsoleProgress", "false")
    # A row holds a profile: a few of them make a batch.
    conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "64")
    session = SparkSession.builder.appName("watchkeeper profile").config(conf=conf).getOrCreate()
    if is_own:
        session.sparkContext.setLogLevel("ERROR")
    return session


def _items(files: Sequence[Place], enough: int) -> list[_Item]:
    """Parts of files that a task counts: a whole file, or row groups of one where there are few large files."""
    if len(files) >= enough:
        return [(place.name, []) for place in files]
    return [(place.name, groups) for place in files for groups in _parts(place)]


def _parts(place: Place) -> list[list[int]]:
    if place.suffix not in PARQUET or place.size <= _ITEM_BYTES:
        return [[]]
    groups = row_groups(place)
    parts = min(groups, -(-place.size // _ITEM_BYTES))
    return [list(range(groups))[number::parts] for number in range(parts)]


def _frame(session: SparkSession, items: Sequence[_Item], work: Work, done: _Done) -> DataFrame:
    """One row a window: its profile. And rows without a window, that hold what was refused."""
    chosen = tuple(items)

    def counted(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return _count(work, chosen, batches, done)

    def merged(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return _merge(work, batches)

    tasks = max(1, min(len(items), 8 * session.sparkContext.defaultParallelism))
    partial = session.range(0, len(items), 1, tasks).mapInArrow(counted, _COLUMNS)
    return partial.repartition(tasks, *_KEY).sortWithinPartitions(*_KEY).mapInArrow(merged, _COLUMNS)


def _count(
    work: Work, items: Sequence[_Item], batches: Iterator[pa.RecordBatch], done: _Done
) -> Iterator[pa.RecordBatch]:
    """On an executor: parts of files, which rows name by number, to partial profiles."""
    counter = PieceCounter(work)
    waiting = Counted()
    for batch in batches:
        for number in batch.column(0).to_pylist():
            name, groups = items[number]
            for piece in pieces(places.at(name), groups or None, said=work.said):
                waiting = add_up([waiting, counter.count(piece)])
                done.rows.add(piece.rows.num_rows)
                if len(waiting.profiles) > _MOST_OPEN:
                    yield _written(waiting)
                    waiting = Counted()
            done.items.add(1)
    yield _written(waiting)


def _merge(work: Work, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """On an executor: partial profiles, those of one window next to each other, to whole ones."""
    decoded = {stream: assembly.decode(blob) for stream, blob in work.layouts.items()}
    rows = (row for batch in batches for row in batch.to_pylist())
    for _, alike in groupby(rows, key=lambda row: tuple(row[name] for name in _KEY)):
        yield _written(add_up(_restored(row, decoded, work.seconds) for row in alike))


def _written(counted: Counted) -> pa.RecordBatch:
    rows: list[dict[str, Any]] = [
        {**dict(stream.labels), "start": window.start, "blob": codec.encode(profile)}
        for stream, window, profile in counted.profiles
    ]
    if counted.refused or counted.others or counted.ignored:
        notes = _Notes(dict(counted.refused), counted.others, counted.examples, set(counted.ignored))
        rows.append({"notes": msgspec.msgpack.encode(notes)})
    return pa.RecordBatch.from_pylist(rows, schema=_PARTIAL)


def _restored(row: Any, decoded: Mapping[Stream, Layout], seconds: int) -> Counted:
    if row["notes"] is not None:
        notes = msgspec.msgpack.decode(row["notes"], type=_Notes)
        return Counted([], notes.refused, notes.others, notes.examples, notes.ignored)
    stream = Stream(row["client"], row["model"], row["environment"])
    profile = codec.decode(row["blob"], decoded[stream])
    return Counted([(stream, Window(row["start"], row["start"] + seconds), profile)])


@contextmanager
def _telling(done: _Done, items: int, progress: Progress) -> Iterator[None]:
    """Passes on, several times a second, how far the tasks are, while the driver waits for them."""
    over = threading.Event()

    def tell() -> None:
        while not over.wait(_TELL_EVERY):
            progress(done.rows.value, done.items.value / max(items, 1))

    teller = threading.Thread(target=tell, name="progress", daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()
        progress(done.rows.value, done.items.value / max(items, 1))
