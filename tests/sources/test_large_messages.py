"""A message larger than a request body may be is refused by its size, before anything decodes it."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.clock import SystemClock
from monitor.predictions.intake.parse import ParsedRequest
from monitor.predictions.log.writer import PredictionLog
from monitor.predictions.settings import PredictionSettings
from monitor.sources.formats.format import FieldMapping, Format
from monitor.sources.formats.mapped import MappedFormat
from monitor.sources.formats.plain import PlainFormat
from monitor.sources.reading import PayloadReader
from monitor.sources.source import Payload
from monitor.store.db import Store
from monitor.store.migrate import migrate

LIMIT = 10_000


@pytest.fixture
def log(tmp_path: Path) -> Iterator[PredictionLog]:
    store = Store(f"sqlite:///{tmp_path}/watchkeeper.db")
    migrate(store)
    yield PredictionLog(store, PredictionSettings(body_limit=LIMIT), SystemClock())
    store.close()


def payload(size: int, place: int = 0, content: bytes = b"") -> Payload:
    record = {
        "client": "acme",
        "model": "fraud",
        "id": f"p-{place}",
        "timestamp": time.time(),
        "prediction": "ok",
    }
    body = content or json.dumps(record).encode()
    return Payload(body + b" " * (size - len(body)), f"partition 0, offset {place}", "0", str(place + 1))


def accepted(requests: list[ParsedRequest]) -> int:
    return sum(request.accepted for request in requests)


def refused(requests: list[ParsedRequest]) -> list[str]:
    return [one.rejected.error for request in requests for one in request.rejected]


@pytest.mark.parametrize("form", [PlainFormat(), MappedFormat(FieldMapping(fields={"id": "$.id"}))])
@pytest.mark.parametrize("is_ordered", [True, False])
@pytest.mark.parametrize(
    "content", [b"", b"[" * LIMIT, b"\xff" * LIMIT, b" "], ids=["a record", "depth", "bytes", "white space"]
)
def test_it_is_refused_by_its_size_and_the_others_are_read(
    log: PredictionLog, form: Format, is_ordered: bool, content: bytes
) -> None:
    reader = PayloadReader("orders", form, log, {}, is_ordered=is_ordered)
    (words,) = refused(reader.read(payload(LIMIT + 1, content=content)).requests)
    assert words == f"source orders, partition 0, offset 0: it is larger than {LIMIT:,} bytes"


def test_one_that_is_as_large_as_it_may_be_is_taken_with_its_neighbours(log: PredictionLog) -> None:
    reader = PayloadReader("orders", PlainFormat(), log, {})
    requests = reader.read_all(
        [payload(200, 0), payload(LIMIT, 1), payload(LIMIT + 1, 2), payload(200, 3)]
    ).requests
    assert accepted(requests) == 3
    (words,) = refused(requests)
    assert "offset 2" in words
    fits = reader.read_all([payload(LIMIT, place) for place in range(5)]).requests
    assert accepted(fits) == 5
