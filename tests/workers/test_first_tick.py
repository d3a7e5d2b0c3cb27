"""The first ticks after a start with many models: what is critical is judged, however little time there is."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monitor import pipeline
from monitor.alerts.settings import AlertSettings, Route
from monitor.predictions.log.batch import split
from monitor.records import Action, Alert, Severity, State, Stream, fingerprint
from monitor.store import alerts, outbox, uncounted_batches
from monitor.windows.due_windows import DueWindows
from monitor.windows.round_robin import MANY, RoundRobin
from tests.workers.conftest import MINUTE, Fleet, fleet_of, rows_of


def without_time(fleet: Fleet) -> None:
    """A daemon that has no time for any model beyond those that a tick always serves."""
    app = fleet.app
    judge = replace(app.pipeline.judge, order=RoundRobin(0.0), evaluating=RoundRobin(0.0))
    judge.measuring.round_robin = judge.measuring.last_seconds.round_robin = RoundRobin(0.0)
    app.pipeline = replace(app.pipeline, judge=judge)


def test_models_with_a_critical_alert_are_judged_in_the_first_tick_whatever_the_time(tmp_path: Path) -> None:
    with fleet_of(tmp_path / "fleet", 24, 1) as fleet:
        without_time(fleet)
        critical = set(fleet.streams[-10:])  # more than one transaction counts or measures
        with fleet.app.store.write() as connection:
            alerts.put(
                connection,
                [
                    Alert(
                        fingerprint("HighErrorRate", stream, ()),
                        "HighErrorRate",
                        Severity.CRITICAL,
                        stream,
                        state=State.FIRING,
                        fired_at=fleet.clock.now() - 600,
                    )
                    for stream in critical
                ],
            )
        rows = rows_of(fleet.clock.now(), 1)
        for stream in fleet.streams:
            fleet.app.log.append(split(stream, rows, MINUTE))
        fleet.clock.advance(2 * MINUTE)
        fleet.app.tick()
        with fleet.app.store.read() as connection:
            waiting = set(uncounted_batches.waiting_streams(connection))
            known = alerts.load(connection).values()
        progress = fleet.app.pipeline.judge.measuring._progress
        measured = {stream for stream in fleet.streams if progress[stream].readings}
        assert not waiting & critical, "they were counted"
        assert measured >= critical, "and measured"
        judged = {one.stream for one in known if one.evaluated_at == fleet.clock.now()}
        assert judged >= critical, "and their alerts judged by it"
        assert len(waiting) > 5, "there was no time for the others"
        assert len(measured) < 18
        for _ in range(3):
            fleet.clock.advance(2.0)
            fleet.app.tick()
        with fleet.app.store.read() as connection:
            assert uncounted_batches.waiting_streams(connection) == [], "whose turn came later"


def test_of_many_models_the_one_that_fails_is_paged_of_before_any_other_is_counted(tmp_path: Path) -> None:
    with fleet_of(tmp_path / "fleet", MANY + 1, 1) as fleet:
        without_time(fleet)
        rows, failing = rows_of(fleet.clock.now(), 1), rows_of(fleet.clock.now(), 2, is_failing=True)
        last = max(fleet.streams)
        for stream in fleet.streams:
            fleet.app.log.append(split(stream, failing if stream == last else rows, MINUTE))
        fleet.clock.advance(MINUTE)
        waited: list[int] = []

        def on_page() -> None:
            with fleet.app.store.read() as connection:
                waited.append(len(uncounted_batches.waiting_streams(connection)))

        settings = AlertSettings(critical=Route(channels=("webhook",)))
        fleet.app.pipeline = replace(fleet.app.pipeline, wake=on_page, alerts=settings)
        fleet.app.tick()
        assert waited == [MANY], "when its page was planned, all others had yet to be counted"
        with fleet.app.store.read() as connection:
            [delivery] = outbox.waiting(connection)
            paged = [one for one in alerts.load(connection).values() if one.is_open]
        assert [(one.rule, one.stream) for one in paged] == [("HighErrorRate", last)]
        assert delivery.action is Action.TRIGGER
        for _ in range(3):
            fleet.clock.advance(2.0)
            fleet.app.tick()
        with fleet.app.store.read() as connection:
            assert len(outbox.waiting(connection)) == 1, "it is paged of once"


def test_what_begins_to_fail_while_many_models_are_measured_is_paged_of_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "SECONDS", 0.0)  # between any two transactions, not every four seconds
    with fleet_of(tmp_path / "fleet", MANY + 1, 1) as fleet:
        app, last = fleet.app, max(fleet.streams)
        rows, failing = rows_of(fleet.clock.now(), 1), rows_of(fleet.clock.now(), 2, is_failing=True)
        for stream in fleet.streams:
            app.log.append(split(stream, rows, MINUTE))
        fleet.clock.advance(2 * MINUTE)
        measuring = app.pipeline.judge.measuring
        measure, measured, when_paged = measuring._attempt, set[Stream](), list[int]()

        def attempt(some: Sequence[DueWindows], *rest: Any) -> None:
            if not measured:
                app.log.append(split(last, failing, MINUTE))
            measure(some, *rest)
            measured.update(due.stream for due in some)

        monkeypatch.setattr(measuring, "_attempt", attempt)
        settings = AlertSettings(critical=Route(channels=("webhook",)))
        app.pipeline = replace(app.pipeline, wake=lambda: when_paged.append(len(measured)), alerts=settings)
        app.tick()
        assert len(measured) == MANY + 1
        assert when_paged[0] < 10, "few were measured when its page was planned"
        with app.store.read() as connection:
            assert len(outbox.waiting(connection)) == 1


def test_a_model_is_measured_once_its_rows_are_counted_and_not_without_them(tmp_path: Path) -> None:
    with fleet_of(tmp_path / "fleet", 24, 1) as fleet:
        app = fleet.app
        judge = replace(app.pipeline.judge, order=RoundRobin(0.0))  # one transaction's models a tick
        app.pipeline = replace(app.pipeline, judge=judge)
        rows = rows_of(fleet.clock.now(), 1)
        for stream in fleet.streams:
            app.log.append(split(stream, rows, MINUTE))
        fleet.clock.advance(2 * MINUTE)
        app.tick()
        measured = []
        for _ in range(4):
            with app.store.read() as connection:
                waiting = set(uncounted_batches.waiting_streams(connection))
            progress = judge.measuring._progress
            measured.append({stream for stream in fleet.streams if progress[stream].readings})
            assert measured[-1] == set(fleet.streams) - waiting
            fleet.clock.advance(2.0)
            app.tick()
        assert 0 < len(measured[0]) < len(measured[1]) < len(fleet.streams)
        assert measured[-1] == set(fleet.streams)
        for stream in fleet.streams:
            volume = next(one for one in progress[stream].readings[60 * MINUTE] if one.metric == "volume")
            assert volume.value == rows.num_rows, "of no model without its rows"
