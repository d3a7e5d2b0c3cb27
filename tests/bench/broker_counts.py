"""What became of the records that `tests.bench.brokers` sent: stored, still in the broker, or lost.

A daemon that is slow has not lost anything: what it did not store and did not acknowledge is still delivered by the
broker. So the broker is asked before a record is called lost.
"""

import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import TypeAdapter

from monitor.predictions.log.batch import decode
from monitor.sources.registry import AnySource
from monitor.sources.settings import SourceSettings
from monitor.sources.source import SourceError
from monitor.store import predictions, source_positions, source_states
from monitor.store.db import Store

STALLED, PATIENCE = 90.0, 600.0
"""Seconds without another stored record after which nothing more is awaited; while the source fails, the longer one."""
_EMPTY = 30.0
"""Seconds in which a broker that answers delivers nothing, after which it holds no more: longer than any of them waits
to deliver again."""
_NUMBER = re.compile(rb'"id": ?"p-(\d+)"')


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of records: all that were sent, how often each is stored, and those that the broker still delivers, with
    whether it delivered all that it holds.
    """

    sent: int
    stored: Counter[int]
    waiting: frozenset[int] = frozenset()
    is_emptied: bool = True

    @property
    def missing(self) -> set[int]:
        """Records that are not stored."""
        return set(range(self.sent)) - self.stored.keys()

    @property
    def twice(self) -> list[int]:
        """Records that are stored more than once."""
        return [number for number, times in self.stored.items() if times > 1]

    @property
    def is_right(self) -> bool:
        """Whether each record is stored once."""
        return not self.missing and not self.twice

    def __str__(self) -> str:
        later = len(self.missing & self.waiting)
        rest = f"{len(self.missing) - later:,}"
        parts = [
            f"{self.sent:,} records",
            f"{rest} lost" if self.is_emptied else f"{rest} nobody knows where",
        ]
        parts.append(f"{len(self.twice):,} twice")
        if later:
            parts.append(f"{later:,} not stored yet, still in the broker")
        return ", ".join(parts)


def settled(folder: Path, expected: int) -> Counter[int]:
    """How often each record is stored, once all are or nothing more comes."""
    before, since = -1, time.monotonic()
    while time.monotonic() - since < (PATIENCE if error_of(folder) else STALLED):
        numbers = stored(folder)
        if len(numbers) >= expected and len(numbers) == before:
            break
        if len(numbers) != before:
            before, since = len(numbers), time.monotonic()
        time.sleep(3)
    return numbers


def stored(folder: Path) -> Counter[int]:
    """How often each record is stored."""
    store = _store(folder)
    try:
        with store.read() as connection:
            blobs = connection.execute(predictions.BATCHES.select()).all()
        numbers: Counter[int] = Counter()
        for row in blobs:
            numbers.update(int(one[2:]) for one in _ids(decode(row.blob)))
        return numbers
    finally:
        store.close()


def error_of(folder: Path) -> str:
    """What the daemon says about its source; empty while it works."""
    store = _store(folder)
    try:
        with store.read() as connection:
            states = source_states.load(connection, time.time())
        return "; ".join(state.error for state in states if state.error)
    finally:
        store.close()


def with_waiting(counts: Counts, folder: Path, section: Mapping[str, Any], name: str = "orders") -> Counts:
    """The counts with what the broker delivers to who reads on where the daemon ended. Nothing is acknowledged."""
    settings: SourceSettings = TypeAdapter(AnySource).validate_python(dict(section))
    store = _store(folder)
    try:
        with store.read() as connection:
            positions = source_positions.load(connection, name)
    finally:
        store.close()
    numbers: set[int] = set()
    source, is_open = settings.make_source(name), False
    since = gives_up = time.monotonic()
    try:
        while not (is_empty := time.monotonic() - since > _EMPTY) and time.monotonic() - gives_up < PATIENCE:
            began = time.monotonic()
            try:
                if not is_open:
                    source.open(lambda: positions)
                    is_open = True
                bodies = b"\n".join(payload.body for payload in source.fetch(2000, 1.0).payloads)
            except SourceError:
                since += time.monotonic() - began  # it said nothing about what it holds
                continue
            if new := {int(one) for one in _NUMBER.findall(bodies)} - numbers:
                numbers |= new
                since = time.monotonic()
    finally:
        source.close()
    return replace(counts, waiting=frozenset(numbers), is_emptied=is_empty)


def _store(folder: Path) -> Store:
    return Store(f"sqlite:///{folder}/watchkeeper.db")


def _ids(rows: pa.RecordBatch) -> list[str]:
    return list(rows.column("id").to_pylist())
