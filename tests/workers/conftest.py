"""A few models under a whole daemon that is moved by hand, judged by one process or by workers."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import text

from monitor.app import App
from monitor.childprocess.resident import ChildFailedError, Resident
from monitor.clock import ManualClock
from monitor.config.root import Config
from monitor.predictions.intake.parse import RecordKind
from monitor.predictions.log.batch import split
from monitor.records import Stream
from monitor.worker import Worker, WorkerSetup
from monitor.workers.messages import TickOrder
from monitor.workers.pool import WorkerState
from tests.support.log import outcome, send
from tests.support.thorough import THOROUGH

MINUTE = 60
START = 1_800_000_000 - 1_800_000_000 % 3600
ROWS = 60
COMPARED = {
    "alerts": "fingerprint, state, alert",
    "transitions": "*",
    "measurements": "stream, seconds, start, part, figures, reasons",
    "profiles": "stream, seconds, start, rows, blob",
    "target_periods": "*",
    "outbox": "channel, key, sequence, action, body",
    "versions": "*",
}


class Here(Resident):
    """A worker in this process. A process of its own takes two seconds to start, and decides the same."""

    def __init__(self, setup: WorkerSetup) -> None:
        self._setup, self._is_over = setup, False
        self._worker: Worker | None = None

    @property
    def pid(self) -> int | None:
        return None if self._worker is None else os.getpid()

    def call(self, request: object, body: Sequence[bytes], answer: Callable[[Any], Any]) -> list[Any]:
        """Carry out an order."""
        if self._is_over:
            raise ChildFailedError("was ended by SIGKILL")
        self._worker = self._worker or Worker(self._setup)
        assert request is None or isinstance(request, TickOrder)
        return list(self._worker.answer(request, b"".join(body)))

    def end(self) -> None:
        """As after a kill."""
        self._is_over = True
        self.stop()

    def stop(self) -> None:
        if self._worker is not None:
            self._worker._store.close()
        self._worker = None


class Fleet:
    """A daemon in `folder` with so many models and workers. Daemons on one database have one clock."""

    def __init__(
        self, folder: Path, models: int, workers: int, url: str = "", clock: ManualClock | None = None
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.clock = clock or ManualClock(float(START))
        settings = {
            "store": {"url": url or f"sqlite:///{folder}/fleet.db"},
            "evaluate": {
                "workers": workers,
                "takeover": "10m",
            },  # leases end when a test says so, however slow
            "notify": {"webhook": {"url": "https://hook.example/x", "secret": "s" * 32}, "console": False},
            "clients": {"acme": {"models": {"model-0": {"target": 0.95, "task": "binary"}}}},
        }
        self.app = App(Config.model_validate(settings), self.clock, in_children=True)
        if (pool := self.app.pipeline.workers) and not THOROUGH:
            for worker in pool.workers[1:]:
                worker.resident = Here(WorkerSetup(self.app.config, worker.name))
        self.streams = [Stream("acme", f"model-{number}") for number in range(models)]
        self.app.log.start()
        self.start_workers()

    def start_workers(self) -> None:
        """Start those that do not run."""
        if pool := self.app.pipeline.workers:
            assert pool.start(self.clock.now(), 90.0), "the workers started"

    def minute(self, number: int, *, failing: Sequence[int] = (), moved: Sequence[int] = ()) -> None:
        """A minute of predictions and of what became known of them, and two ticks."""
        at = self.clock.now()
        for place, stream in enumerate(self.streams):
            rows = rows_of(at, 1000 * number + place, place in failing, place in moved)
            self.app.log.append(split(stream, rows, MINUTE))
            known = [
                outcome(
                    model=stream.model, id=f"{1000 * (number - 1) + place}-{index}", truth="yes", timestamp=at
                )
                for index in range(0, ROWS, 2)
            ]
            send(self.app.log, RecordKind.OUTCOMES, known)
        for _ in range(2):
            self.clock.advance(MINUTE / 2)
            self.tick()

    def tick(self) -> None:
        """A tick at the present time."""
        self.app.tick()
        self.app.store_versions()

    def dump(self) -> dict[str, list[tuple[object, ...]]]:
        """What was decided, bit by bit."""
        with self.app.store.read() as connection:
            return {
                table: sorted(
                    (
                        tuple(part.hex() if isinstance(part, bytes) else part for part in row)
                        for row in connection.execute(text(f"SELECT {columns} FROM {table}"))
                    ),
                    key=repr,
                )
                for table, columns in COMPARED.items()
            }

    def close(self) -> None:
        self.app.pipeline.stop()
        self.app.log.stop()
        self.app.store.close()


def rows_of(at: float, seed: int, is_failing: bool = False, is_moved: bool = False) -> pa.RecordBatch:
    """A minute of predictions."""
    rng = np.random.default_rng(seed)
    times = ((at + np.arange(ROWS) * 59.0 / ROWS) * 1e6).astype(np.int64)
    errors = np.where(rng.random(ROWS) < (0.6 if is_failing else 0.0), "timeout", None)
    return pa.RecordBatch.from_arrays(
        [
            pa.array([f"{seed}-{index}" for index in range(ROWS)]),
            pa.array(times),
            pa.array(np.where(rng.random(ROWS) < 0.9, "yes", "no")),
            pa.array(rng.lognormal(3, 0.4, ROWS)),
            pa.array(errors, pa.string()),
            pa.array(["v2" if seed > 4000 else "v1"] * ROWS),
            pa.array(rng.normal(2.0 if is_moved else 0.0, 1.0, ROWS)),
        ],
        ["id", "timestamp", "prediction", "latency_ms", "error", "version", "features.amount"],
    )


@contextmanager
def fleet_of(folder: Path, models: int, workers: int, url: str = "") -> Iterator[Fleet]:
    """A fleet that is stopped in the end."""
    made = Fleet(folder, models, workers, url)
    try:
        yield made
    finally:
        made.close()


def told(fleet: Fleet) -> str:
    """What is wrong with workers."""
    return "; ".join(fault.reason for fault in fleet.app.store.faults.active() if fault.part == "worker")


def kill(worker: WorkerState) -> None:
    """No goodbye."""
    pid = worker.resident.pid
    assert pid is not None
    if isinstance(worker.resident, Here):
        worker.resident.end()
    else:
        os.kill(pid, signal.SIGKILL)
