"""Runs of agents over OTLP: each once, whole, however its spans arrive."""

import itertools
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.trace import SpanKind

from monitor.clock import ManualClock, SystemClock
from monitor.maintenance.erasure import ErasureSubject, erase_records
from monitor.predictions.settings import PredictionSettings
from monitor.records import Stream
from monitor.sources.otlp.agents import gathering
from monitor.sources.otlp.agents import waiting_runs as making
from monitor.sources.otlp.agents.gathering import QUIET_AFTER
from monitor.store import scores, waiting_runs
from monitor.store.api_keys import Bounds
from tests.support.ingest_server import Ingest, serving
from tests.support.log import NOW
from tests.support.otlp import CALL, JSON, PROTOBUF, call, evaluation, pairs, rows_of, send, span, traces

SETTINGS = PredictionSettings()
OUTER_WAIT, LONGEST_RUN = SETTINGS.runs_outer_wait, SETTINGS.runs_longest
HELPER = Stream("acme", "helper")
WAIT = 15.0


@pytest.fixture
def ingest(tmp_path: Path) -> Iterator[Ingest]:
    with serving(tmp_path, ManualClock(NOW)) as running:
        yield running


def wait(ingest: Ingest, seconds: float = WAIT + 1) -> None:
    """Let time pass, and the job run."""
    assert isinstance(ingest.log.clock, ManualClock)
    ingest.log.clock.advance(seconds)
    ingest.runs.release()


def agent(number: int = 1, name: str = "helper", **more: Any) -> Span:
    about = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": name}
    return span(number, about, **{"name": f"invoke_agent {name}", "seconds": 20.0, **more})


def tool(number: int, name: str = "search", arguments: str | None = '{"q": 1}', **more: Any) -> Span:
    about = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name}
    if arguments is not None:
        about["gen_ai.tool.call.arguments"] = arguments
    return span(number, about, **{"name": f"execute_tool {name}", "parent": 1, **more})


def runs(ingest: Ingest, stream: Stream = HELPER) -> list[dict[str, Any]]:
    """The stored runs, without what is missing."""
    return [
        {name.removeprefix("features."): value for name, value in row.items() if value is not None}
        for row in rows_of(ingest, stream)
    ]


def waiting(ingest: Ingest) -> int:
    with ingest.store.read() as connection:
        table = waiting_runs.WAITING_RUNS
        return len(connection.execute(table.select().where(table.c.size > 0)).all())


def whole(trace: int = 1) -> list[Span]:
    """A run with a frame, two steps, four calls of tools, one of them in an agent below it."""
    at: dict[str, Any] = {"trace": trace}
    return [
        call(2, "a", parent=1, **at),
        call(3, "a", parent=2, **at),  # the client library's, within the framework's
        span(4, parent=1, name="tools", **at),
        tool(5, parent=4, **at),
        tool(6, arguments='{"q":1}', parent=4, **at),
        tool(7, "book", error="no seat", **at),
        agent(8, "clerk", parent=7, seconds=2, **at),
        tool(9, "stamp", arguments="{}", parent=8, **at),
        call(10, "b", parent=8, **at),
        agent(**at),
    ]


WHOLE = {
    "id": f"{1:016x}",
    "timestamp": 1_795_420_800_000_000,
    "prediction": "true",
    "latency_ms": 20_000.0,
    "steps": 2.0,
    "tool_calls": 4.0,
    "tool_errors": 1.0,
    "loops": 1.0,
    "input_tokens": 50.0,
    "output_tokens": 12.0,
    "tool_calls.search": 2.0,
    "tool_errors.search": 0.0,
    "tool_calls.book": 1.0,
    "tool_errors.book": 1.0,
    "tool_calls.stamp": 1.0,
    "tool_errors.stamp": 0.0,
}


@pytest.mark.parametrize("encoding", [PROTOBUF, JSON])
def test_a_run_has_what_its_spans_tell_and_calls_stay_predictions_of_their_own(
    ingest: Ingest, encoding: str
) -> None:
    assert send(ingest, traces(*whole()), encoding).status_code == 200
    wait(ingest, WAIT - 1)
    assert runs(ingest) == []
    wait(ingest, 2)
    assert runs(ingest) == [WHOLE]
    assert [row["id"] for row in rows_of(ingest)] == ["a", "b"]
    assert waiting(ingest) == 0


def test_spans_come_in_any_order_in_any_requests_and_again(ingest: Ingest) -> None:
    chance = random.Random(4)
    for trace in range(1, 25):
        spans = whole(trace)
        chance.shuffle(spans)
        cuts = sorted(chance.sample(range(1, len(spans)), 3))
        parts = [spans[a:b] for a, b in itertools.pairwise([0, *cuts, len(spans)])]
        for part in (*parts, *chance.sample(parts, 2)):
            assert send(ingest, traces(*part)).status_code == 200
    wait(ingest)
    wait(ingest, OUTER_WAIT)
    found = runs(ingest)
    assert len(found) == 24
    known = [{key: value for key, value in run.items() if key != "id"} for run in found]
    assert all(one == {key: value for key, value in WHOLE.items() if key != "id"} for one in known)
    send(ingest, traces(*whole(7)))
    wait(ingest)
    assert len(runs(ingest)) == 24


def test_an_inner_agent_waits_for_the_outer_one_and_is_a_run_if_none_comes(ingest: Ingest) -> None:
    send(ingest, traces(agent(8, "clerk", parent=7, seconds=2), tool(9, parent=8)))
    wait(ingest, 300)
    assert runs(ingest, Stream("acme", "clerk")) == []
    send(ingest, traces(tool(7, "book"), agent()))
    wait(ingest)
    (run,) = runs(ingest)
    assert (run["tool_calls"], run["tool_calls.book"]) == (2.0, 1.0)
    assert runs(ingest, Stream("acme", "clerk")) == []
    send(ingest, traces(agent(18, "clerk", parent=17, trace=2), tool(19, parent=18, trace=2)))
    wait(ingest, OUTER_WAIT - 1)
    assert waiting(ingest) == 1
    wait(ingest, 2)
    assert [run["tool_calls"] for run in runs(ingest, Stream("acme", "clerk"))] == [1.0]
    assert waiting(ingest) == 0


def test_runs_of_one_trace_are_told_apart_also_where_a_span_between_is_missing(ingest: Ingest) -> None:
    first, second = NOW - 100, NOW - 50
    send(
        ingest,
        traces(
            tool(11, parent=99, start=first + 1),
            tool(21, "book", parent=98, start=second + 1),
            tool(22, "stray", parent=97, start=second + 40),
            agent(1, start=first),
        ),
    )
    wait(ingest)
    assert [run.get("tool_calls.search") for run in runs(ingest)] == [1.0]
    assert waiting(ingest) == 1
    send(ingest, traces(agent(2, start=second)))
    wait(ingest)
    assert {run["id"]: run["tool_calls"] for run in runs(ingest)} == {f"{1:016x}": 1.0, f"{2:016x}": 1.0}
    assert waiting(ingest) == 1
    wait(ingest, LONGEST_RUN + OUTER_WAIT + WAIT)
    assert waiting(ingest) == 0


def test_an_agent_that_another_program_calls_is_a_run_of_its_own(ingest: Ingest) -> None:
    entry = span(3, parent=2, name="POST /clerk")
    entry.kind = Span.SPAN_KIND_SERVER
    flagged = agent(13, "clerk", parent=12, trace=2)
    flagged.flags = 0x300
    send(ingest, traces(tool(2, "delegate"), agent()))
    send(ingest, traces(tool(5, parent=4), agent(4, "clerk", parent=3), entry, service__name="clerks"))
    send(ingest, traces(flagged, service__name="clerks"))
    wait(ingest)
    assert [run["tool_calls"] for run in runs(ingest)] == [1.0]
    found = runs(ingest, Stream("acme", "clerk"))
    assert sorted(run["tool_calls"] for run in found) == [0.0, 1.0]


@pytest.mark.parametrize(
    ("attributes", "resource", "model", "more"),
    [
        ({}, {"watchkeeper__agent": "desk"}, "desk", {}),
        ({"gen_ai.agent.name": ""}, {}, "support-bot agent", {}),
        ({"gen_ai.agent.name": "support-bot"}, {}, "support-bot agent", {}),
        ({"gen_ai.agent.name": "a/b"}, {}, "a-b", {}),
        ({"gen_ai.agent.version": "3"}, {"service__version": "9"}, "helper", {"version": "3"}),
        ({}, {"service__version": "9"}, "helper", {"version": "9"}),
        ({"error.type": "app.StuckError"}, {}, "helper", {"error": "StuckError"}),
    ],
)
def test_whose_run_it_is(
    ingest: Ingest, attributes: dict[str, Any], resource: dict[str, Any], model: str, more: dict[str, Any]
) -> None:
    made = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "helper", **attributes}
    send(ingest, traces(span(1, made), **resource))
    wait(ingest)
    (run,) = runs(ingest, Stream("acme", model))
    assert {name: run[name] for name in more} == more
    assert ("prediction" in run) is ("error" not in run)


def test_figures_that_spans_do_not_tell_are_missing_and_not_zero(ingest: Ingest) -> None:
    send(ingest, traces(tool(2, arguments=None), tool(3, "tool 41", arguments="{}"), agent()))
    wait(ingest)
    (run,) = runs(ingest)
    assert (run["tool_calls"], run["tool_errors"]) == (2.0, 0.0)
    assert not run.keys() & {"steps", "loops", "input_tokens", "cost", "tool_calls.tool 41"}


def test_tokens_of_a_whole_run_are_taken_where_its_calls_tell_none(ingest: Ingest) -> None:
    usage = {"gen_ai.aggregated_usage.input_tokens": 51, "gen_ai.usage.output_tokens": 9}
    made = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "helper", **usage}
    send(ingest, traces(span(1, made)))
    wait(ingest)
    (run,) = runs(ingest)
    assert (run["input_tokens"], run["output_tokens"]) == (51.0, 9.0)


def test_a_program_without_agents_keeps_nothing_and_its_first_run_is_not_counted_in_part(
    ingest: Ingest,
) -> None:
    send(ingest, traces(call(2, "a", parent=1)))
    assert waiting(ingest) == 1
    wait(ingest, QUIET_AFTER + 1)
    send(ingest, traces(call(3, "b", parent=1, trace=2)))
    assert waiting(ingest) == 1
    send(ingest, traces(call(4, "c", parent=1, trace=2), agent(trace=2)))
    later = NOW + QUIET_AFTER + 20
    send(ingest, traces(call(5, "d", parent=1, trace=3, start=later), agent(trace=3, start=later)))
    wait(ingest)
    assert [run.get("steps") for run in runs(ingest)] == [None, 1.0]


def test_many_calls_without_an_agent_are_not_kept(ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "MOST_IN_VAIN", 3)
    send(ingest, traces(*(call(2, f"a{trace}", parent=1, trace=trace) for trace in range(1, 9))))
    assert waiting(ingest) == 3
    send(ingest, traces(tool(3, trace=9), agent(trace=9, start=NOW - 10)))
    later = NOW + 5
    send(ingest, traces(call(2, "b", parent=1, trace=10, start=later), agent(trace=10, start=later)))
    wait(ingest)
    assert sorted(str(run.get("tool_calls")) for run in runs(ingest)) == ["0.0", "None"]


def test_a_judge_scores_a_run_in_the_context_of_its_agent(ingest: Ingest) -> None:
    send(ingest, traces(agent(7)))
    request = evaluation(**{"gen_ai.evaluation.name": "goal_reached", "gen_ai.evaluation.score.value": 1.0})
    group = request.resource_logs[0]
    group.resource.attributes.extend(pairs({"watchkeeper.client": "acme", "watchkeeper.model": "helper"}))
    record = group.scope_logs[0].log_records[0]
    record.trace_id, record.span_id = (1).to_bytes(16, "big"), (7).to_bytes(8, "big")
    assert send(ingest, request, signal="logs").status_code == 200
    wait(ingest)
    with ingest.store.read() as connection:
        (score,) = connection.execute(scores.SCORES.select()).all()
    assert [run["id"] for run in runs(ingest)] == [score.prediction]
    assert (score.score, score.value) == ("goal_reached", 1.0)


def test_what_a_key_may_not_write_is_refused_at_once(ingest: Ingest) -> None:
    key = ingest.make_key("acme", bound=Bounds(models=("support-bot",)))
    answer = send(ingest, traces(*whole()), JSON, key=key).json()["partialSuccess"]
    assert answer["rejectedSpans"] in (2, "2")
    assert "helper" in answer["errorMessage"] or "model" in answer["errorMessage"]
    wait(ingest)
    assert runs(ingest) == []


def test_room_is_limited_and_what_was_refused_makes_no_wrong_figure(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest.runs, "_most_spans", 3)
    send(ingest, traces(*(tool(number) for number in range(2, 9))))
    send(ingest, traces(agent()))
    wait(ingest)
    assert "tool_calls" not in runs(ingest)[0]
    monkeypatch.setattr(making, "MOST_ROWS", 0)
    answer = send(ingest, traces(tool(2, trace=2), agent(trace=2)), JSON).json()["partialSuccess"]
    assert "too many spans" in answer["errorMessage"]
    monkeypatch.undo()
    send(ingest, traces(agent(trace=2)))
    wait(ingest)
    assert all("tool_calls" not in run for run in runs(ingest))


def test_damaged_rows_stop_no_other_and_a_restart_loses_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    at = ManualClock(NOW)
    with serving(tmp_path, at) as before:
        send(before, traces(tool(2), agent()))
        send(before, traces(tool(2, trace=2), agent(trace=2)))
        with before.store.write() as connection:
            rows = connection.execute(waiting_runs.WAITING_RUNS.select()).all()
            here = waiting_runs.WAITING_RUNS.c.trace == rows[0].trace
            connection.execute(waiting_runs.WAITING_RUNS.update().where(here).values(content=b"\xc1WKS?"))
    with serving(tmp_path, at) as after:
        wait(after)
        assert [run["tool_calls"] for run in runs(after)] == [1.0]
        assert "spans that waited are damaged" in caplog.text
        assert waiting(after) == 0


def test_arguments_are_not_kept_and_what_waits_is_erased(ingest: Ingest) -> None:
    send(ingest, traces(tool(2, arguments='{"name": "Ada Lovelace"}'), agent(name="for-ada")))
    with ingest.store.read() as connection:
        (row,) = connection.execute(waiting_runs.WAITING_RUNS.select()).all()
    assert b"Lovelace" not in row.content
    erase_records(ingest.store, "acme", ErasureSubject(column="user", value="for-ada"), NOW, "me", "test")
    assert waiting(ingest) == 0


@pytest.mark.parametrize("batched", [True, False])
def test_the_official_sdk_delivers_a_run(
    tmp_path: Path, batched: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(tmp_path, SystemClock(), runs_wait=0.0) as ingest:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", ingest.url)
        provider = TracerProvider(
            resource=Resource.create({"service.name": "desk", "watchkeeper.client": "acme"})
        )
        exporter = OTLPSpanExporter()
        provider.add_span_processor(
            BatchSpanProcessor(exporter) if batched else SimpleSpanProcessor(exporter)
        )
        tracer = provider.get_tracer("test")
        about = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "helper"}
        with (
            tracer.start_as_current_span("POST /ask", kind=SpanKind.SERVER),
            tracer.start_as_current_span("invoke_agent helper", attributes=about),
        ):
            for _ in range(3):
                with tracer.start_as_current_span("chat", kind=SpanKind.CLIENT, attributes=CALL):
                    pass
                _work(tracer)
        provider.shutdown()
        ingest.runs.release()
        (run,) = runs(ingest)
        assert {name: run[name] for name in ("steps", "tool_calls", "tool_errors", "loops")} == {
            "steps": 3.0, "tool_calls": 3.0, "tool_errors": 3.0, "loops": 2.0,
        }  # fmt: skip


def _work(tracer: Any) -> None:
    about = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "search",
        "gen_ai.tool.call.arguments": "{}",
    }
    try:
        with tracer.start_as_current_span("execute_tool search", attributes=about):
            raise ValueError("no such page")
    except ValueError:
        pass
