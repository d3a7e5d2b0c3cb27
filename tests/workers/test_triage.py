"""Triage of many models: what fails is paged of before the tick is over, unless it is silenced or triage fails."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event
from types import ModuleType
from typing import Any

import pytest

from monitor import pipeline
from monitor.alerts.settings import AlertSettings, Route
from monitor.predictions.log.batch import split
from monitor.records import Silence, Stream
from monitor.store import alerts, outbox, silences
from monitor.store.fenced_store import LeaseLostError
from monitor.windows.round_robin import MANY
from monitor.workers import triage
from monitor.workers.assignment import IsMine, owner
from monitor.workers.judge import StreamJudge
from tests.workers.conftest import MINUTE, Fleet, fleet_of, rows_of
from tests.workers.test_first_tick import without_time


class ManyModels:
    """More models than are judged without triage, one of which fails."""

    def __init__(self, fleet: Fleet, failing: Stream) -> None:
        self.fleet, self.failing, self.is_planned = fleet, failing, Event()
        settings = AlertSettings(critical=Route(channels=("webhook",)))
        fleet.app.pipeline = replace(fleet.app.pipeline, wake=self.is_planned.set, alerts=settings)
        usual, failed = rows_of(fleet.clock.now(), 1), rows_of(fleet.clock.now(), 2, is_failing=True)
        for stream in fleet.streams:
            fleet.app.log.append(split(stream, failed if stream == failing else usual, MINUTE))
        fleet.clock.advance(MINUTE)

    def firing(self) -> list[tuple[str, Stream]]:
        """The open alerts."""
        with self.fleet.app.store.read() as connection:
            return [(one.rule, one.stream) for one in alerts.load(connection).values() if one.is_open]

    def pages(self) -> int:
        """How many pages wait to be sent."""
        with self.fleet.app.store.read() as connection:
            return len(outbox.waiting(connection))

    def faults(self) -> list[str]:
        """What failed in ticks."""
        return [one.reason for one in self.fleet.app.store.faults.active() if one.part == "tick"]


@pytest.fixture
def many(tmp_path: Path) -> Iterator[ManyModels]:
    with fleet_of(tmp_path / "fleet", MANY + 1, 1) as fleet:
        yield ManyModels(fleet, max(fleet.streams))


@pytest.mark.parametrize(
    ("module", "name"), [(triage, "count_in_order"), (triage, "evaluate"), (pipeline.paging, "advance")]
)
def test_an_error_in_triage_does_not_end_the_tick_which_pages_in_its_turn(
    many: ManyModels, monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str
) -> None:
    working, count, found = getattr(module, name), StreamJudge.count, list[str]()

    def fail(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("nobody expected this")

    def go_on(*given: Any) -> Any:
        found.extend(many.faults())
        monkeypatch.setattr(module, name, working)
        return count(*given)

    monkeypatch.setattr(module, name, fail)
    monkeypatch.setattr(StreamJudge, "count", go_on)
    done = many.fleet.app.tick()
    assert found == ["ZeroDivisionError: nobody expected this"], "triage failed, and the tick went on"
    assert done.streams == MANY + 2, "with all models, and the daemon itself"
    assert many.firing() == [("HighErrorRate", many.failing)]
    assert many.pages() == 1
    many.fleet.clock.advance(2.0)
    many.fleet.app.tick()
    assert many.faults() == [], "triage works again"
    assert many.pages() == 1


def test_a_lost_lease_in_triage_ends_the_tick(many: ManyModels, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(*_: Any, **__: Any) -> Any:
        raise LeaseLostError("another daemon has them")

    monkeypatch.setattr(triage, "count_in_order", lose)
    assert many.fleet.app.tick().streams == 0
    assert many.firing() == []
    assert many.faults() == [], "this is no fault"


@pytest.mark.parametrize("is_silenced", [True, False])
def test_a_silence_holds_before_the_pages_of_a_triage(many: ManyModels, is_silenced: bool) -> None:
    now = many.fleet.clock.now()
    model = many.failing.model if is_silenced else "another"
    with many.fleet.app.store.write() as connection:
        silences.add(connection, Silence("s1", (f'model="{model}"',), now - 60, now + 3600, "ann", "known"))
    without_time(many.fleet)
    many.fleet.app.tick()
    assert many.firing() == [("HighErrorRate", many.failing)], "it was judged"
    assert many.is_planned.is_set() is not is_silenced
    assert many.pages() == (0 if is_silenced else 1)


def test_what_a_worker_finds_is_planned_while_the_tick_waits_for_that_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fleet_of(tmp_path / "fleet", MANY + 1, 2) as fleet:
        pool = fleet.app.pipeline.workers
        assert pool is not None
        pool._at_most = 600.0  # the tick waits until the worker has answered
        names = [one.name for one in pool.workers]
        many = ManyModels(fleet, next(one for one in fleet.streams if owner(one, names) == names[1]))
        count, planned = StreamJudge.count, list[bool]()

        def wait(judge: StreamJudge, now: float, is_mine: IsMine) -> int:
            if is_mine(many.failing):  # in the worker, which has judged what fails, and nothing else yet
                planned.append(many.is_planned.wait(300.0))
            return count(judge, now, is_mine)

        monkeypatch.setattr(StreamJudge, "count", wait)
        fleet.app.tick()
        assert planned == [True]
        assert many.firing() == [("HighErrorRate", many.failing)]
        assert many.pages() == 1
