"""The thread that stores requests goes on, whatever one of them does to it."""

from pathlib import Path
from queue import Queue
from typing import Any

import msgspec
import pytest

from monitor.clock import ManualClock
from monitor.predictions.intake import parse
from monitor.predictions.intake.bodies import ReadApartError
from monitor.predictions.intake.fast_decoder import FastDecoders
from monitor.predictions.intake.parse import ParsedRequest, RecordKind
from monitor.predictions.intake.requests import Most, RawRequest, portion
from monitor.predictions.intake.schema import Rules
from monitor.predictions.log import writer as under_test
from monitor.predictions.log.writer import PredictionLog
from monitor.predictions.settings import PredictionSettings
from monitor.store.db import Store
from tests.support import schema
from tests.support.log import NOW, prediction
from tests.support.waiting import until


class PanicError(BaseException):
    """What a library in another language raises past `Exception`."""


@pytest.mark.parametrize("error", [MemoryError("no"), RuntimeError("no"), PanicError("no"), SystemExit(1)])
def test_a_writer_that_raises_anything_is_begun_again_and_holds_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    store = Store(f"sqlite:///{tmp_path}/a.db")
    schema.create(store)
    log = PredictionLog(store, PredictionSettings(), ManualClock(NOW))
    log.start()
    really, raised = under_test.portion, []

    def once(*found: Any) -> Any:
        if not raised:
            raised.append(error)
            raise error
        return really(*found)

    monkeypatch.setattr(under_test, "portion", once)
    answers: Queue[Any] = Queue()
    log.submit([(request(log, "lost"), answers.put)])
    until(lambda: [fault.subject for fault in store.faults.active()] == ["prediction-log"], "it is told")
    log.submit([(request(log, "next"), answers.put)])
    assert answers.get(timeout=300).accepted == 1
    until(lambda: log.stats().waiting == 0, "nothing is held")
    log.stop()
    store.close()


def test_an_answer_that_cannot_be_given_keeps_no_other_waiting(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/a.db")
    schema.create(store)
    log = PredictionLog(store, PredictionSettings(), ManualClock(NOW))
    log.start()
    answers: Queue[Any] = Queue()

    def gone(_: object) -> None:
        raise BrokenPipeError

    log.submit([(request(log, "a"), gone), (request(log, "b"), answers.put)])
    assert answers.get(timeout=300).accepted == 1
    assert store.faults.active() == []
    log.stop()
    store.close()


def request(log: PredictionLog, name: str) -> ParsedRequest:
    body = msgspec.json.encode([prediction(id=name)])
    return parse.read(RecordKind.PREDICTIONS, body, "application/json", log.rules(), log.decoders)


def test_a_commit_takes_a_bounded_time_of_parsing_and_so_many_batches() -> None:
    most, decoders = Most(60.0, 10, seconds=2.0), FastDecoders(PredictionSettings())
    ticks = iter(range(1000))
    entries = [(raw([prediction(id=f"t{n}")]), print) for n in range(9)]
    part, rest = portion(entries, decoders, most, lambda: float(next(ticks)))
    assert (len(part), rest) == (3, entries[3:])
    wide = [(raw([prediction(id=f"w{n}", model=f"m{m}") for m in range(4)]), print) for n in range(9)]
    part, rest = portion(wide, decoders, most, lambda: 0.0)
    assert (len(part), len(rest)) == (2, 7)
    assert isinstance(rest[0][0], ParsedRequest), "it is parsed once"


def test_a_commit_measures_so_many_texts() -> None:
    most, decoders = Most(60.0, 10, seconds=2.0, texts=30_000), FastDecoders(PredictionSettings())
    calls = [(raw([prediction(id=f"t{n}", texts={"output": "x " * 6000})]), print) for n in range(9)]
    part, rest = portion(calls, decoders, most, lambda: 0.0)
    assert (len(part), len(rest)) == (2, 7)
    plain = [(raw([prediction(id=f"p{n}", error="x" * 200)] * 1), print) for n in range(9)]
    assert len(portion(plain, decoders, most, lambda: 0.0)[0]) == 9


@pytest.mark.parametrize(
    "records",
    [
        [prediction(id=str(n), model=f"m{n}") for n in range(11)],
        [prediction(id=str(n), timestamp=NOW - 60 * n) for n in range(11)],
        [prediction(id=str(n), confidence=7) for n in range(201)],
        [prediction(id="1", texts={"output": "x " * 20_000})],
    ],
    ids=["many streams", "many windows", "many records that fit no decoder", "long texts"],
)
def test_what_takes_long_is_read_apart(records: list[dict[str, Any]]) -> None:
    answers: list[object] = []
    most, decoders = Most(60.0, 10, seconds=2.0, texts=30_000), FastDecoders(PredictionSettings())
    assert portion([(raw(records), answers.append)], decoders, most, lambda: 0.0) == ([], [])
    assert [type(answer) for answer in answers] == [ReadApartError]


@pytest.mark.parametrize("kind", RecordKind)
def test_long_texts_are_read_apart_before_they_are_parsed(kind: RecordKind) -> None:
    answers: list[object] = []
    request = msgspec.structs.replace(raw([prediction(id="1", texts={"output": "x " * 20_000})]), kind=kind)
    decoders, most = FastDecoders(PredictionSettings()), Most(60.0, 10, seconds=2.0)
    for _ in range(3):  # however often the decoder of the stream has seen such a body
        assert portion([(request, answers.append)], decoders, most, lambda: 0.0) == ([], [])
    assert [type(answer) for answer in answers] == [ReadApartError] * 3


def raw(records: list[dict[str, Any]]) -> RawRequest:
    rules = Rules(PredictionSettings(), NOW)
    return RawRequest(RecordKind.PREDICTIONS, msgspec.json.encode(records), "", rules, "", None)
