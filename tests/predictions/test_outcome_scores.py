"""Scores of evaluators in outcomes: stored once by evaluator and version; an invalid one is refused with a reason."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from monitor.clock import ManualClock
from monitor.sources.formats.plain import PlainFormat
from monitor.sources.source import Payload
from monitor.store import scores
from tests.support.ingest_server import Ingest, serving
from tests.support.log import NOW

GOOD = {"name": "groundedness", "value": 0.5, "evaluator": "judge", "version": "1.2"}


@pytest.fixture(scope="module")
def ingest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingest]:
    with serving(tmp_path_factory.mktemp("scores"), ManualClock(NOW)) as running:
        yield running


def outcome(number: object, *given: Any, **more: Any) -> dict[str, Any]:
    return {"id": f"{number}", "client": "acme", "model": "bot", "scores": list(given), **more}


def send(ingest: Ingest, *records: dict[str, Any]) -> dict[str, Any]:
    answer = ingest.post(json.dumps(records), path="/v1/outcomes").json()
    assert isinstance(answer, dict)
    return answer


def stored(ingest: Ingest, prefix: str) -> list[tuple[str, str, str, float | None, str | None]]:
    with ingest.store.read() as connection:
        rows = connection.execute(scores.SCORES.select().order_by(scores.SCORES.c.evaluator)).all()
    of = [row for row in rows if row.prediction.startswith(prefix)]
    return [(row.prediction, row.score, row.evaluator, row.value, row.label) for row in of]


def test_scores_are_stored_once_with_and_without_a_truth(ingest: Ingest) -> None:
    newer, labelled = (
        {**GOOD, "version": 2, "value": "0.9"},
        {"name": "tone", "label": "rude", "evaluator": "a/b"},
    )
    first = send(ingest, outcome("s-1", GOOD, newer, truth="yes"), outcome("s-2", labelled))
    assert first["accepted"] == 2
    assert "ignored" not in first
    send(ingest, outcome("s-1", {**GOOD, "value": 0.1}))  # the first counts
    assert stored(ingest, "s-") == [
        ("s-2", "tone", "a/b", None, "rude"),
        ("s-1", "groundedness", "judge@1.2", 0.5, None),
        ("s-1", "groundedness", "judge@2", 0.9, None),
    ]
    assert ingest.log.stats().accepted["outcomes"] == 3


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": None}, "scores[1].name is missing"),
        ({"evaluator": " "}, "scores[1].evaluator is missing"),
        ({"value": None}, "scores[1] has neither value nor label"),
        ({"value": True}, "scores[1].value is True, not a number"),
        ({"value": float("inf")}, "scores[1].value is inf"),
        ({"value": 1e101}, "scores[1].value is 1e+101, too large for a mean"),
        ({"name": "x" * 129}, "scores[1].name has 129 characters, more than 128"),
        ({"version": "x" * 128}, "scores[1].version has 128 characters, more than 127"),
        ({"evaluator": "a\0"}, "scores[1].evaluator contains"),
        ({"explanation": "long"}, "scores[1] has the unknown field 'explanation'"),
    ],
)
def test_one_invalid_score_refuses_its_outcome_and_no_other(
    ingest: Ingest, given: dict[str, Any], words: str
) -> None:
    name = f"i-{words}"
    answer = send(ingest, outcome(name, GOOD, {**GOOD, **given}, truth="no"), outcome(f"{name}+", GOOD))
    (refused,) = answer["rejected"]
    assert words in refused["error"]
    assert [row[0] for row in stored(ingest, name)] == [f"{name}+"]


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (outcome("f"), "the outcome has no value"),
        (outcome("f", 0.5), "scores[0] is a number, not an object"),
        (outcome("f", *[GOOD] * 101), "101 scores, more than 100"),
        (outcome("f" * 257, GOOD), "id has 257 characters, more than 256"),
        ({**outcome("f"), "scores": {"a": 1}}, "scores is an object, not a list"),
    ],
)
def test_a_list_that_cannot_be_read_is_refused(ingest: Ingest, record: dict[str, Any], words: str) -> None:
    (refused,) = send(ingest, record)["rejected"]
    assert words in refused["error"]
    assert stored(ingest, "f") == []


def test_a_message_of_a_broker_with_scores_is_an_outcome_and_a_list_of_numbers_is_not() -> None:
    def read(**fields: Any) -> tuple[int, int]:
        contents = PlainFormat().read(Payload(json.dumps({"id": "1", **fields}).encode(), "message"))
        return len(contents.predictions), len(contents.outcomes)

    assert read(scores=[GOOD]) == (0, 1)
    assert read(prediction="a", scores=[GOOD]) == (1, 1)
    assert read(prediction="a", scores=[0.1, 0.9]) == (1, 0)
