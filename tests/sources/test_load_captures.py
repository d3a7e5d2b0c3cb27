"""Captures of a platform are loaded for the past as they would have been read while they were written."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from monitor.predictions.settings import PredictionSettings
from monitor.sources.files.load import HistoryReader
from monitor.sources.formats import catalog
from monitor.sources.formats.format import FieldMapping, PairingFormat
from monitor.sources.pairing.loaded_halves import LoadedHalves
from monitor.sources.source import Payload
from tests.support.log import NOW, STREAM


def capture(number: int) -> dict[str, Any]:
    side = {"observedContentType": "text/csv", "encoding": "CSV"}
    return {
        "captureData": {
            "endpointInput": {**side, "data": f"{number},x\n"},
            "endpointOutput": {**side, "data": "yes,0.75"},
        },
        "eventMetadata": {"eventId": f"e-{number}", "inferenceTime": "2026-11-20T17:25:49Z"},
    }


def truth(number: int) -> dict[str, Any]:
    return {
        "groundTruthData": {"data": "yes", "encoding": "CSV"},
        "eventMetadata": {"eventId": f"e-{number}"},
    }


def test_lines_of_sagemaker_become_predictions_and_outcomes_and_a_broken_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = [
        *(json.dumps(capture(n)) for n in range(5)),
        '{"captureData": {"endp',
        *(json.dumps(truth(n)) for n in range(3)),
    ]
    path.write_text("\n".join(lines))
    form = catalog.make("sagemaker", FieldMapping(columns=("age", "plan")))
    reader = HistoryReader([path], STREAM, PredictionSettings(), NOW, form=form)
    parts = list(reader.parts())
    rows = pa.Table.from_batches([batch.rows for part in parts for batch in part.batches])
    assert rows["features.age"].to_pylist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert rows["confidence"].to_pylist() == [0.75] * 5
    assert reader.outcomes == 3
    assert sum(reader.rejected.values()) == 1
    assert any("a.jsonl:6" in one.rejected.error for one in reader.quarantined(NOW))


def test_an_inference_table_in_parquet_has_its_latency(tmp_path: Path) -> None:
    row = {
        "databricks_request_id": "d-1",
        "request_time": pa.scalar(1_795_000_000_000_000, pa.timestamp("us", "UTC")).as_py(),
        "status_code": 200,
        "execution_duration_ms": 58,
        "request": '{"dataframe_records": [{"a": 1}, {"a": 2}]}',
        "response": '{"predictions": [0.4, 0.6]}',
    }
    pa.parquet.write_table(pa.Table.from_pylist([row]), tmp_path / "payload.parquet")
    form = catalog.make("databricks", FieldMapping())
    reader = HistoryReader([tmp_path / "payload.parquet"], STREAM, PredictionSettings(), NOW, form=form)
    (batch,) = (batch for part in reader.parts() for batch in part.batches)
    assert batch.rows["latency_ms"].to_pylist() == [58.0, 58.0]
    assert batch.rows["features.a"].to_pylist() == [1.0, 2.0]


def half(side: str, call: int, **more: Any) -> str:
    data = {"instances": [[call]]} if side == "request" else {"predictions": ["yes"]}
    about = {
        "id": f"c-{call}",
        "type": f"org.kubeflow.serving.inference.{side}",
        "time": "2026-11-20T17:25:49Z",
    }
    return json.dumps({**about, "data": data, **more})


def loaded(*files: Path) -> tuple[HistoryReader, dict[str, float]]:
    """The reader, and the only input by id."""
    reader = HistoryReader(
        files, STREAM, PredictionSettings(), NOW, form=catalog.make("kserve", FieldMapping())
    )
    rows = [row for part in reader.parts() for batch in part.batches for row in batch.rows.to_pylist()]
    return reader, {row["id"]: row["features._c0"] for row in rows}


def test_halves_are_paired_across_the_given_files_and_those_that_stay_alone_are_named(tmp_path: Path) -> None:
    requests, responses = tmp_path / "requests.jsonl", tmp_path / "responses.jsonl"
    other = half("request", 3, data={"instances": [[99]]})
    requests.write_text("\n".join([*(half("request", n) for n in range(6)), half("request", 2), other]))
    responses.write_text("\n".join(half("response", n) for n in (7, 5, 4, 3, 2, 1, 2)))
    for files in ((requests, responses), (responses, requests)):
        reader, inputs = loaded(*files)
        assert inputs == {f"c-{number}": number for number in range(1, 6)}
        errors = sorted(one.rejected.error.removeprefix(f"{tmp_path}/") for one in reader.quarantined(NOW))
        assert errors == [
            "requests.jsonl:1: its response is in none of the files",
            "requests.jsonl:8: another call has the same id 'c-3'",
            "responses.jsonl:1: its request is in none of the files",
        ]


def test_of_too_many_halves_the_oldest_are_refused() -> None:
    form = catalog.make("kserve", FieldMapping())
    assert isinstance(form, PairingFormat)
    halves, refused = LoadedHalves(form, most=3), []
    for number in range(5):
        (one,) = form.read(Payload(half("request", number).encode(), "x")).halves
        refused += halves.arrived(one, "a:b.jsonl", number + 1)[1]
    assert [(one.file, one.line) for one in refused] == [("a:b.jsonl", 1), ("a:b.jsonl", 2)]
    assert [one.line for one in halves.left()] == [3, 4, 5]
