"""Long runs of agents, and those during a restart: what cannot be counted whole has no counts."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.clock import ManualClock
from monitor.records import Stream
from monitor.sources.otlp.agents import known_traces
from monitor.sources.otlp.agents import waiting_runs as making
from monitor.sources.otlp.agents.interruptions import was_interrupted
from monitor.store import uptime
from tests.support.ingest_server import Ingest, serving
from tests.support.log import NOW
from tests.support.otlp import call, send, span, traces
from tests.web.ingest.test_otlp_agents import (
    LONGEST_RUN,
    OUTER_WAIT,
    SETTINGS,
    agent,
    runs,
    tool,
    wait,
    waiting,
)

CLERK = Stream("acme", "clerk")
HOUR = 3600.0


@pytest.fixture
def ingest(tmp_path: Path) -> Iterator[Ingest]:
    with serving(tmp_path, ManualClock(NOW)) as running:
        yield running


def counts(ingest: Ingest) -> list[tuple[float | None, float | None]]:
    """The steps and calls of tools of each run."""
    return [(run.get("steps"), run.get("tool_calls")) for run in runs(ingest)]


def test_a_run_of_hours_and_of_thousands_of_spans_is_counted_whole(ingest: Ingest) -> None:
    number = 2
    for hour in range(5):
        batch = [tool(one, parent=1) for one in range(number, number + 1_200)]
        batch += [
            call(one, f"{one:x}", parent=1, start=NOW + hour * HOUR)
            for one in range(number + 1_200, number + 1_300)
        ]
        assert send(ingest, traces(*batch)).status_code == 200
        number += 1_300
        wait(ingest, HOUR)
    send(ingest, traces(agent(seconds=5 * HOUR)))
    wait(ingest)
    assert counts(ingest) == [(500.0, 6_000.0)]
    assert waiting(ingest) == 0


@pytest.mark.parametrize("hours", [LONGEST_RUN / HOUR, LONGEST_RUN / HOUR + 0.1])
def test_a_run_that_is_longer_than_configured_has_no_counts(ingest: Ingest, hours: float) -> None:
    send(ingest, traces(tool(2)))
    wait(ingest, hours * HOUR)
    send(ingest, traces(tool(3), agent(seconds=hours * HOUR)))
    wait(ingest)
    assert counts(ingest) == [(None, 2.0 if hours * HOUR <= LONGEST_RUN else None)]


@pytest.mark.parametrize("spans", [9, 8])
def test_so_has_one_with_more_spans(tmp_path: Path, spans: int) -> None:
    with serving(tmp_path, ManualClock(NOW), runs_spans=spans) as ingest:
        for number in range(2, 10):
            send(ingest, traces(tool(number)))
        send(ingest, traces(agent()))
        wait(ingest)
        assert counts(ingest) == [(None, 8.0 if spans == 9 else None)]


def test_spans_between_stay_while_an_inner_agent_waits(ingest: Ingest) -> None:
    send(ingest, traces(agent(8, "clerk", parent=7, seconds=2), tool(9, parent=8)))
    send(ingest, traces(span(7, parent=6, name="hand over")))
    for _ in range(10):
        wait(ingest, 20)
    send(ingest, traces(span(6, parent=1, name="plan"), agent()))
    wait(ingest)
    assert counts(ingest) == [(None, 1.0)]
    assert runs(ingest, CLERK) == []
    assert waiting(ingest) == 0


def other(ingest: Ingest) -> Ingest:
    """Another daemon on the same database, that has not seen what the first one has."""
    return replace(ingest, runs=making.WaitingRuns(ingest.log, ingest.store))


@pytest.mark.parametrize("stored_by", [lambda ingest: ingest, other], ids=["the same", "another daemon"])
def test_an_outer_agent_whose_inner_one_was_stored_before_has_no_counts(
    ingest: Ingest, stored_by: Callable[[Ingest], Ingest]
) -> None:
    late = stored_by(ingest)
    send(ingest, traces(agent(8, "clerk", parent=7, seconds=2), tool(9, parent=8), tool(2, start=NOW + 5)))
    wait(ingest, OUTER_WAIT + 1)
    assert [run["tool_calls"] for run in runs(ingest, CLERK)] == [1.0]
    later = NOW + OUTER_WAIT + 100
    send(ingest, traces(tool(7, "book"), agent(seconds=OUTER_WAIT + 50)))
    send(ingest, traces(tool(20, parent=19), agent(19, start=later)))
    wait(late)
    assert counts(ingest) == [(None, None), (None, 1.0)]


def test_nor_has_one_while_it_is_not_known_whose_an_inner_one_is(ingest: Ingest) -> None:
    """Another daemon took in the span between, and could not know that it is needed."""
    send(ingest, traces(agent(8, "clerk", parent=7, seconds=2), tool(9, parent=8), tool(2)))
    send(ingest, traces(agent()))
    wait(ingest)
    assert counts(ingest) == [(None, None)]
    wait(ingest, OUTER_WAIT)
    assert [run["tool_calls"] for run in runs(ingest, CLERK)] == [1.0]


def test_marks_without_room_make_no_run_whole_that_began_before(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(ingest, traces(agent(8, "clerk", parent=7, seconds=2)))
    wait(ingest, OUTER_WAIT + 1)
    monkeypatch.setattr(making, "MOST_ROWS", 1)
    send(ingest, traces(agent(8, "clerk", parent=7, seconds=2, trace=2)))
    wait(ingest, OUTER_WAIT + 1)
    send(ingest, traces(tool(2), agent(seconds=2 * OUTER_WAIT)))
    wait(other(ingest))
    assert counts(ingest) == [(None, None)]


def test_it_has_them_if_agents_may_wait_for_longer(tmp_path: Path) -> None:
    with serving(tmp_path, ManualClock(NOW), runs_outer_wait=HOUR) as ingest:
        send(ingest, traces(agent(8, "clerk", parent=7, seconds=2), tool(9, parent=8), tool(2)))
        for _ in range(10):
            wait(ingest, 200)
        send(ingest, traces(tool(7, "book"), agent(seconds=2_000)))
        wait(ingest)
        assert counts(ingest) == [(None, 3.0)]
        assert runs(ingest, CLERK) == []


def _listened(ingest: Ingest, *periods: tuple[float, float]) -> None:
    with ingest.store.write() as connection:
        for number, (since, until) in enumerate(periods):
            uptime.put(connection, f"daemon {number}", since, until)


@pytest.mark.parametrize(
    ("periods", "is_whole"),
    [
        ([(NOW - HOUR, NOW + 100), (NOW + 110, NOW + 200)], False),
        ([(NOW - HOUR, NOW + 100), (NOW + 90, NOW + 200)], True),  # another daemon listened
        ([(NOW + 90, NOW + 200)], False),
        ([(NOW - HOUR, NOW - 50), (NOW - 40, NOW + 200)], True),
        ([(NOW - HOUR, NOW + 200)], True),
        ([], True),
    ],
)
def test_a_run_during_which_nobody_listened_has_no_counts(
    tmp_path: Path, periods: list[tuple[float, float]], is_whole: bool
) -> None:
    clock = ManualClock(NOW)
    with serving(tmp_path, clock) as before:
        send(before, traces(tool(2)))
    clock.advance(120)
    with serving(tmp_path, clock) as after:
        _listened(after, *periods)
        send(after, traces(tool(3), agent(seconds=120)))
        send(after, traces(tool(2, trace=2), agent(trace=2, start=NOW + 115, seconds=5)))
        wait(after)
        assert counts(after) == [(None, 2.0 if is_whole else None), (None, 1.0)]


def test_a_run_that_ended_just_before_may_not_have_sent_all() -> None:
    periods = [(0.0, 1_000.0), (1_010.0, 2_000.0)]
    assert was_interrupted(periods, 900.0, 990.0)
    assert not was_interrupted(periods, 900.0, 960.0)
    assert not was_interrupted(periods, 1_010.0, 1_500.0)
    assert not was_interrupted(periods, -500.0, -400.0)


@pytest.mark.parametrize("most", [10_000, 1])
def test_what_is_needed_of_a_trace_is_known_after_a_restart_and_when_others_took_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(known_traces, "_MOST", most)
    clock = ManualClock(NOW)
    with serving(tmp_path, clock) as before:
        send(before, traces(agent(8, "clerk", parent=7, seconds=2), tool(9, parent=8)))
        send(before, traces(tool(2, trace=2)))
        send(before, traces(span(7, parent=6, name="hand over")))
        send(before, traces(tool(3, trace=2)))
    with serving(tmp_path, clock) as after:
        send(after, traces(tool(4, trace=2)))
        send(after, traces(span(6, parent=1, name="plan")))
        send(after, traces(agent()))
        wait(after)
        assert counts(after) == [(None, 1.0)]
        assert runs(after, CLERK) == []


def test_spans_without_an_agent_make_room_for_runs(ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "MOST_ROWS", 3)
    for trace in (2, 3, 4):
        send(ingest, traces(tool(2, trace=trace)))
    assert send(ingest, traces(agent()), "application/json").json()["partialSuccess"]
    wait(ingest, HOUR + 1)
    later = NOW + HOUR + 2
    send(ingest, traces(agent(5, trace=5, start=later, seconds=1), tool(2, parent=5, trace=5)))
    send(ingest, traces(agent(6, trace=2, start=NOW - 5, seconds=HOUR)))
    wait(other(ingest))
    assert {run["id"]: run.get("tool_calls") for run in runs(ingest)} == {f"{5:016x}": 1.0, f"{6:016x}": None}


def test_settings_are_those_of_the_documentation() -> None:
    assert (SETTINGS.runs_longest, SETTINGS.runs_outer_wait, SETTINGS.runs_spans) == (6 * HOUR, 900.0, 20_000)
