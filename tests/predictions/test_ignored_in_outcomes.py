"""Fields of outcomes that mean nothing are told, whichever way the outcomes come in."""

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from monitor.predictions.intake import parse
from monitor.predictions.intake.fast_decoder import FastDecoders
from monitor.predictions.intake.parse import ParsedRequest, RecordKind
from monitor.predictions.intake.schema import Rules
from monitor.predictions.settings import PredictionSettings
from monitor.records import Stream
from monitor.sources.files.load import HistoryReader

NOW = 1_795_420_800.0
TIME = "2026-11-22T10:00:00Z"
PLAIN = {"client": "acme", "model": "fraud", "timestamp": TIME, "truth": "yes"}
EXTRA: dict[str, Any] = {
    "label": "yes",
    "prediction": "no",
    "confidence": 0.4,
    "features": {"age": 3.0, "zip": "x"},
    "outcome": 1,
    "ümlaut": 5,
    'x "y"': None,
    "latency_ms": "soon",
}
"""Among them fields of predictions, also with values that no prediction may have."""
RECORDS = [{**PLAIN, "id": f"{number}", **EXTRA} for number in range(3)]


def request(kind: RecordKind, body: bytes, content_type: str) -> ParsedRequest:
    settings = PredictionSettings()
    return parse.read(kind, body, content_type, Rules(settings, NOW), FastDecoders(settings))


def arrow(records: Sequence[dict[str, Any]]) -> bytes:
    table = pa.Table.from_pylist(records)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def from_broker(records: Sequence[dict[str, Any]]) -> ParsedRequest:
    settings = PredictionSettings()
    return parse.check(RecordKind.OUTCOMES, records, 100, Rules(settings, NOW), FastDecoders(settings))


WAYS: dict[str, Callable[[Sequence[dict[str, Any]]], ParsedRequest]] = {
    "array": lambda records: request(RecordKind.OUTCOMES, json.dumps(records).encode(), "application/json"),
    "lines": lambda records: request(
        RecordKind.OUTCOMES, "\n".join(map(json.dumps, records)).encode(), "application/x-ndjson"
    ),
    "Arrow": lambda records: request(
        RecordKind.OUTCOMES, arrow(records), "application/vnd.apache.arrow.stream"
    ),
    "a broker": from_broker,
}


@pytest.mark.parametrize("way", WAYS)
def test_law_every_way_in_tells_the_fields_that_no_outcome_has(way: str) -> None:
    found = WAYS[way](RECORDS)
    assert found.accepted == len(RECORDS)
    assert found.ignored == set(EXTRA)
    assert WAYS[way]([{**PLAIN, "id": "1"}]).ignored == set()


@pytest.mark.parametrize("way", ["array", "Arrow"])
def test_predictions_tell_the_fields_of_outcomes(way: str) -> None:
    """An answer that is known goes to /v1/outcomes; in a prediction it would be lost."""
    records = [{**PLAIN, "id": "1", "prediction": "yes", "corrected": True}]
    body, kind = (
        (json.dumps(records).encode(), "application/json")
        if way == "array"
        else (arrow(records), "application/vnd.apache.arrow.stream")
    )
    found = request(RecordKind.PREDICTIONS, body, kind)
    assert (found.accepted, found.ignored) == (1, {"truth", "corrected"})
    rows = found.parts[0].rows
    assert not isinstance(rows, pa.RecordBatch) or set(rows.schema.names) == {"timestamp", "id", "prediction"}


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_file_of_outcomes_tells_its_columns_by_their_names_in_the_file(tmp_path: Path, suffix: str) -> None:
    import pyarrow.parquet as pq

    file = tmp_path / f"outcomes.{suffix}"
    records = [
        {"id": f"{n}", "truth": "yes", "timestamp": TIME, "note": "n", "client": "acme"} for n in range(3)
    ]
    if suffix == "csv":
        file.write_text("\n".join([",".join(records[0]), *(",".join(one.values()) for one in records)]))
    elif suffix == "jsonl":
        file.write_text("\n".join(map(json.dumps, records)))
    else:
        pq.write_table(pa.Table.from_pylist(records), file)
    reader = HistoryReader([file], Stream("acme", "fraud"), PredictionSettings(), NOW)
    assert [part.outcomes[0][1].num_rows for part in reader.parts()] == [3]
    assert reader.ignored == {"note", "client"}
