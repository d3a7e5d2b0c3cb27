"""A daemon that is moved by hand through minutes of predictions and of what became known of them."""

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa

from monitor.app import App
from monitor.clock import ManualClock
from monitor.predictions.intake.parse import RecordKind
from monitor.predictions.log.batch import split
from monitor.status import overview
from tests.support.log import STREAM, outcome, send

MINUTE = 60
START = 1_800_000_000


def minute(app: App, clock: ManualClock, number: int) -> None:
    """A minute of predictions, late rows, and what became known of them; and a tick after it."""
    times = START + MINUTE * number + np.arange(20) * 2.5
    times[0] -= 10 * MINUTE
    rows = pa.RecordBatch.from_arrays(
        [
            pa.array([f"{number}-{index}" for index in range(20)]),
            pa.array((times * 1e6).astype(np.int64)),
            pa.array(["ok", "fraud"] * 10).dictionary_encode(),
            pa.array(np.random.default_rng(number).normal(size=20)),
        ],
        names=["id", "timestamp", "prediction", "features.amount"],
    )
    app.log.append(split(STREAM, rows, MINUTE))
    known = [outcome(id=f"{number - 1}-{index}", truth="ok", timestamp=clock.now()) for index in range(20)]
    send(app.log, RecordKind.OUTCOMES, known)
    clock.advance(MINUTE)
    app.tick()


def everything(app: App, clock: ManualClock) -> Mapping[str, Callable[[int], object]]:
    """What a daemon does again and again, by name: each is called with the number of the minute."""
    return {
        "tick": lambda number: minute(app, clock, number),
        "learn": lambda _: app.jobs.learn(),
        "compact": lambda _: app.jobs.compact(),
        "delete_expired": lambda _: app.jobs.delete_expired(),
        "days": lambda _: app.daily_summaries.update(clock.now()),
        "status": lambda _: status_of(app, clock),
    }


def status_of(app: App, clock: ManualClock) -> None:
    with app.store.read() as connection:
        overview(connection, MINUTE, clock.now())
