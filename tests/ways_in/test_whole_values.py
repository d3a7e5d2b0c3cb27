"""Values that lose something as a column keep it on every way in: numbers by output, and ids of 64 bits."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest

from monitor.predictions.intake.fast_decoder import FastDecoders
from monitor.predictions.intake.parse import RecordKind, read
from monitor.predictions.intake.schema import Rules
from monitor.predictions.log import batching
from monitor.predictions.log.batch import concatenate
from monitor.predictions.settings import PredictionSettings
from monitor.sources.files.load import HistoryReader
from monitor.sources.files.prediction_rows import ColumnMap
from tests.support.log import NOW, STREAM

Records = list[dict[str, Any]]
OUTPUTS: Records = [{"w": 1, "h": 2.5}, {"w": 3}, {"h": 4.25}]
IDS = [2**63 + 1, 2**63 + 2, 2**64 - 1, 2**64 - 2]


def lines(records: Records) -> bytes:
    return "\n".join(map(json.dumps, records)).encode()


def taken(body: bytes, content_type: str) -> list[dict[str, Any]]:
    settings = PredictionSettings()
    found = read(RecordKind.PREDICTIONS, body, content_type, Rules(settings, NOW), FastDecoders(settings))
    assert not found.rejected
    sent = batching.assemble([found], RecordKind.PREDICTIONS)
    rows: Records = concatenate([rows for _, rows in sent]).to_pylist()
    return rows


def by_http(records: Records, _folder: Path) -> list[dict[str, Any]]:
    named = [{"client": "acme", "model": "fraud", **one} for one in records]
    return taken(lines(named), "application/x-ndjson")


def by_arrow(records: Records, _folder: Path) -> list[dict[str, Any]]:
    rows = table(records).replace_schema_metadata({"client": "acme", "model": "fraud"})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return taken(sink.getvalue(), "application/vnd.apache.arrow.stream")


def loaded(path: Path, columns: ColumnMap | None = None) -> list[dict[str, Any]]:
    reader = HistoryReader([path], STREAM, PredictionSettings(), NOW, columns)
    rows = [row for part in reader.parts() for batch in part.batches for row in batch.rows.to_pylist()]
    assert not reader.rejected, reader.examples[:3]
    return rows


def file(suffix: str, write: Callable[[Records, Path], object]) -> Callable[[Records, Path], Records]:
    def read_back(records: Records, folder: Path) -> Records:
        write(records, folder / f"rows{suffix}")
        return loaded(folder / f"rows{suffix}")

    return read_back


def table(records: Records) -> pa.Table:
    if not all(isinstance(one["id"], int) for one in records):
        return pa.Table.from_pylist(records)
    ids = pa.array([one["id"] for one in records], pa.uint64())
    rest = pa.Table.from_pylist([{**one, "id": None} for one in records])
    return rest.set_column(0, "id", ids)


MIXED: Records = [
    {"id": "odd", "timestamp": NOW, "prediction": "ok", "cost": "1"},
    {"id": "o", "timestamp": NOW, "prediction": "ok", "cost": 1},
]
"""Arrow cannot read these as one column, so that records are read one by one."""
WAYS: dict[str, Callable[[Records, Path], Records]] = {
    "HTTP": by_http,
    "HTTP Arrow": by_arrow,
    "lines": file(".ndjson", lambda records, path: path.write_bytes(lines(records))),
    "mixed lines": file(".ndjson", lambda records, path: path.write_bytes(lines([*records, *MIXED]))),
    "array": file(".json", lambda records, path: path.write_text(json.dumps(records))),
    "Parquet": file(".parquet", lambda records, path: pq.write_table(table(records), path)),
    "Feather": file(".feather", lambda records, path: pa.feather.write_feather(table(records), str(path))),
}


@pytest.mark.parametrize("way", WAYS)
def test_numbers_by_output_are_the_same_on_every_way_in(tmp_path: Path, way: str) -> None:
    sent = [{"id": f"r{n}", "timestamp": NOW - 60, "outputs": one} for n, one in enumerate(OUTPUTS)]
    found = {row["id"]: row for row in WAYS[way](sent, tmp_path) if row["id"].startswith("r")}
    assert [json.loads(found[one["id"]]["outputs"]) for one in sent] == OUTPUTS
    assert not [name for row in found.values() for name in row if name.startswith("features.")]


@pytest.mark.parametrize("way", WAYS)
def test_ids_of_64_bits_stay_apart_on_every_way_in(tmp_path: Path, way: str) -> None:
    sent = [{"id": one, "timestamp": NOW - 60, "prediction": "ok"} for one in IDS]
    found = [row["id"] for row in WAYS[way](sent, tmp_path) if row["id"] not in ("odd", "o")]
    assert found == [str(one) for one in IDS]


def test_a_column_that_is_named_as_the_id_keeps_its_digits(tmp_path: Path) -> None:
    path = tmp_path / "rows.ndjson"
    path.write_bytes(lines([{"hash": one, "timestamp": NOW, "prediction": "ok"} for one in IDS]))
    found = loaded(path, ColumnMap({"id": "hash"}))
    assert [row["id"] for row in found] == [str(one) for one in IDS]


@pytest.mark.parametrize("way", [way for way in WAYS if way not in ("HTTP", "HTTP Arrow")])
def test_the_truth_of_outputs_may_be_an_object_of_a_file(tmp_path: Path, way: str) -> None:
    sent = [
        {"id": f"r{n}", "timestamp": NOW, "outputs": {"w": 1.0}, "true_outputs": one}
        for n, one in enumerate(OUTPUTS)
    ]
    WAYS[way](sent, tmp_path)
    (path,) = tmp_path.iterdir()
    reader = HistoryReader([path], STREAM, PredictionSettings(), NOW)
    known = [row for part in reader.parts() for _, rows in part.outcomes for row in rows.to_pylist()]
    assert [json.loads(row["true_outputs"]) for row in known] == OUTPUTS
