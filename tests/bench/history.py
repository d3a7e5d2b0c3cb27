"""A real daemon that is given a long past: how much memory it takes, while it counts and learns it and afterwards.

`python -m tests.bench.history [--days 90] [--features 64] [--step 3600] [--rows 60]` loads the past of three models,
starts the daemon, sends each of them a record a second, and prints the memory of the daemon and of its largest child
process every ten seconds, until each model's drift is learned and for `--rest` seconds more.
"""

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from monitor.records import Stream
from monitor.store import drift
from monitor.store.db import Store
from tests.bench.soak import MODELS, children, resident
from tests.support.daemon import ROOT, Daemon

CONFIG = "notify: {console: false}\nwindows: {lateness: 10s}\n"
DAY = 86_400


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


def is_learned(store: Store) -> bool:
    """Whether the drift of all models is learned."""
    with store.read() as connection:
        return all(
            drift.calibration(connection, Stream("acme", f"model-{model}")) is not None
            for model in range(MODELS)
        )


def main() -> None:
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
        daemon = Daemon(folder, f"{CONFIG}predictions: {{base_window: {chosen.base_window}}}\n")
        end = int(time.time()) // DAY * DAY
        for model in range(MODELS):
            file = folder / f"{model}.parquet"
            past(file, model, end, chosen)
            command = [
                *(sys.executable, "-m", "monitor", "load", f"acme/model-{model}", str(file)),
                *("--config", str(daemon.config)),
            ]
            subprocess.run(command, cwd=ROOT, check=True)
            file.unlink()
        _watch(daemon, chosen)


def _watch(daemon: Daemon, chosen: argparse.Namespace) -> None:
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
            if learned is None and is_learned(store):
                learned = shown
            state = "learned" if learned else "learning"
            print(
                f"{shown - began:5.0f} s  {state:8}  {resident(daemon.pid):4} MB now  {most:4} MB at most"
                f"  largest child {largest:4} MB",
                flush=True,
            )
        traffic.over.set()
        traffic.join()


if __name__ == "__main__":
    main()
