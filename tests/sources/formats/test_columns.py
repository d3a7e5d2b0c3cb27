"""Captures that are read many at once give what they give one by one."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.clock import ManualClock, SystemClock
from monitor.predictions.log.batch import decode
from monitor.predictions.log.writer import PredictionLog
from monitor.predictions.settings import PredictionSettings
from monitor.sources.formats.captures import sagemaker_columns
from monitor.sources.formats.captures.captured import csv_rows
from monitor.sources.formats.captures.csv_columns import columns
from monitor.sources.formats.captures.sagemaker import SageMakerFormat
from monitor.sources.formats.format import FieldMapping
from monitor.sources.reading import PayloadReader
from monitor.sources.source import Payload
from monitor.store import predictions
from monitor.store.db import Store

NUMBERS = (
    "0",
    "1",
    "-1.5",
    "+2",
    "1e3",
    "1E-3",
    "0.1",
    ".5",
    "5.",
    "-0",
    "3.14159265358979",
    "1e400",
    "12345678901234567",
)
CODES = (
    "007",
    "-01",
    "00",
    "E11",
    "e5",
    ".",
    "-",
    "+",
    "1e",
    "ny",
    "München",
    " x",
    "x ",
    "1_000",
    "٣",
    "inf",
    "a\u00a0",
)
OTHERS = (
    "",
    "nan",
    "NaN",
    '"a"',
    '"a,b"',
    "a\tb",
    "\r",
    "\0",
    "true",
    "\u2028",
    "0x1f",
    "[0.3]",
    '{"score": 1}',
    "[0.3",
)


@pytest.fixture(autouse=True)
def _every_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sagemaker_columns, "_FEW", 0)


def tables(cells: st.SearchStrategy[str]) -> st.SearchStrategy[list[list[str]]]:
    return st.integers(1, 3).flatmap(
        lambda width: st.lists(st.lists(cells, min_size=width, max_size=width), min_size=1, max_size=4)
    )


CELLS = st.one_of(st.sampled_from(NUMBERS), st.sampled_from(CODES), st.sampled_from(OTHERS))


@given(st.one_of(tables(st.sampled_from(NUMBERS)), tables(st.sampled_from(CODES)), tables(CELLS)))
@example([["E11", "1"]])
@example([["007"], ["008"]])
@example([[""], ["1"]])
@example([["1", ""], ["2", "3"]])
def test_law_csv_is_the_same_in_columns(table: list[list[str]]) -> None:
    text = "\n".join(",".join(cells) for cells in table)
    if not text or text[-1] == "\n":
        return
    found = columns([text])
    if found is not None:
        rows = [row if isinstance(row, list) else [row] for row in csv_rows(text)]
        assert [list(row) for row in zip(*[column.to_pylist() for column in found], strict=True)] == rows


@pytest.mark.parametrize(
    "text",
    [
        "1,2,3\n4,5,6",
        "0.5,0,-0.0\n10,0.5,1",
        "1,ny\n2,paris",
        "1,\n,2",
        "007,1\n010,2",
        "nan,1\n2,NaN",
    ],
)
def test_what_is_usual_is_read_in_columns(text: str) -> None:
    found = columns([text])
    assert found is not None
    assert [list(row) for row in zip(*[one.to_pylist() for one in found], strict=True)] == csv_rows(text)


def side(data: str, is_base64: bool) -> dict[str, str]:
    if is_base64:
        return {
            "observedContentType": "text/csv",
            "data": base64.b64encode(data.encode()).decode(),
            "encoding": "BASE64",
        }
    return {"observedContentType": "text/csv", "data": data, "encoding": "CSV"}


def line(
    number: int, rows: list[list[str]], answers: list[str], *, is_base64: bool = False, **about: Any
) -> bytes:
    texts = "\n".join(",".join(cells) for cells in rows), "\n".join(answers) + "\n" * (number % 2)
    data = {"endpointInput": side(texts[0], is_base64), "endpointOutput": side(texts[1], is_base64)}
    meta = {"eventId": f"e-{number}", "inferenceTime": f"2026-11-29T17:25:{number % 60:02}Z", **about}
    return json.dumps({"captureData": data, "eventMetadata": meta, "eventVersion": "0"}).encode()


def records(rows: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    for row in rows.to_pylist():
        features = {name[9:]: value for name, value in row.items() if name.startswith("features.")}
        yield {**{name: value for name, value in row.items() if "." not in name}, "features": features}


@st.composite
def captures(draw: st.DrawFn) -> bytes:
    cells = draw(st.sampled_from([st.sampled_from(NUMBERS), CELLS]))
    lines = []
    for number in range(draw(st.integers(1, 4))):
        rows = draw(tables(cells))
        answers = draw(st.lists(cells, min_size=len(rows), max_size=len(rows)))
        about: dict[str, Any] = draw(
            st.sampled_from(
                [
                    {},
                    {},
                    {"inferenceId": "order 7"},
                    {"inferenceId": ""},
                    {"eventId": None},
                    {"inferenceTime": 5},
                ]
            )
        )
        lines.append(line(number, rows, answers, is_base64=draw(st.booleans()), **about))
    return b"\n".join(lines)


@given(captures(), st.sampled_from([(), ("a",), ("a", "b")]))
def test_law_captures_in_columns_are_those_that_are_read_one_by_one(
    body: bytes, names: tuple[str, ...]
) -> None:
    read = SageMakerFormat(FieldMapping(columns=names))
    found = read.columns(Payload(body, "captures.jsonl"))
    if found is not None:
        contents = read.read(Payload(body, "captures.jsonl"))
        assert list(records(found)) == contents.predictions
        assert (contents.outcomes, contents.unreadable, contents.halves) == ([], [], [])


@pytest.mark.parametrize(
    "lines",
    [
        [line(1, [["1", "x"]], ["0.5"]), line(2, [["2", "y"], ["3", ""]], ["0.7", "0.1"], is_base64=True)],
        [line(1, [["1"]], ["ok"]), line(2, [["2"]], ["fraud"], inferenceId="order-2")],
    ],
)
def test_calls_of_one_or_several_rows_are_read_at_once(lines: list[bytes]) -> None:
    body = b"\n".join(lines)
    assert SageMakerFormat().columns(Payload(body, "captures.jsonl")) is not None


HOSTILE = (
    line(7, [["x" * 10_000, "1"]], ["0.5"]),
    line(8, [["1", "2"]], [""]),
    line(9, [["1", "2"]], ["0.5"], inferenceTime="2031-01-01T00:00:00Z"),
    line(1, [["1", "2"]], ["0.5"]),
    b'{"groundTruthData": {"data": "1", "encoding": "CSV"}, "eventMetadata": {"eventId": "e-1"}}',
    b'{"captureData": {"endpoint',
    b"\xff",
)


@pytest.mark.parametrize("hostile", [None, *HOSTILE])
def test_what_is_stored_and_refused_does_not_depend_on_how_it_is_read(
    store: Store, hostile: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [line(number, [[str(number), f"k{number % 3}"]], [f"0.{number}"]) for number in range(1, 30)]
    payload = Payload(b"\n".join([*lines, *([hostile] if hostile else [])]), "a.jsonl", "a", "1", sent_at=5.0)
    log = PredictionLog(store, PredictionSettings(), ManualClock(SystemClock().now()))
    defaults = {"model": "fraud", "version": "7", "environment": "staging"}
    found = []
    for client, at_least in (("acme", 0), ("other", 10**9)):
        monkeypatch.setattr(sagemaker_columns, "_FEW", at_least)
        reader = PayloadReader("captures", SageMakerFormat(), log, {**defaults, "client": client})
        requests = reader.read(payload).requests
        found.append(
            (
                sum(one.accepted for one in requests),
                sorted(one.rejected.error for r in requests for one in r.rejected),
            )
        )
        log.store_delivery(requests, lambda _: None)
    assert found[0] == found[1]
    assert found[0][0] >= 28
    with store.read() as connection:
        blobs = connection.execute(predictions.BATCHES.select()).all()
    stored: dict[int, list[dict[str, Any]]] = {}
    for one in blobs:
        stored.setdefault(one.stream, []).extend(decode(one.blob).to_pylist())
    first, second = (sorted((sorted(row.items()) for row in rows), key=str) for rows in stored.values())
    assert first == second
    assert len(first) >= 28
