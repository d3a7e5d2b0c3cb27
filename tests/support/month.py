"""A month of stored minutes, written in bulk: what backtests are timed on."""

import hashlib

import msgspec
import numpy as np
from sqlalchemy import insert

from monitor.records import Stream
from monitor.store import measurements
from monitor.store import streams as stream_rows
from monitor.store.db import Store
from monitor.store.statements import insert_new

METRICS = (
    *(("error_rate", "share"), ("other_rate", "share"), ("volume", "predictions")),
    *(("throughput", "per second"), ("latency_p95", "seconds"), ("accuracy", "share")),
    *((f"other_{number}", "") for number in range(24)),
)
HOURLY = tuple(("psi", (("feature", f"f{number}"),)) for number in range(20))


def write(store: Store, models: int, start: int, minutes: int) -> list[Stream]:
    """Minutes and hours of several models with noise, some faults, and drift in the second half."""
    streams = [Stream("acme", f"model-{number}") for number in range(models)]
    for seed, stream in enumerate(streams):
        _write(store, stream, np.random.default_rng(seed), start, minutes)
    return streams


def _write(store: Store, stream: Stream, random: np.random.Generator, start: int, minutes: int) -> None:
    figures = np.full((minutes, len(METRICS), 6), np.nan)
    figures[:, :, 0] = random.normal(1, 0.1, (minutes, len(METRICS)))
    figures[:, :, 1] = 600.0
    figures[:, 0, 0] = random.binomial(600, 0.01, minutes) / 600
    for at in range(minutes // 40, minutes, max(minutes // 20, 60)):
        figures[at : at + 15, 0, 0] = 0.4
    figures[:, 4, 0] = random.lognormal(-3, 0.1, minutes)
    figures[:, 4, 5] = 0.05
    plain = [(name, (), unit, "none") for name, unit in METRICS]
    _insert(store, stream, 60, measurements.HEADLINE, start, plain, figures)
    hours = minutes // 60
    drift = np.full((hours, len(HOURLY), 6), np.nan)
    drift[:, :, 0] = random.gamma(2, 0.02, (hours, len(HOURLY)))
    drift[hours // 2 :, 0, 0] += 0.3
    drift[:, :, 1] = 36_000.0
    labelled = [(name, labels, "", "lower") for name, labels in HOURLY]
    _insert(store, stream, 3600, measurements.DETAIL, start, labelled, drift)
    hourly = np.full((hours, len(METRICS), 6), np.nan)
    hourly[:, :, :] = figures[: hours * 60].reshape(hours, 60, len(METRICS), 6).mean(axis=1)
    _insert(store, stream, 3600, measurements.HEADLINE, start, plain, hourly)


def _insert(
    store: Store,
    stream: Stream,
    seconds: int,
    part: int,
    start: int,
    items: list[tuple[object, ...]],
    figures: np.ndarray,
) -> None:
    with store.write() as connection:
        raw = msgspec.msgpack.encode(items)
        shape = hashlib.sha256(raw).hexdigest()[:16]
        insert_new(connection, measurements.SHAPES, [{"id": shape, "blob": raw}], ("id",))
        number = stream_rows.key(connection, stream, 0.0)
        rows = [
            {
                "stream": number,
                "seconds": seconds,
                "part": part,
                "start": start + seconds * index,
                "shape": shape,
                "figures": figures[index].tobytes(),
                "reasons": b"",
            }
            for index in range(len(figures))
        ]
        connection.execute(insert(measurements.MEASUREMENTS), rows)
