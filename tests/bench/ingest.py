"""How fast predictions come in, durable before they are answered: `python -m tests.bench.ingest [--long|--singles]`.

A real server on loopback with SQLite (every commit synced) in one process, the load in another. Peers: there is no
other open ingest that is durable, so the figures stand beside the goals, and beside what server and load computed for
a prediction and what syncing a file costs here: on a busy machine these tell the rates apart from the waiting. `--long`
sends ten million records and shows the memory on the way.
"""

import argparse
import contextlib
import io
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.ipc

from tests.bench.line import GOAL, Line, against_goal, show
from tests.bench.load import Orders, Seen
from tests.support.ingest_server import Process

FEATURES = 20
SINGLE_SECONDS = 20
JSON, ARROW = "application/json", "application/vnd.apache.arrow.stream"


def record(index: int, rng: np.random.Generator) -> dict[str, Any]:
    """One prediction with twenty features, sixteen numbers and four categories."""
    features: dict[str, Any] = {
        f"amount_{n}": round(float(rng.normal(100, 30)), 3) for n in range(FEATURES - 4)
    }
    features |= {f"kind_{n}": f"value {int(rng.integers(0, 12))}" for n in range(4)}
    return {
        "id": f"@@@@@@@@-{index:05d}",
        "client": "acme",
        "model": "fraud",
        "version": "7",
        "timestamp": int(time.time()) + 0.123456,  # the load writes each request's own in its place
        "features": features,
        "prediction": ("ok", "fraud")[index % 2],
        "confidence": round(float(rng.random()), 4),
        "latency_ms": round(float(rng.gamma(2, 10)), 3),
    }


def json_body(count: int) -> bytes:
    rng = np.random.default_rng(7)
    records = [record(index, rng) for index in range(count)]
    return json.dumps(records[0] if count == 1 else records).encode()


def arrow_body(count: int) -> bytes:
    rng = np.random.default_rng(7)
    columns: dict[str, Any] = {
        "id": [f"@@@@@@@@-{index:05d}" for index in range(count)],
        "client": pa.array(["acme"] * count).dictionary_encode(),
        "model": pa.array(["fraud"] * count).dictionary_encode(),
        "version": pa.array(["7"] * count).dictionary_encode(),
        "timestamp": np.full(count, int(time.time() * 1e6)),
        "prediction": pa.array([("ok", "fraud")[index % 2] for index in range(count)]).dictionary_encode(),
        "confidence": rng.random(count),
        "latency_ms": rng.gamma(2, 10, count),
    }
    columns |= {f"features.amount_{n}": rng.normal(100, 30, count) for n in range(FEATURES - 4)}
    for n in range(4):
        columns[f"features.kind_{n}"] = pa.array(
            [f"value {k}" for k in rng.integers(0, 12, count)]
        ).dictionary_encode()
    batch = pa.record_batch(columns)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


class Server(Process):
    """The server process, its memory, and what is in its database."""

    loads_itself = True
    first = 0

    def __enter__(self) -> "Server":
        self.start()
        self.load("/v1/predictions", JSON, json_body(2), 3, 1)  # its shape is known from here on
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def load(
        self, path: str, kind: str, body: bytes, requests: int, connections: int, rate: float = 0.0
    ) -> Seen:
        body_file = self.folder / "body"
        body_file.write_bytes(body)
        orders = Orders(self.port, path, kind, str(body_file), requests, connections, rate, 60.0, self.first)
        self.first += requests
        command = [sys.executable, "-m", "tests.bench.load"]
        done = subprocess.run(
            command,
            input=json.dumps(orders.__dict__),
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        return Seen(**json.loads(done.stdout))

    def resident_mb(self) -> float:
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def cpu(self) -> float:
        """Seconds that the server and its child processes computed so far, those that have ended included."""
        assert self.process is not None
        return _ticks_of_tree(self.process.pid) / os.sysconf("SC_CLK_TCK")

    def stored(self) -> int:
        with sqlite3.connect(self.folder / "watchkeeper.db") as connection:
            return int(
                connection.execute("select coalesce(sum(rows), 0) from prediction_batches").fetchone()[0]
            )


def _ticks_of_tree(root: int) -> int:
    """Clock ticks that a process, the children that it waited for, and those that run computed."""
    ticks: dict[int, int] = {}
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            children.setdefault(int(fields[1]), []).append(int(folder.name))
            ticks[int(folder.name)] = sum(map(int, fields[11:15]))
    total, waiting = 0, [root]
    while waiting:
        one = waiting.pop()
        total += ticks.get(one, 0)
        waiting += children.get(one, [])
    return total


def measure(
    work: str, kind: str, per_request: int, connections: int, goal: float, records: int
) -> list[Line]:
    """One kind of request: the rate, what it computes, and the 99th percentile of the answers at half the goal."""
    body = arrow_body(per_request) if kind == ARROW else json_body(per_request)
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder)) as server:
        before, began = server.stored(), server.cpu()
        seen = server.load("/v1/predictions", kind, body, records // per_request, connections)
        computed = server.cpu() - began
        sent = (seen.answered + seen.refused) * per_request
        stored = server.stored() - before
        assert seen.answered * per_request == stored, f"{stored} stored of {sent}: {seen.first_refusal}"
        rate = stored / seen.seconds
        half = min(goal, rate) / 2
        requests = int(half * 5 / per_request)
        calm = server.load("/v1/predictions", kind, body, requests, connections, half / per_request)
        p99 = float(np.quantile(calm.latencies, 0.99))
        memory = round(server.resident_mb())
    each = [1e6 * seconds / stored for seconds in (computed, seen.cpu)]
    return [
        Line(f"ingest, {work}", GOAL, rate, goal, "predictions/s", rate / goal, memory),
        Line(f"ingest, {work}: CPU of server, of load", "", each[0], each[1], "us each", None),
        against_goal(f"ingest, {work}: p99 of an answer at {half:,.0f}/s", p99 * 1000, 250.0, "ms", memory),
    ]


def syncing() -> Line:
    """What the machine's disk takes to make 16 kB durable, the median."""
    took = []
    with tempfile.TemporaryFile(buffering=0) as file:
        for _ in range(200):
            file.write(bytes(16_384))
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - began)
    return Line("syncing 16 kB to this disk", "", float(np.median(took)) * 1000, None, "ms", None)


def lines(records: int = 600_000) -> Iterator[Line]:
    """All lines of the table."""
    yield syncing()
    yield from measure("JSON arrays of 100, 20 features", JSON, 100, 32, 200_000, records)
    yield from measure("single JSON posts, 32 connections", JSON, 1, 32, 9_000, records // 10)
    yield from measure("Arrow IPC of 10,000 rows", ARROW, 10_000, 4, 600_000, records * 4)


def long_run(records: int = 10_000_000) -> Iterator[tuple[int, float]]:
    """The server's memory while so many records come in, as (records, MB)."""
    body, taken = json_body(100), 0
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder)) as server:
        yield 0, server.resident_mb()
        while taken < records:
            taken += 100 * server.load("/v1/predictions", JSON, body, 2000, 8).answered
            yield taken, server.resident_mb()


def singles() -> Iterator[str]:
    """What a record costs that is sent alone: by one client that waits for each answer, and at fixed rates of many."""
    body = json_body(1)
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder)) as server:
        began = server.cpu()
        time.sleep(SINGLE_SECONDS)
        yield f"nothing to do: {(server.cpu() - began) / SINGLE_SECONDS:.4f} cores"
        for rate in (0.0, 5.0, 50.0, 200.0, 500.0, 1000.0, 2000.0):
            requests = int(SINGLE_SECONDS * rate) or 5000
            before, began = server.stored(), server.cpu()
            seen = server.load("/v1/predictions", JSON, body, requests, 32 if rate else 1, rate)
            stored = server.stored() - before
            cost = 1e6 * (server.cpu() - began) / stored
            way = f"{rate:,.0f}/s" if rate else "one client, one after the other,"
            yield f"{way} {stored / seen.seconds:,.0f}/s reached: {cost:,.0f} µs of CPU for each record"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--singles", action="store_true", help="the CPU of single records by their rate")
    parser.add_argument("--long", action="store_true", help="ten million records, and the memory on the way")
    parser.add_argument("--records", type=int, default=600_000)
    options = parser.parse_args()
    if options.singles:
        for line in singles():
            print(line, flush=True)
        return
    if options.long:
        for records, memory in long_run():
            print(f"{records:>12,} records in: {memory:.0f} MB", flush=True)
        return
    for line in lines(options.records):
        show(line)


if __name__ == "__main__":
    main()
