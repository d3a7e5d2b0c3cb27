"""Bytes that change on the disk: each damaged row is named, stops at most itself, and nothing of it is published."""

import lzma
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Column, Connection, select, text, update

from monitor.app import App
from monitor.clock import ManualClock
from monitor.config.root import load
from monitor.doctor import examine
from monitor.drift import codec as drift_codec
from monitor.errors import DamageError, WatchkeeperError
from monitor.predictions.log import batch
from monitor.predictions.log.export import export_parquet
from monitor.records import Action, Alert, Delivery, Measurement, Severity, State, Stream, Window
from monitor.store import alerts, incidents, measurements, outbox, timeseries
from monitor.store.db import Store
from monitor.store.incidents import Incident
from monitor.store.integrity import full_check, quick_check
from monitor.store.measurements import MEASUREMENTS, SHAPES
from monitor.store.migrate import migrate
from monitor.store.predictions import BATCHES
from monitor.store.profiles import PROFILES
from monitor.windows import codec
from monitor.windows.kernel import loss_model
from monitor.windows.kernel.count_rows import count
from monitor.windows.layout import build, from_table
from tests.store.test_upgrade import FOUND, LEFT
from tests.support.log import NOW, STREAM
from tests.support.make_store import BEGAN, DAYS, configured
from tests.support.measuring import measuring_daemon

ROWS = pa.RecordBatch.from_pydict(
    {
        "id": ["a", "b", "c"],
        "timestamp": [1, 2, 3],
        "prediction": [1.0, 2.0, 0.5],
        "latency_ms": [1.0, 5.0, 9.0],
    }
)
KINDS: dict[str, tuple[Callable[[], bytes], Callable[[bytes], Any]]] = {
    "a batch": (lambda: batch.encode(ROWS), batch.decode),
    "a profile": (
        lambda: codec.encode(count(ROWS, from_table.BARE)),
        lambda blob: codec.decode(blob, from_table.BARE),
    ),
    "a layout": (lambda: build.encode(from_table.BARE), build.decode),
    "a drift state": (lambda: drift_codec._write({"a": 1.5}), drift_codec._read),
    "a loss model": (
        lambda: loss_model.encode(loss_model.LossModel(1.5, np.array([0.5, 2.0]), 0.25, np.ones((5, 3)))),
        loss_model.decode,
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_any_bit_that_changed_is_noticed(kind: str) -> None:
    encode, decode = KINDS[kind]
    blob = encode()
    decode(blob)
    for place in range(len(blob)):
        for bit in (0, 7):
            broken = bytearray(blob)
            broken[place] ^= 1 << bit
            with pytest.raises(DamageError, match="damaged"):
                decode(bytes(broken))
    for size in range(len(blob)):
        with pytest.raises(DamageError, match="damaged"):
            decode(blob[:size])


WINDOW = Window(0, 3600)
MEASURED = [
    Measurement(STREAM, WINDOW, "throughput", 12.5, "per second", n=120, baseline=11.0),
    Measurement(STREAM, WINDOW, "mae", None, "", n=0, reason="no outcomes"),
]
ALERT = Alert("f1", "HighErrorRate", Severity.CRITICAL, STREAM, value=0.07, fired_at=NOW, state=State.FIRING)
INCIDENT = Incident("slack", "k1", "single", "", "critical", NOW)
PAGE = Delivery("slack", "k1", 1, Action.TRIGGER, b'{"a": 1.25, "b": "some words"}', NOW)


def _put_all(connection: Connection) -> None:
    measurements.put(connection, STREAM, WINDOW, MEASURED, NOW)
    alerts.put(connection, [ALERT])
    incidents.put(connection, [INCIDENT])
    outbox.add(connection, [PAGE])


def _series(connection: Connection) -> list[float]:
    return list(timeseries.load(connection, STREAM, "throughput", 3600, 0, 3600).values)


def _columns(connection: Connection) -> list[float]:
    found = timeseries.load_columns(connection, STREAM, 3600, 0, 3600, {"throughput"})
    return [value for one in found.values() for value in one.values]


def _bodies(connection: Connection) -> list[bytes]:
    """Nothing of one that is no JSON: whoever delivers it gives it up."""
    bodies = [one.body for one in outbox.conversation(connection, "slack", "k1")]
    return [body if body[:1] == b"{" else b"" for body in bodies]


READERS: list[tuple[Column[Any], Callable[[Connection], Any], Any]] = [
    (MEASUREMENTS.c.figures, lambda c: measurements.of_window(c, STREAM, WINDOW), []),
    (MEASUREMENTS.c.figures, _series, []),
    (MEASUREMENTS.c.figures, _columns, []),
    (MEASUREMENTS.c.reasons, lambda c: measurements.of_window(c, STREAM, WINDOW), []),
    (SHAPES.c.blob, _series, []),
    (SHAPES.c.blob, _columns, []),
    (alerts.alerts.c.alert, lambda c: list(alerts.load(c).values()), []),
    (incidents.incidents.c.incident, lambda c: incidents.load_open(c), []),
    (outbox.outbox.c.body, _bodies, [b""]),
]


@pytest.mark.parametrize(
    ("column", "read", "nothing"), READERS, ids=lambda one: str(getattr(one, "name", ""))
)
def test_a_changed_byte_of_a_row_is_never_taken_for_what_was_written(
    tmp_path: Path, column: Column[Any], read: Callable[[Connection], Any], nothing: Any
) -> None:
    store = Store(f"sqlite:///{tmp_path}/a.db")
    migrate(store)
    with store.write() as connection:
        _put_all(connection)
        whole = bytes(connection.scalar(select(column)))  # type: ignore[arg-type]
        written = read(connection)
    assert len(written) > 0
    chance = random.Random(7)
    for place in sorted({0, len(whole) - 1, *chance.sample(range(len(whole)), min(len(whole), 25))}):
        broken = bytearray(whole)
        broken[place] ^= 1 << chance.randrange(8)
        with store.write() as connection:
            connection.execute(update(column.table).values({column: bytes(broken)}))
            assert read(connection) == nothing, place
            connection.execute(update(column.table).values({column: whole}))
            assert read(connection) == written
    store.close()


def _broken(blob: bytes) -> bytes:
    return blob[:-3] + bytes([blob[-3] ^ 4]) + blob[-2:]


def test_one_damaged_batch_is_named_and_the_others_are_exported(tmp_path: Path) -> None:
    with measuring_daemon(tmp_path) as here:
        for minute in range(3):
            here.predict(10, NOW + 60 * minute)
            here.clock.set(NOW + 60 * minute)
            here.measure()
        with here.store.write() as connection:
            numbers = list(connection.scalars(select(BATCHES.c.id).order_by(BATCHES.c.id)))
            blob = connection.scalar(select(BATCHES.c.blob).where(BATCHES.c.id == numbers[1]))
            connection.execute(update(BATCHES).where(BATCHES.c.id == numbers[1]).values(blob=_broken(blob)))
        files = export_parquet(here.store, STREAM, NOW - 60, NOW + 600, tmp_path / "out", lambda *_: None)
        assert sum(pq.read_table(file).num_rows for file in files) == 20
        (fault,) = here.store.faults.active()
        assert (fault.part, fault.subject) == ("prediction_batches", f"{numbers[1]} of {STREAM}")
        (found,) = full_check(here.store)
        assert found.startswith(f"prediction_batches {numbers[1]} (blob): the checksum is wrong")


def test_a_damaged_profile_stops_no_tick_and_is_named(tmp_path: Path) -> None:
    with measuring_daemon(tmp_path) as here:
        for minute in range(4):
            here.predict(10, NOW + 60 * minute)
            here.clock.set(NOW + 60 * minute + 5)
            here.measure()
        with here.store.write() as connection:
            for row in connection.execute(select(PROFILES)).all():
                connection.execute(
                    update(PROFILES)
                    .where(*(PROFILES.c[n] == getattr(row, n) for n in ("stream", "seconds", "start")))
                    .values(blob=_broken(row.blob))
                )
        here.restart()
        here.predict(10, NOW + 300)
        here.clock.set(NOW + 400)
        here.measure()
        assert {fault.part for fault in here.store.faults.active()} == {"profiles"}


@pytest.mark.parametrize("seed", range(6))
def test_random_bytes_of_the_file_end_nothing_as_a_whole(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "watchkeeper.db"
    whole = bytearray(lzma.decompress(FOUND[-1].read_bytes()))
    chance = random.Random(seed)
    for _ in range(1 if seed < 2 else 60):
        whole[chance.randrange(4096 * 20, len(whole))] ^= 1 << chance.randrange(8)
    path.write_bytes(whole)
    config = load(configured(tmp_path, f"sqlite:///{path}"))
    done = 0
    try:
        app = App(config, ManualClock(LEFT))
        app.log.start()
        for step in (app.tick, app.jobs.compact, app.jobs.learn, app.dispatcher.step):
            try:
                step()
                done += 1
            except WatchkeeperError:
                pass  # waits, and is told
        stream = Stream("acme", "fraud")
        files = export_parquet(
            app.store, stream, BEGAN - DAYS * 86400, LEFT, tmp_path / "out", lambda *_: None
        )
        assert sum(pq.read_table(file).num_rows for file in files) > 0
        app.log.stop()
        app.store.close()
    except WatchkeeperError:
        done += 1  # it says so, and does not start
    assert done
    assert all(finding.detail for finding in examine(config))


def test_a_damaged_file_is_seen_at_a_start_within_its_time(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/a.db")
    with store.write() as connection:
        connection.execute(text("create table t (n integer primary key, word text)"))
        connection.execute(text("create index words on t (word)"))
        for number in range(2000):
            connection.execute(
                text("insert into t values (:n, :w)"), {"n": number, "w": f"word {number}" * 20}
            )
    assert quick_check(store, 10.0) == []
    assert quick_check(store, 0.0) == [], "out of time: nothing is known"
    store.close()
    file = tmp_path / "a.db"
    whole = bytearray(file.read_bytes())
    for page in range(3, len(whole) // 4096, 5):
        whole[page * 4096 : page * 4096 + 16] = b"\xff" * 16
    file.write_bytes(whole)
    assert quick_check(Store(f"sqlite:///{file}"), 10.0)
