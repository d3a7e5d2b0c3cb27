"""A damaged batch stops at most itself: its model goes on being judged for its other batches, and is paged.

Each model of one store has one batch, of which one column is damaged in one way. Then all models fail at once.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import product
from pathlib import Path

import pytest

from monitor.app import App
from monitor.clock import ManualClock
from monitor.config.root import load
from monitor.predictions.intake.parse import RecordKind
from monitor.records import Stream
from monitor.store import alerts, outcomes
from monitor.store.predictions import BATCHES
from monitor.windows import baseline
from tests.store.test_damaged_rows import DAMAGES
from tests.support.log import NOW, send
from tests.support.thorough import thinned

CONFIG = """\
store: {{url: "sqlite:///{folder}/watchkeeper.db"}}
notify: {{file: {{path: "{folder}/told"}}, console: false}}
"""
COLUMNS = [column.name for column in BATCHES.columns if column.name not in ("id", "stream")]
CASES = thinned(list(product(COLUMNS, sorted(DAMAGES))), 2)


def model(number: int) -> str:
    return f"m{number:03}"


def rows(now: float, count: int, **fields: object) -> list[dict[str, object]]:
    return [
        {
            "client": "acme",
            "model": model(number),
            "timestamp": now,
            "id": f"{now}-{place}",
            "features": {"size": 1.5},
            **fields,
        }
        for number in range(len(CASES))
        for place in range(count)
    ]


@pytest.fixture(params=["counted", "uncounted", "uncounted, in the window of the others"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[App]:
    (tmp_path / "watchkeeper.yaml").write_text(CONFIG.format(folder=tmp_path), encoding="utf-8")
    app = App(load(tmp_path / "watchkeeper.yaml"), ManualClock(NOW))
    app.log.start()
    at = NOW if "in the window" in request.param else NOW - 600
    send(app.log, RecordKind.PREDICTIONS, rows(at, 5, prediction="ok"))
    if request.param == "counted":
        app.tick()
    damage(tmp_path / "watchkeeper.db")
    yield app
    app.log.stop()
    app.store.close()


def damage(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        numbers = dict(connection.execute("SELECT model, id FROM streams").fetchall())
        for number, (column, how) in enumerate(CASES):
            stream = numbers[model(number)]
            (value,) = connection.execute(
                f'SELECT "{column}" FROM prediction_batches WHERE stream = ?', (stream,)
            ).fetchone()
            bad = DAMAGES[how](value) if callable(DAMAGES[how]) else DAMAGES[how]
            connection.execute(
                f'UPDATE OR IGNORE prediction_batches SET "{column}" = ? WHERE stream = ?', (bad, stream)
            )
        connection.commit()


def test_a_model_with_a_damaged_batch_is_judged_for_its_others(app: App, tmp_path: Path) -> None:
    clock = app.clock
    assert isinstance(clock, ManualClock)
    for _ in range(4):
        failing = rows(clock.now(), 24, error="timeout")
        send(app.log, RecordKind.PREDICTIONS, failing)
        truths = [
            {**{name: row[name] for name in ("client", "model", "id")}, "truth": "ok"} for row in failing
        ]
        send(app.log, RecordKind.OUTCOMES, truths)
        app.tick()
        while app.dispatcher.step():
            pass
        clock.advance(5)
    matched = caught_up(app)
    with app.store.read() as connection:
        opened = alerts.load_open(connection)
    firing = {
        one.stream.model for one in opened if one.rule == "HighErrorRate" and str(one.state) == "firing"
    }
    silent = [CASES[number] for number in range(len(CASES)) if model(number) not in firing]
    assert silent == []
    assert [fault for fault in app.store.faults.active() if fault.part == "streams"] == []
    assert matched == [4 * 24] * len(CASES)
    for number in range(len(CASES)):
        with app.store.read() as connection:
            made = baseline.from_period(
                connection, Stream("acme", model(number)), NOW - 3600, NOW + 3600, NOW
            )
        assert made.profile.rows >= 4 * 24, CASES[number]


def caught_up(app: App) -> list[int]:
    """The matched outcomes of each model, after the ticks that a busy machine needs for all of them."""
    for _ in range(10):
        matched = [stream_outcomes(app, model(number)) for number in range(len(CASES))]
        if matched == [4 * 24] * len(CASES):
            break
        app.tick()
    return matched


def stream_outcomes(app: App, name: str) -> int:
    with app.store.read() as connection:
        return outcomes.counts(connection, Stream("acme", name)).matched
