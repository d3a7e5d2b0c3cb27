"""A lake: files of predictions with known contents, and a store to profile them into."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from monitor.records import Stream
from monitor.store import lake_profiles
from monitor.store.db import Store
from monitor.windows import baseline
from monitor.windows.baseline_from_table import Baseline, from_table
from tests.support import http
from tests.support.log import NOW, STREAM, running
from tests.support.ports import free_port
from tests.support.waiting import until

HOURS = 30
END = NOW + HOURS * 3600


def table(rows: int, seed: int, start: float = NOW, hours: int = HOURS) -> pa.Table:
    """Rows spread over some hours, with everything that is counted: answers, truths, segments, versions, texts."""
    rng = np.random.default_rng(seed)
    times = start * 1e6 + rng.integers(0, hours * 3600, rows) * 1e6
    return pa.table(
        {
            "timestamp": pa.array(times.astype(np.int64), pa.timestamp("us", "UTC")),
            "version": rng.choice(["7", "8"], rows),
            "prediction": rng.choice(["a", "b"], rows),
            "truth": rng.choice(["a", "b", None], rows),
            "confidence": rng.random(rows),
            "latency_ms": rng.lognormal(3, 1, rows),
            "cost": rng.random(rows),
            "segments.region": rng.choice(["eu", "us"], rows),
            "amount": pa.array(rng.normal(size=rows), mask=rng.random(rows) < 0.1),
            "country": rng.choice(["DE", "FR", "US"], rows),
        }
    )


def write(folder: Path, parts: int = 3, rows: int = 4000) -> pa.Table:
    """A folder of Parquet files with several row groups each; returns all rows."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = [table(rows + number, number + 1) for number in range(parts)]
    for number, one in enumerate(tables):
        pq.write_table(one, folder / f"part-{number}.parquet", row_group_size=1500)
    return pa.concat_tables(tables)


@contextmanager
def store_with_baseline(folder: Path, *streams: Stream) -> Iterator[tuple[Store, Baseline]]:
    """A store in which each stream (by default the usual one) has a baseline; hands out the last."""
    folder.mkdir(exist_ok=True)
    with running(folder) as (_, store):
        for stream in streams or (STREAM,):
            made = from_table(stream, table(3000, 0), NOW)
            with store.write() as connection:
                baseline.save(connection, made, NOW)
        yield store, made


def kept(store: Store, stream: Stream = STREAM) -> list[tuple[int, int, bytes]]:
    """The history of a stream: start, seconds and bytes of each window."""
    with store.read() as connection:
        stored = lake_profiles.inside(connection, stream, 0, 1e12)
        return [(one.window.start, one.window.seconds, one.blob) for one in stored]


@contextmanager
def s3_server(folder: Path) -> Iterator[str]:
    """An S3 server on a free port; hands out its address."""
    port = free_port()
    with (folder / "s3.log").open("wb") as log:
        command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return http.get(f"{address}/moto-api/", timeout=2).status_code < 500
        except httpx2.TransportError:
            return False

    try:
        until(answers, "the S3 server answers")
        yield address
    finally:
        process.terminate()
        process.wait(timeout=300)
