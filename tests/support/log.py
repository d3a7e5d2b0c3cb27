"""A prediction log on a database of its own, and short ways to fill it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import Any

import msgspec

from monitor.clock import Clock, ManualClock
from monitor.errors import WatchkeeperError
from monitor.predictions.intake import parse
from monitor.predictions.intake.parse import RecordKind
from monitor.predictions.intake.requests import IntakeResult
from monitor.predictions.log.writer import PredictionLog
from monitor.predictions.settings import PredictionSettings
from monitor.records import Stream
from monitor.store.db import Store
from tests.support import schema

NOW = 1_795_420_800.0  # 2026-11-23T08:00:00Z
STREAM = Stream("acme", "fraud")


@contextmanager
def running(
    folder: Path, clock: Clock | None = None, **settings: Any
) -> Iterator[tuple[PredictionLog, Store]]:
    """A started log over SQLite in `folder`."""
    store = Store(f"sqlite:///{folder}/watchkeeper.db")
    schema.create(store)
    log = PredictionLog(store, PredictionSettings(**settings), clock or ManualClock(NOW))
    log.start()
    try:
        yield log, store
    finally:
        log.stop()
        store.close()


def send(
    log: PredictionLog, kind: RecordKind, records: object, client: str = "", key: str = ""
) -> IntakeResult:
    """Hand records to the log as a request would, and wait until they are on disk."""
    rules = log.rules(client)
    body = records if isinstance(records, bytes) else msgspec.json.encode(records)
    answer: Queue[IntakeResult | WatchkeeperError] = Queue()
    log.submit([(parse.read(kind, body, "application/json", rules, log.decoders, key), answer.put)])
    receipt = answer.get(timeout=300)
    if isinstance(receipt, WatchkeeperError):
        raise receipt
    return receipt


def prediction(**fields: Any) -> dict[str, Any]:
    """A valid prediction with `fields` changed or added."""
    return {"client": "acme", "model": "fraud", "prediction": "ok", "timestamp": NOW, **fields}


def outcome(**fields: Any) -> dict[str, Any]:
    """A valid outcome with `fields` changed or added."""
    return {"client": "acme", "model": "fraud", "timestamp": NOW, **fields}
