"""The thread that stores requests goes on, whatever one of them does to it."""

from pathlib import Path
from queue import Queue
from typing import Any

import msgspec
import pytest

from monitor.clock import ManualClock
from monitor.predictions.intake import parse
from monitor.predictions.intake.parse import ParsedRequest, RecordKind
from monitor.predictions.log import writer as under_test
from monitor.predictions.log.writer import PredictionLog
from monitor.predictions.settings import PredictionSettings
from monitor.store.db import Store, metadata
from tests.support.log import NOW, prediction
from tests.support.waiting import until


class PanicError(BaseException):
    """What a library in another language raises past `Exception`."""


@pytest.mark.parametrize("error", [MemoryError("no"), RuntimeError("no"), PanicError("no"), SystemExit(1)])
def test_a_writer_that_raises_anything_is_begun_again_and_holds_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    store = Store(f"sqlite:///{tmp_path}/a.db")
    metadata.create_all(store.engine)
    log = PredictionLog(store, PredictionSettings(), ManualClock(NOW))
    log.start()
    really, raised = under_test.portions, []

    def once(found: Any) -> Any:
        if not raised:
            raised.append(error)
            raise error
        return really(found)

    monkeypatch.setattr(under_test, "portions", once)
    answers: Queue[Any] = Queue()
    log.submit([(request(log, "lost"), answers.put)])
    until(lambda: [fault.subject for fault in store.faults.active()] == ["prediction-log"], "it is told")
    log.submit([(request(log, "next"), answers.put)])
    assert answers.get(timeout=30).accepted == 1
    until(lambda: log.stats().waiting == 0, "nothing is held")
    log.stop()
    store.close()


def test_an_answer_that_cannot_be_given_keeps_no_other_waiting(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/a.db")
    metadata.create_all(store.engine)
    log = PredictionLog(store, PredictionSettings(), ManualClock(NOW))
    log.start()
    answers: Queue[Any] = Queue()

    def gone(_: object) -> None:
        raise BrokenPipeError

    log.submit([(request(log, "a"), gone), (request(log, "b"), answers.put)])
    assert answers.get(timeout=30).accepted == 1
    assert store.faults.active() == []
    log.stop()
    store.close()


def request(log: PredictionLog, name: str) -> ParsedRequest:
    body = msgspec.json.encode([prediction(id=name)])
    return parse.read(RecordKind.PREDICTIONS, body, "application/json", log.rules(), log.decoders)
