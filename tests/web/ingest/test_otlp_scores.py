"""Results of evaluations over OTLP become scores: stored once, by evaluator and version, and measured."""

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from scipy import stats

from monitor.clock import ManualClock
from monitor.evaluation.evaluators.score_metrics import ScoreMetrics
from monitor.records import Stream
from monitor.store import scores
from tests.support import otlp
from tests.support.ingest_server import Ingest, serving
from tests.support.log import NOW
from tests.support.otlp import JSON, PROTOBUF, send
from tests.support.waiting import until

BOT = Stream("acme", "bot", "production")


@pytest.fixture
def ingest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingest]:
    with serving(tmp_path_factory.mktemp("scores"), ManualClock(NOW)) as running:
        yield running


def request(
    *values: float, name: str = "groundedness", version: str = "1.2", first: int = 0, **more: Any
) -> ExportLogsServiceRequest:
    """A request with one result for each value, of calls of their own."""
    made = ExportLogsServiceRequest()
    group = made.resource_logs.add()
    group.resource.attributes.extend(otlp.pairs({"service.name": "bot", "watchkeeper.client": "acme"}))
    scope = group.scope_logs.add()
    scope.scope.name, scope.scope.version = "evals", version
    for number, value in enumerate(values):
        record = scope.log_records.add(event_name="gen_ai.evaluation.result")
        about = {"gen_ai.evaluation.name": name, "gen_ai.evaluation.score.value": value,
                 "gen_ai.response.id": f"r-{first + number}", **more}  # fmt: skip
        record.attributes.extend(otlp.pairs({key: one for key, one in about.items() if one is not None}))
    return made


def stored(ingest: Ingest) -> list[tuple[str, str, str, float | None, str | None]]:
    with ingest.store.read() as connection:
        rows = connection.execute(scores.SCORES.select().order_by(scores.SCORES.c.prediction)).all()
    return [(row.prediction, row.score, row.evaluator, row.value, row.label) for row in rows]


def refused(answer: Any) -> tuple[int, str]:
    partial = answer.json().get("partialSuccess", {})
    return int(partial.get("rejectedLogRecords", 0)), partial.get("errorMessage", "")


@pytest.mark.parametrize("encoding", [PROTOBUF, JSON])
def test_a_result_is_stored_once_and_versions_of_an_evaluator_never_mix(
    ingest: Ingest, encoding: str
) -> None:
    for _ in range(2):
        assert send(ingest, request(0.5, 0.25), encoding, "logs").status_code == 200
    send(ingest, request(0.9, version="1.3"), encoding, "logs")
    assert sorted(stored(ingest)) == [
        ("r-0", "groundedness", "evals@1.2", 0.5, None),
        ("r-0", "groundedness", "evals@1.3", 0.9, None),
        ("r-1", "groundedness", "evals@1.2", 0.25, None),
    ]


def test_the_mean_and_its_interval_are_measured_by_evaluator(ingest: Ingest) -> None:
    values = [0.1, 0.4, 0.4, 0.7, 0.9, 1.0]
    send(ingest, request(*values), PROTOBUF, "logs")
    send(ingest, request(0.5, version="2"), PROTOBUF, "logs")
    send(ingest, request(1, 2, 3, 4, 5, name="length"), PROTOBUF, "logs")
    found = ScoreMetrics(ingest.store).measure(NOW + 10)[BOT]
    by_label = {(one.label("score"), one.label("evaluator")): one for one in found}
    of_first = by_label["groundedness", "evals@1.2"]
    assert of_first.value == pytest.approx(sum(values) / 6)
    half = stats.norm.ppf(0.975) * stats.tstd(values) * (5 / 6) ** 0.5 / 6**0.5
    assert of_first.low == pytest.approx(sum(values) / 6 - half, rel=1e-3)
    assert by_label["length", "evals@1.2"].value == 3
    few = by_label["groundedness", "evals@2"]
    assert (few.value, few.reason) == (None, "1 scores in the last hour, fewer than 5")
    assert ScoreMetrics(ingest.store).measure(NOW + 7200) == {}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"gen_ai.evaluation.name": None}, "has no gen_ai.evaluation.name"),
        ({"gen_ai.evaluation.score.value": None}, "has neither gen_ai.evaluation.score.value nor"),
        ({"gen_ai.evaluation.score.value": float("nan")}, "is not a finite number"),
        ({"gen_ai.response.id": None}, "names no call"),
        ({"gen_ai.response.id": "x" * 300}, "names no call"),
        ({"watchkeeper.client": "a/b"}, "names no client and model"),
        ({"deployment.environment": "moon"}, "is not known"),
    ],
)
def test_a_result_that_says_too_little_is_refused_with_its_reason(
    ingest: Ingest, more: dict[str, Any], words: str
) -> None:
    sent = request(0.5, **more)
    sent.MergeFrom(request(0.7, first=9))
    count, reason = refused(send(ingest, sent, JSON, "logs"))
    assert count == 1
    assert words in reason
    assert [row[0] for row in stored(ingest)] == ["r-9"]


def test_a_label_alone_is_stored_and_has_no_mean_and_a_key_names_the_client(ingest: Ingest) -> None:
    labelled = {"gen_ai.evaluation.score.value": None, "gen_ai.evaluation.score.label": "fail"}
    send(ingest, request(*[0.0] * 6, **labelled), PROTOBUF, "logs")
    assert {row[3:] for row in stored(ingest)} == {(None, "fail")}
    assert ScoreMetrics(ingest.store).measure(NOW) == {}
    key = ingest.make_key("umbrella")
    assert isinstance(ingest.log.clock, ManualClock)
    ingest.log.clock.advance(10)  # keys are read again
    sent = request(0.5, first=100)
    until(lambda: send(ingest, sent, JSON, "logs", key).status_code == 200, "the key is known")
    assert "another client" in refused(send(ingest, sent, JSON, "logs", key))[1]


def test_old_scores_are_deleted_in_portions(ingest: Ingest) -> None:
    with ingest.store.write() as connection:
        for number in range(25):
            one = scores.Score(BOT, "x", "e", f"p-{number}", 1.0)
            scores.put(connection, [one], float(number // 10 * 10))
        while scores.delete_before(connection, 20.0, limit=7):
            pass
    assert len(stored(ingest)) == 5
