"""A fleet of streams under the whole daemon: 50 features each, every stream with a baseline of its own.

`python -m tests.bench.fleet [--streams 1000]` times whole ticks (count, measure, judge, store) in which a minute of
every stream closes. The clock is moved by hand, so the figures are of work and not of waiting.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from monitor.app import App
from monitor.clock import ManualClock
from monitor.config import Config
from monitor.predictions.batches import split
from monitor.records import Stream
from monitor.windows import baseline
from monitor.windows.reference import conform
from tests.bench.tables import table

MINUTE = 60
START = 1_800_000_000 - 1_800_000_000 % 3600
FEATURES = 50


@dataclass(frozen=True, slots=True)
class Cost:
    """What one piece of work took, in seconds."""

    wall: float
    cpu: float


class Fleet:
    """A daemon without threads or doors, over a database in `folder`; `minute` and `tick` move it on."""

    def __init__(self, folder: Path, streams: int) -> None:
        self.clock = ManualClock(float(START))
        url = f"sqlite:///{folder}/fleet.db"
        self.app = App(Config.model_validate({"store": {"url": url}, "notify": {}}), self.clock)
        self.streams = [Stream("bench", f"model-{number:04}") for number in range(streams)]

    def learn(self, rows: int = 3000) -> None:
        """Give each stream a baseline of its own."""
        for number, stream in enumerate(self.streams):
            made = baseline.from_table(stream, table(rows, FEATURES, number, moved=False), START)
            with self.app.store.write() as connection:
                baseline.save(connection, made, START)

    def minute(self, rows: int = 100, share: float = 1.0) -> None:
        """Let a minute pass in which every stream (or the first `share` of them) sends so many rows."""
        began = self.clock.now()
        sample = conform(table(rows, FEATURES, int(began), moved=False)).combine_chunks().to_batches()[0]
        times = pa.array((began * 1e6 + np.arange(rows) * (59e6 / rows)).astype(np.int64))
        timed = pa.RecordBatch.from_arrays([times, *sample.columns], ["timestamp", *sample.schema.names])
        self.clock.advance(MINUTE)
        for stream in self.streams[: round(len(self.streams) * share)]:
            self.app.log.append(split(stream, timed, MINUTE))

    def tick(self) -> Cost:
        """One tick, timed."""
        began, cpu = time.perf_counter(), time.process_time()
        self.app.tick()
        return Cost(time.perf_counter() - began, time.process_time() - cpu)


@contextmanager
def fleet(streams: int) -> Iterator[Fleet]:
    """A fresh fleet with its baselines."""
    with tempfile.TemporaryDirectory() as folder:
        made = Fleet(Path(folder), streams)
        made.learn()
        try:
            yield made
        finally:
            made.app.store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--minutes", type=int, default=3)
    arguments = parser.parse_args()
    with fleet(arguments.streams) as made:
        for _ in range(arguments.minutes):
            made.minute()
            cost = made.tick()
            print(f"a minute closes: {cost.wall:.2f} s wall, {cost.cpu:.2f} s CPU", flush=True)
        made.clock.advance(2.0)
        cost = made.tick()
        print(f"nothing new:     {cost.wall:.2f} s wall, {cost.cpu:.2f} s CPU", flush=True)


if __name__ == "__main__":
    main()
