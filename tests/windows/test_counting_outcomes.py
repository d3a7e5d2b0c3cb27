"""Outcomes are joined and counted beside the others' writing; whatever happens meanwhile, each is counted once."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from monitor.predictions.intake.parse import RecordKind
from monitor.predictions.log.compaction import compact
from monitor.predictions.log.writer import PredictionLog
from monitor.predictions.outcomes import join
from monitor.records import Window
from monitor.store import outcomes as stored
from monitor.store.db import Store
from monitor.windows import counting
from monitor.windows.counting import count_new
from monitor.windows.outcome_counts import count_outcomes
from monitor.windows.rolling import Rolling
from monitor.windows.settings import WindowSettings
from tests.support.log import NOW, STREAM, outcome, prediction, running, send

SETTINGS = WindowSettings(batches_per_commit=3)
MINUTES = 20
HOUR = Window(int(NOW) - 3600, int(NOW))

Taken = tuple[PredictionLog, Store]


@pytest.fixture
def taken(tmp_path: Path) -> Iterator[Taken]:
    with running(tmp_path) as both:
        yield both


def predict(log: PredictionLog) -> None:
    """One prediction a minute, each a batch of its own."""
    for minute in range(MINUTES):
        send(log, RecordKind.PREDICTIONS, [prediction(id=f"p{minute}", timestamp=HOUR.start + 60 * minute)])


def tell(log: PredictionLog) -> None:
    """One request with the truth of all of them, half of it "ok", and of one that nobody ever saw."""
    told = [outcome(id=f"p{minute}", truth=("ok", "fraud")[minute % 2]) for minute in range(MINUTES)]
    send(log, RecordKind.OUTCOMES, [*told, outcome(id="nobody", truth="ok")])


def assert_each_is_counted_once(store: Store) -> None:
    with store.read() as connection:
        part = Rolling(connection, 60, settled=NOW + 1e6).profile(STREAM, HOUR).overall
        counts = stored.counts(connection, STREAM)
    assert (part.rows, part.flag("truths"), part.flag("right")) == (MINUTES, MINUTES, MINUTES / 2)
    assert (counts.received, counts.matched, counts.waiting) == (MINUTES + 1, MINUTES, 1)


@pytest.mark.parametrize("order", [(predict, tell), (tell, predict)], ids=["after", "before"])
@pytest.mark.parametrize("together", [True, False])
def test_of_outcomes_about_many_batches_some_are_written_at_a_time(
    taken: Taken,
    order: tuple[Callable[[PredictionLog], None], ...],
    together: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(join, "_MAX_BATCHES", 4)
    log, store = taken
    for step in order:
        step(log)
        if not together:
            count_new(store, SETTINGS, NOW)
    count_new(store, SETTINGS, NOW)
    assert_each_is_counted_once(store)
    assert count_new(store, SETTINGS, NOW) == []


def meanwhile(monkeypatch: pytest.MonkeyPatch, taken: Taken, happens: Callable[[Store], object]) -> None:
    """Count outcomes; the first time that some are being counted, something else happens."""
    log, store = taken
    predict(log)
    count_new(store, WindowSettings(), NOW)
    tell(log)

    def interrupted(*arguments: object) -> object:
        monkeypatch.setattr(counting, "count_outcomes", count_outcomes)
        happens(store)
        return count_outcomes(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(counting, "count_outcomes", interrupted)
    count_new(store, WindowSettings(), NOW)


def test_while_outcomes_are_joined_and_counted_others_can_write(
    taken: Taken, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(store: Store) -> None:
        with store.write() as connection:  # would wait for ever inside of a writing transaction
            connection.exec_driver_sql("select 1")

    meanwhile(monkeypatch, taken, write)
    assert_each_is_counted_once(taken[1])


def test_what_somebody_else_joined_meanwhile_is_not_joined_twice(
    taken: Taken, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(monkeypatch, taken, lambda store: count_new(store, SETTINGS, NOW))
    assert_each_is_counted_once(taken[1])


def test_batches_that_were_put_together_meanwhile_lose_no_outcome(
    taken: Taken, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, store = taken
    send(
        log, RecordKind.PREDICTIONS, [prediction(id="another", timestamp=HOUR.start)]
    )  # so that the first window has two batches
    saved: list[int] = []
    meanwhile(monkeypatch, taken, lambda store: saved.append(compact(store, NOW)))
    assert saved == [1]
    with store.read() as connection:
        part = Rolling(connection, 60, settled=NOW + 1e6).profile(STREAM, HOUR).overall
        counts = stored.counts(connection, STREAM)
    assert (part.rows, part.flag("truths")) == (MINUTES + 1, MINUTES)
    assert (counts.matched, counts.waiting) == (MINUTES, 1)


def test_outcomes_that_are_given_up_meanwhile_do_not_come_back(
    taken: Taken, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, store = taken
    send(log, RecordKind.OUTCOMES, [outcome(id="never", truth="ok")])
    count_new(store, SETTINGS, NOW)

    def give_up(store: Store) -> None:
        with store.write() as connection:
            assert join.expire_outcomes(connection, STREAM, NOW + 1, NOW) == 1

    meanwhile(monkeypatch, taken, give_up)
    with store.read() as connection:
        counts = stored.counts(connection, STREAM)
    assert (counts.matched, counts.unmatched, counts.waiting) == (MINUTES, 1, 1)
