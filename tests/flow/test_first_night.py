"""The first night and the first dawn of a solar plant on the whole daemon: zeros are told as nothing."""

import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from monitor.app import App
from monitor.clock import ManualClock
from monitor.config.root import Config
from monitor.config.units import DAY, HOUR, MINUTE
from monitor.predictions.intake.parse import RecordKind
from monitor.records import Severity, Stream
from monitor.store import alerts
from monitor.windows import baseline
from monitor.windows.baseline_from_table import from_table
from tests.support.log import send

PLANT = Stream("acme", "plant")
MIDNIGHT = 1_795_392_000.0
DAWN = 6 * HOUR


class Plant:
    """Panels at the equator: power, and a model whose errors grow with it."""

    def __init__(self) -> None:
        self.chance = random.Random(7)

    def row(self, at: float) -> dict[str, float]:
        sun = max(0.0, math.sin((at - DAWN) / DAY * 2 * math.pi))
        light = 1000 * sun * (1 - 0.7 * self.chance.betavariate(2, 3))
        power = 0.2 * light
        error = self.chance.gauss(0, 1 + 0.05 * power) if sun else 0.0
        return {"light": light, "hour": at % DAY // HOUR, "power": power, "truth": max(0.0, power + error)}

    def table(self, rows: int) -> pa.Table:
        made = [self.row(self.chance.random() * DAY) for _ in range(rows)]
        names = {"light": "features.light", "hour": "features.hour", "power": "prediction", "truth": "truth"}
        return pa.table({to: [row[name] for row in made] for name, to in names.items()})


def live(app: App, plant: Plant, seconds: float, step: float, rows: int) -> None:
    """Predictions and their truths, at every step."""
    for _ in range(int(seconds / step)):
        now = app.clock.now()
        made = [plant.row(now) for _ in range(rows)]
        base = [
            {"client": "acme", "model": "plant", "id": f"{now}-{at}", "timestamp": now} for at in range(rows)
        ]
        predictions: list[dict[str, Any]] = [
            one | {"features": {"light": row["light"], "hour": row["hour"]}, "prediction": row["power"]}
            for one, row in zip(base, made, strict=True)
        ]
        send(app.log, RecordKind.PREDICTIONS, predictions)
        outcomes = [one | {"truth": row["truth"]} for one, row in zip(base, made, strict=True)]
        send(app.log, RecordKind.OUTCOMES, outcomes)
        app.tick()
        app.clock.advance(step)  # type: ignore[attr-defined]


def told(app: App) -> list[str]:
    """What fired about the plant, but for the digest."""
    with app.store.read() as connection:
        found = alerts.load(connection).values()
    return [
        one.rule
        for one in found
        if one.stream == PLANT and one.fired_at is not None and one.severity is not Severity.INFO
    ]


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    config = {"store": {"url": f"sqlite:///{tmp_path}/a.db"}, "notify": {"console": False}}
    made = App(Config.model_validate(config), ManualClock(MIDNIGHT + DAWN - 3 * HOUR))
    made.log.start()
    yield made
    made.log.stop()
    made.store.close()


def test_answers_that_are_all_zero_in_the_first_night_are_no_news(app: App) -> None:
    plant = Plant()
    with app.store.write() as connection:
        baseline.save(connection, from_table(PLANT, plant.table(4000), MIDNIGHT), MIDNIGHT)
    live(app, plant, 4 * MINUTE, 20, 40)
    assert told(app) == []


def test_errors_that_grow_with_the_sun_at_the_first_dawn_are_no_news(app: App) -> None:
    plant = Plant()
    live(app, plant, 3 * HOUR, 20 * MINUTE, 80)
    live(app, plant, HOUR, 6 * MINUTE, 80)
    assert told(app) == []
