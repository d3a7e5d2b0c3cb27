"""A real daemon that is given a long past: how much memory it takes, while it counts and learns it and afterwards.

`python -m tests.bench.history [--days 90] [--features 64] [--step 3600] [--rows 60]` loads the past of three models,
starts the daemon, sends each of them a record a second, and prints the memory of the daemon and of its largest child
process, and the CPU of both, every ten seconds, until each model's drift is learned and for `--rest` seconds more. It
ends with 1 if a model will not be learned although its past is counted, and says what is missing.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import select

from monitor.config.units import DAY, parse_duration
from monitor.drift import DriftSettings, progress
from monitor.records import Stream
from monitor.store import drift
from monitor.store.db import Store
from monitor.store.predictions import BATCHES
from monitor.windows import baseline
from monitor.workers.progress import cpu_seconds
from tests.bench.soak import MODELS, children, resident
from tests.support.daemon import ROOT, Daemon

CONFIG = "notify: {console: false}\nwindows: {lateness: 10s}\n"


def past(path: Path, model: int, end: int, chosen: argparse.Namespace) -> None:
    """Write the past of one model, a day at a time."""
    rng = np.random.default_rng(model)
    writer: pq.ParquetWriter | None = None
    for start in range(end - chosen.days * DAY, end, DAY):
        steps = np.arange(start, start + DAY, chosen.step)
        times = np.repeat(steps, chosen.rows) + rng.random(len(steps) * chosen.rows) * (chosen.step - 1)
        season = np.sin(2 * np.pi * times % DAY / DAY)
        columns: dict[str, object] = {
            "id": [f"{model}-{start}-{number}" for number in range(len(times))],
            "timestamp": times,
            "prediction": np.where(rng.random(len(times)) < 0.1, "fraud", "ok"),
            "confidence": rng.uniform(0.5, 1.0, len(times)),
            "latency_ms": rng.gamma(9, 3, len(times)),
        }
        columns |= {
            f"f{number}": season * (number % 3) + rng.normal(size=len(times))
            for number in range(chosen.features)
        }
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


class Traffic(threading.Thread):
    """One record a second to each model."""

    def __init__(self, daemon: Daemon, features: int) -> None:
        super().__init__(daemon=True)
        self._daemon, self._features = daemon, features
        self.over = threading.Event()

    def run(self) -> None:
        rng = np.random.default_rng(9)
        while not self.over.wait(1.0):
            self._daemon.post(
                "/v1/predictions",
                [
                    {
                        "client": "acme",
                        "model": f"model-{model}",
                        "features": {
                            f"f{n}": value for n, value in enumerate(rng.normal(size=self._features))
                        },
                        "prediction": "ok",
                        "confidence": 0.9,
                        "latency_ms": 27.0,
                    }
                    for model in range(MODELS)
                ],
            )


def unlearned(store: Store) -> list[Stream]:
    """The models whose drift is not learned."""
    with store.read() as connection:
        models = (Stream("acme", f"model-{model}") for model in range(MODELS))
        return [model for model in models if drift.calibration(connection, model) is None]


def missing_for_good(store: Store, stream: Stream, base_seconds: int) -> str:
    """Why a model is not learned although all its past is counted, in words; empty while that may only take time."""
    with store.read() as connection:
        kept, waits = baseline.load(connection, stream), select(BATCHES.c.id).where(BATCHES.c.start < today())
        if kept is None or connection.scalar(waits.where(~BATCHES.c.counted).limit(1)) is not None:
            return ""
        words = progress.missing(connection, stream, kept, base_seconds, time.time(), DriftSettings())
    return words if "more are needed" in words else ""


def today() -> int:
    """The end of the past that is loaded."""
    return int(time.time()) // DAY * DAY


def cpu_of_children(pid: int) -> float:
    """What the children that have ended have computed, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Run it, and print how it went."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--features", type=int, default=64)
    parser.add_argument("--step", type=int, default=3600, help="seconds between batches of rows")
    parser.add_argument("--rows", type=int, default=60, help="rows in each step")
    parser.add_argument("--rest", type=float, default=180.0, help="seconds after all is learned")
    parser.add_argument("--base-window", default="30m")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = f"{CONFIG}predictions: {{base_window: {chosen.base_window}}}\n"
        daemon = Daemon(folder, config, loads_itself=True)
        end = today()
        for model in range(MODELS):
            file = folder / f"{model}.parquet"
            past(file, model, end, chosen)
            command = [
                *(sys.executable, "-m", "monitor", "load", f"acme/model-{model}", str(file)),
                *("--config", str(daemon.config)),
            ]
            subprocess.run(command, cwd=ROOT, check=True)
            file.unlink()
        return _watch(daemon, chosen)


def _watch(daemon: Daemon, chosen: argparse.Namespace) -> int:
    began, learned, most, largest = time.monotonic(), None, 0, 0
    with daemon:
        store = Store(daemon.store_url)
        traffic = Traffic(daemon, chosen.features)
        traffic.start()
        shown = began
        while learned is None or time.monotonic() < learned + chosen.rest:
            time.sleep(0.5)
            most = max(most, resident(daemon.pid))
            largest = max([largest, *map(resident, children(daemon.pid))])
            if time.monotonic() < shown + 10:
                continue
            shown = time.monotonic()
            waiting = [] if learned else unlearned(store)
            learned = learned or (shown if not waiting else None)
            state = "learned" if learned else "learning"
            costs = f"{cpu_seconds(daemon.pid):.0f} s CPU, children {cpu_of_children(daemon.pid):.0f} s"
            print(
                f"{shown - began:5.0f} s  {state:8}  {resident(daemon.pid):4} MB now  {most:4} MB at most"
                f"  largest child {largest:4} MB  {costs}",
                flush=True,
            )
            seconds = int(parse_duration(chosen.base_window))
            for model in waiting:
                if words := missing_for_good(store, model, seconds):
                    print(f"{model} will not be learned: {words}", flush=True)
                    return 1
        traffic.over.set()
        traffic.join()
    return 0


if __name__ == "__main__":
    sys.exit(main())
