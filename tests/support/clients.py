"""A store that two clients have been using for weeks: enough for their pages, without running a daemon."""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
from sqlalchemy import Connection

from monitor.clock import ManualClock
from monitor.health.daily_summary import DailySummaries
from monitor.health.settings import ClientSettings, DigestSettings, ModelView
from monitor.predictions.log.batch import encode
from monitor.records import Alert, Measurement, Severity, State, Stream, Transition, Window, labels
from monitor.store import alerts, daily_summaries, measurements, predictions
from monitor.store.db import Store
from monitor.store.predictions import NewBatch
from tests.support import schema

NOW = 1795435200.0  # Mon 23 Nov 2026, 12:00 UTC
FRAUD = Stream("acme", "fraud")
CHURN = Stream("acme", "churn")
PRICE = Stream("globex", "price")
CLIENTS: Mapping[str, ClientSettings] = {
    "acme": ClientSettings(
        name="Acme",
        availability_target=0.99,
        timezone="Europe/Berlin",
        contact="lead@example.com",
        digest=DigestSettings(to=("lead@example.com", "boss@example.com"), slack=True, at="08:00"),
        models={
            "fraud": ModelView(
                title="Fraud check", quality="accuracy", target=0.85, owner="risk", task="binary"
            ),
            "churn": ModelView(title="Churn"),
            "ranking": ModelView(title="Ranking"),
        },
    ),
    "globex": ClientSettings(
        name="Globex", timezone="America/New_York", models={"price": ModelView(title="Price")}
    ),
}


@dataclass(frozen=True, slots=True)
class Shop:
    """The store, the clock and the clients."""

    store: Store
    clock: ManualClock
    clients: Mapping[str, ClientSettings]


def opened(folder: Path, *, hours: int = 9 * 24, streams: Sequence[Stream] = (FRAUD, CHURN, PRICE)) -> Shop:
    """A store in which each stream was measured every hour up to `NOW`, the last three by the minute, and 90 days."""
    path = folder / "clients.db"
    path.write_bytes(_content(hours, tuple(streams)))
    return Shop(Store(f"sqlite:///{path}"), ManualClock(NOW), CLIENTS)


@lru_cache(maxsize=4)
def _content(hours: int, streams: tuple[Stream, ...]) -> bytes:
    """The file of such a store: a copy takes a tenth of the time."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "clients.db"
        store = Store(f"sqlite:///{path}")
        _fill(store, hours, streams)
        store.close()
        return path.read_bytes()


def _fill(store: Store, hours: int, streams: Sequence[Stream]) -> None:
    schema.create(store)
    with store.write() as connection:
        for stream in streams:
            window = Window(int(NOW) - 60, int(NOW))
            batch = NewBatch(stream, window, 5, NOW - 30, str(stream).encode(), b"", _rows())
            predictions.put(connection, [batch], NOW - 20)
            for index in range(hours):
                put_window(connection, stream, 3600, index)
            for index in range(min(hours * 60, 180)):
                put_window(connection, stream, 60, index)
    DailySummaries(store, CLIENTS).update(NOW)
    with store.write() as connection:
        daily_summaries.put(connection, [day for stream in streams for day in _days(stream)])


def _rows() -> bytes:
    moments = pa.array([int(NOW) * 1_000_000 - 30_000_000] * 5, pa.int64())
    return encode(pa.RecordBatch.from_pydict({"timestamp": moments}))


def put_window(connection: Connection, stream: Stream, seconds: int, index: int) -> None:
    """Measure one window, counted back from now: a daily wave, quality that fell in the fraud model three hours ago."""
    start = int(NOW) - seconds * (index + 1)
    chance = random.Random(f"{stream} {start}")
    volume = round(10 * seconds * (1 + 0.6 * math.sin(2 * math.pi * (start % 86400) / 86400)))
    fallen = 0.12 if stream == FRAUD and seconds * index < 3 * 3600 else 0.0
    accuracy = 0.91 - fallen + chance.gauss(0, 0.01)
    known = seconds * index >= 3600
    window = Window(start, start + seconds)

    def one(metric: str, value: float | None, n: float = volume, unit: str = "share") -> Measurement:
        return Measurement(
            stream, window, metric, value, unit, n=n, reason="" if value is not None else "no truth yet"
        )

    measurements.put(
        connection,
        stream,
        window,
        [
            one("volume", volume, unit="predictions"),
            one("error_rate", 0.004 + 0.004 * chance.random()),
            one("latency_p50", 0.04 + 0.01 * chance.random(), unit="seconds"),
            one("confidence_mean", 0.9 + 0.01 * chance.random()),
            one("accuracy", accuracy if known else None, volume / 2 if known else 0),
            one("estimated_accuracy", accuracy + 0.01),
        ],
        NOW,
    )


def _days(stream: Stream) -> list[daily_summaries.DayFigures]:

    today = date(2026, 11, 23)
    return [
        daily_summaries.DayFigures(
            stream,
            today - timedelta(days=back),
            860_000 + 1000 * back,
            4200,
            "accuracy",
            0.9,
            400_000,
            False,
            0.045,
            NOW,
        )
        for back in range(2, 90)
    ]


def fire(
    shop: Shop,
    stream: Stream = FRAUD,
    *,
    at: float = NOW - 3 * 3600,
    severity: Severity = Severity.CRITICAL,
    rule: str = "LowAccuracy",
    client_text: str = "Fraud check is right in 79 of 100 cases; agreed is at least 85.",
) -> Alert:
    """An alert begins to fire."""
    key = f"{rule}{stream.model}".ljust(16, "0")[:16]
    alert = Alert(
        key,
        rule,
        severity,
        stream,
        state=State.FIRING,
        episode=1,
        fired_at=at,
        annotations=labels(client=client_text),
    )
    with shop.store.write() as connection:
        alerts.put(connection, [alert])
        alerts.add_transitions(
            connection, [Transition(key, at, State.PENDING, State.FIRING, 1, "below", rule, severity, stream)]
        )
    return alert


def resolve(shop: Shop, alert: Alert, at: float) -> None:
    """An alert is over."""
    with shop.store.write() as connection:
        alerts.put(connection, [replace(alert, state=State.RESOLVED, resolved_at=at)])
        step = Transition(
            alert.fingerprint,
            at,
            State.RECOVERING,
            State.RESOLVED,
            1,
            "back",
            alert.rule,
            alert.severity,
            alert.stream,
        )
        alerts.add_transitions(connection, [step])


def crowded(folder: Path) -> Shop:
    """A store in which a client has a hundred models with ninety days each, and every fourth has an alert."""
    own = opened(folder, hours=1, streams=(CHURN,))
    streams = [Stream("acme", f"model-{index:03d}") for index in range(99)]
    today = date(2026, 11, 23)
    with own.store.write() as connection:
        sample = daily_summaries.between(connection, "acme", today - timedelta(days=90), today)[CHURN]
        for stream in streams:
            window = Window(int(NOW) - 60, int(NOW))
            batch = NewBatch(stream, window, 5, NOW - 30, str(stream).encode(), b"", b"")
            predictions.put(connection, [batch], NOW - 20)
            daily_summaries.put(connection, [replace(day, stream=stream) for day in sample])
    for index in range(0, 99, 4):
        fire(own, streams[index], rule=f"R{index}")
    named = {stream.model: ModelView() for stream in streams}
    acme = own.clients["acme"]
    acme = acme.model_copy(update={"models": {**acme.models, **named}})
    return replace(own, clients={**own.clients, "acme": acme})
