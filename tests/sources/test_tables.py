"""Files as tables: JSON in lines and arrays, compressed or not; kinds that differ within a file; damaged files."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitor.errors import InputError
from monitor.predictions.settings import PredictionSettings
from monitor.sources.files.load import HistoryReader
from monitor.sources.files.local import KINDS
from monitor.sources.files.tables import read_table
from tests.support.log import NOW, STREAM

RECORDS = [{"amount": n / 2, "country": "DE", "user": {"age": n}} for n in range(3)]
COLUMNS = {"amount": [0.0, 0.5, 1.0], "country": ["DE"] * 3, "user.age": [0, 1, 2]}
LINES = "\n".join(json.dumps(record) for record in RECORDS)


def read(folder: Path, name: str, data: str | bytes) -> dict[str, list[object]]:
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    table = read_table(path).rows
    while any(pa.types.is_struct(kind) for kind in table.schema.types):
        table = table.flatten()
    found: dict[str, list[object]] = table.to_pydict()
    return found


@pytest.mark.parametrize("name", ["rows.ndjson", "rows.jsonl", "ROWS.JSON", "rows.ndjson.gz", "rows.json.gz"])
@pytest.mark.parametrize("is_array", [False, True], ids=["lines", "array"])
def test_json_is_read_in_lines_and_as_an_array(tmp_path: Path, name: str, is_array: bool) -> None:
    text = (json.dumps(RECORDS, indent=2) if is_array else LINES).encode()
    assert read(tmp_path, name, gzip.compress(text) if name.endswith(".gz") else text) == COLUMNS


def test_a_field_that_is_a_number_here_and_a_text_there_is_a_text_everywhere(tmp_path: Path) -> None:
    lines = [*('{"a": 1, "b": 2.5}' for _ in range(30_000)), '{"a": "x", "c": [1, 2]}', '{"c": [{"d": 1}]}']
    found = read(tmp_path, "rows.jsonl", "\n".join(lines))
    assert found["a"][0] == "1"
    assert found["a"][-2:] == ["x", None]
    assert found["b"][:1] + found["b"][-1:] == [2.5, None]
    assert found["c"][-2:] == ["[1, 2]", '[{"d": 1}]']


def test_records_that_are_none_are_left_out_by_number(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_bytes(b'[{"a": 1}, 5, {"a": 2}, ["x"]]')
    found = read_table(path)
    assert found.rows.column("a").to_pylist() == [1.0, 2.0]
    assert [note.split(" was ")[0] for note in found.notes] == [f"{path}:2", f"{path}:4"]


def test_a_text_that_is_no_utf_8_is_left_out_and_does_not_reach_the_log(tmp_path: Path) -> None:
    lines = [
        f'{{"timestamp": {NOW - 60}, "prediction": "ok", "city": "{city}"}}' for city in ("Köln", "Bonn")
    ]
    path = tmp_path / "rows.ndjson"
    path.write_bytes("\n".join(lines).encode("latin-1"))
    reader = HistoryReader([path], STREAM, PredictionSettings(), NOW)
    (batch,) = [batch for part in reader.parts() for batch in part.batches]
    assert batch.rows.column("features.city").to_pylist() == ["Bonn"]
    assert reader.examples[0].error == f"{path}:1: byte 0xf6 in a text is not UTF-8"


def test_numbers_beyond_all_bounds_are_infinite(tmp_path: Path) -> None:
    found = read(
        tmp_path, "rows.jsonl", f'{{"a": 1{"0" * 400}}}\n{{"a": -1{"0" * 400}}}\n{{"a": "x"}}\n{{"a": 2}}'
    )
    assert found["a"] == ["inf", "-inf", "x", "2"]


def test_arrow_files_are_loaded_like_others(tmp_path: Path) -> None:
    table = pa.table({"timestamp": [NOW - 60.0] * 3, "prediction": ["ok"] * 3, "amount": [1.0, 2.0, 3.0]})
    with pa.ipc.new_stream(tmp_path / "rows.arrow", table.schema) as writer:
        writer.write_table(table)
    reader = HistoryReader([tmp_path / "rows.arrow"], STREAM, PredictionSettings(), NOW)
    assert sum(batch.rows.num_rows for part in reader.parts() for batch in part.batches) == 3


@pytest.mark.parametrize("name", [f"rows{kind}" for kind in KINDS])
@pytest.mark.parametrize(
    "data", [b"", b"\x00\x01nothing", b"[", b"{", b'"'], ids=["empty", "bytes", "[", "{", '"']
)
def test_a_damaged_file_of_any_kind_is_said_to_be_one(tmp_path: Path, name: str, data: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(InputError, match=name):
        read_table(path)


def test_what_is_compressed_only_by_its_name_says_so(tmp_path: Path) -> None:
    for data in (b"a,b\n1,2\n", gzip.compress(b"a,b\n1,2\n" * 99)[:-9]):
        (tmp_path / "rows.csv.gz").write_bytes(data)
        with pytest.raises(InputError, match=r"rows.csv.gz cannot be read"):
            read_table(tmp_path / "rows.csv.gz")


def test_a_file_of_an_unknown_kind_is_told_which_are_known(tmp_path: Path) -> None:
    (tmp_path / "rows.xlsx").write_bytes(b"PK")
    with pytest.raises(InputError) as told:
        read_table(tmp_path / "rows.xlsx")
    assert ".parquet" in told.value.hint
    pq.write_table(pa.table({"a": [1]}), tmp_path / "rows.any")
    assert read_table(tmp_path / "rows.any").rows.num_rows == 1
