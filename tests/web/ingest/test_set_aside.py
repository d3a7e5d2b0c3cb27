"""What waits and cannot be stored holds up nothing behind it: calls that wait for texts, and runs of agents."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from monitor.clock import ManualClock
from monitor.predictions.intake.parse import ParsedRequest
from monitor.predictions.settings import PredictionSettings
from monitor.records import Stream
from monitor.sources.otlp import waiting_calls as joining
from monitor.sources.otlp.agents import waiting_runs as making
from monitor.sources.otlp.set_aside import FIRST_DELAY, LONGEST_DELAY
from monitor.sources.otlp.waiting_calls import TEXTS_WAIT
from tests.support.ingest_server import Ingest, rows_of, serving
from tests.support.log import NOW
from tests.support.otlp import call, send, span, traces

WAIT = 15.0
AT_ONCE = 3
SETTINGS = PredictionSettings()
LONGEST_WAIT = SETTINGS.runs_longest + SETTINGS.runs_outer_wait


@pytest.fixture
def ingest(tmp_path: Path) -> Iterator[Ingest]:
    with serving(tmp_path, ManualClock(NOW), texts_wait=WAIT, runs_wait=WAIT) as running:
        yield running


def _run(number: int) -> Span:
    about = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "helper"}
    return span(number, about, name="invoke_agent helper", seconds=2.0, trace=number)


def _call(number: int) -> Span:
    return call(number, f"{number:016x}", trace=number)


Kind = tuple[Any, Callable[[int], Span], Callable[[Ingest], Any], Stream, float]
CALLS: Kind = (
    joining,
    _call,
    lambda ingest: ingest.waiting,
    Stream("acme", "support-bot"),
    TEXTS_WAIT + WAIT,
)
RUNS: Kind = (
    making, _run, lambda ingest: ingest.runs, Stream("acme", "helper"), LONGEST_WAIT + WAIT,
)  # fmt: skip


def _poison(ingest: Ingest, monkeypatch: pytest.MonkeyPatch, bad: set[str]) -> list[int]:
    """Have the store raise for these ids; the number of records of each transaction that was tried."""
    store, tried = ingest.log.store_delivery, list[int]()

    def storing(requests: Sequence[ParsedRequest], settle: Any) -> Any:
        ids = {identity for request in requests for identity in _ids(request)}
        tried.append(len(ids))
        if ids & bad:
            raise ZeroDivisionError("no such row")
        return store(requests, settle)

    monkeypatch.setattr(ingest.log, "store_delivery", storing)
    return tried


def _ids(request: ParsedRequest) -> Iterator[str]:
    for part in request.parts:
        if isinstance(part.rows, dict):
            yield from map(str, part.rows["id"])
        else:
            yield from (str(row.id) for row in part.rows)


def _advance(ingest: Ingest, kind: Kind, seconds: float) -> None:
    assert isinstance(ingest.log.clock, ManualClock)
    ingest.log.clock.advance(seconds)
    kind[2](ingest).release()


def _stored(ingest: Ingest, kind: Kind) -> list[int]:
    return sorted(int(row["id"], 16) for row in rows_of(ingest, kind[3]))


@pytest.mark.parametrize("kind", [CALLS, RUNS], ids=["calls", "runs"])
def test_more_that_cannot_be_stored_than_are_stored_at_once_hold_up_nothing(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    monkeypatch.setattr(kind[0], "_AT_ONCE", AT_ONCE)
    bad = range(1, 2 * AT_ONCE + 2)
    made = [kind[1](number) for number in range(1, 4 * AT_ONCE)]
    for one in made:  # one by one: the poison is the oldest
        assert send(ingest, traces(one)).status_code == 200
        assert isinstance(ingest.log.clock, ManualClock)
        ingest.log.clock.advance(0.01)
    ids = {f"{number:016x}" for number in bad}
    tried = _poison(ingest, monkeypatch, ids)
    _advance(ingest, kind, WAIT + 1)
    others = list(range(bad.stop, len(made) + 1))
    assert _stored(ingest, kind) == others
    assert {fault.reason for fault in ingest.store.faults.active()} == {"ZeroDivisionError: no such row"}
    assert len(ingest.store.faults.active()) == len(bad)

    tried.clear()
    _advance(ingest, kind, FIRST_DELAY / 2)
    assert not tried, "tried again too early"
    ids.remove(f"{1:016x}")
    _advance(ingest, kind, FIRST_DELAY)
    assert _stored(ingest, kind) == [1, *others]
    assert len(ingest.store.faults.active()) == len(bad) - 1
    ids.clear()
    _advance(ingest, kind, LONGEST_DELAY if kind is RUNS else 2 * FIRST_DELAY)
    assert _stored(ingest, kind) == list(range(1, len(made) + 1))
    assert not ingest.store.faults.active()


@pytest.mark.parametrize("kind", [CALLS, RUNS], ids=["calls", "runs"])
def test_what_could_not_be_stored_in_time_is_deleted_and_reported(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    send(ingest, traces(kind[1](1), kind[1](2)))
    _poison(ingest, monkeypatch, {f"{1:016x}"})
    _advance(ingest, kind, WAIT + 1)
    assert _stored(ingest, kind) == [2]
    _advance(ingest, kind, kind[4] + 1)
    reasons = {fault.reason for fault in ingest.store.faults.active()}
    assert "1 could not be stored in time, and were deleted" in reasons
    _advance(ingest, kind, LONGEST_DELAY)
    assert _stored(ingest, kind) == [2]
