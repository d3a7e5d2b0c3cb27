"""The first day of a model on the whole daemon: silence and answers that are all alike are told, batches are not."""

import random
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from monitor.app import App
from monitor.clock import ManualClock
from monitor.config.root import Config
from monitor.config.units import MINUTE
from monitor.predictions.intake.parse import RecordKind
from monitor.records import Stream
from monitor.store import alerts
from monitor.windows import baseline
from monitor.windows.baseline_from_table import from_table
from tests.support.log import NOW, send

FRAUD = Stream("acme", "fraud")


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    config = {"store": {"url": f"sqlite:///{tmp_path}/a.db"}, "notify": {"console": False}}
    made = App(Config.model_validate(config), ManualClock(NOW))
    made.log.start()
    yield made
    made.log.stop()
    made.store.close()


def tick(app: App, seconds: float, answers: list[str]) -> None:
    """Send these answers, tick, and let time pass."""
    now = app.clock.now()
    rows = [{"client": "acme", "model": "fraud", "timestamp": now, "prediction": one} for one in answers]
    if rows:
        send(app.log, RecordKind.PREDICTIONS, rows)
    app.tick()
    app.clock.advance(seconds)  # type: ignore[attr-defined]


def fired(app: App, rule: str) -> list[float]:
    """When alerts of this rule began to fire."""
    with app.store.read() as connection:
        found = alerts.load(connection).values()
    return [one.fired_at for one in found if one.rule == rule and one.fired_at is not None]


def test_a_steady_model_that_falls_silent_on_its_first_day_is_told_within_ten_minutes(app: App) -> None:
    for _ in range(84):  # seven minutes
        tick(app, 5, ["ok"] * 5)
    silent = app.clock.now()
    for _ in range(30):
        tick(app, 10, [])
    [at] = fired(app, "NoPredictions")
    assert MINUTE < at - silent <= 5 * MINUTE
    tick(app, 5, ["ok"])
    for _ in range(4):
        tick(app, 5, ["ok"])
    with app.store.read() as connection:
        assert [one for one in alerts.load_open(connection) if one.rule == "NoPredictions"] == []


def test_batches_are_never_told_as_silence(app: App) -> None:
    for minute in range(80):
        tick(app, 60, ["ok"] * 600 if minute % 16 == 0 else [])
    assert fired(app, "NoPredictions") == []


@pytest.mark.parametrize("majority", [0.6, 0.85])
def test_two_classes_of_which_one_is_always_answered_are_told_within_five_minutes(
    app: App, majority: float
) -> None:
    chance = random.Random(1)

    def usual(count: int) -> list[str]:
        return ["ok" if chance.random() < majority else "fraud" for _ in range(count)]

    with app.store.write() as connection:
        baseline.save(connection, from_table(FRAUD, pa.table({"prediction": usual(5000)}), NOW), NOW)
    for _ in range(16):
        tick(app, 20, usual(80))
    assert fired(app, "AnswersAlike") == []
    broken = app.clock.now()
    for _ in range(15):
        tick(app, 20, ["ok"] * 80)
    [at] = fired(app, "AnswersAlike")
    assert at - broken <= 5 * MINUTE
