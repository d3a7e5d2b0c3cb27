"""CSV files as programs and countries write them: separators, decimal commas, encodings; said, or found where safe."""

import gzip
from pathlib import Path

import pyarrow as pa
import pytest

from monitor.errors import InputError
from monitor.predictions.settings import PredictionSettings
from monitor.sources.files import locations
from monitor.sources.files.csv_dialect import DETECTED, Dialect, dialect
from monitor.sources.files.load import HistoryReader
from monitor.sources.files.tables import FileTable, read_table
from tests.support.log import NOW, STREAM


def file(folder: Path, data: bytes, name: str = "rows.csv") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def read(folder: Path, text: str, said: Dialect = DETECTED) -> dict[str, list[object]]:
    found: dict[str, list[object]] = read_table(file(folder, text.encode()), said).rows.to_pydict()
    return found


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_the_separator_is_found_in_the_first_lines(tmp_path: Path, sign: str) -> None:
    lines = [["amount", "country"], ["1.5", "DE"], ['"2"', f'"F{sign}R"']]
    text = "\n".join(sign.join(line) for line in lines)
    assert read(tmp_path, text) == {"amount": [1.5, 2.0], "country": ["DE", f"F{sign}R"]}


def test_commas_are_decimal_where_they_do_not_separate(tmp_path: Path) -> None:
    found = read(tmp_path, "price;note;both\n1,5;a,b;1.200,50\n-0,25;c;1.5\n3;d;2\n")
    assert found == {"price": [1.5, -0.25, 3.0], "note": ["a,b", "c", "d"], "both": ["1.200,50", "1.5", "2"]}


def test_a_text_with_signs_in_it_is_not_taken_apart(tmp_path: Path) -> None:
    assert read(tmp_path, "text\nhello; you\nme\n") == {"text": ["hello; you", "me"]}
    assert read(tmp_path, "a,b\n1;2,3\n4;5,6\n") == {"a": ["1;2", "4;5"], "b": [3.0, 6.0]}


def test_what_is_said_counts_more_than_what_is_seen(tmp_path: Path) -> None:
    assert read(tmp_path, "a;b\n1;2\n", dialect(",")) == {"a;b": ["1;2"]}
    assert read(tmp_path, "a b\n1 2\n", dialect(" ")) == {"a": [1.0], "b": [2.0]}


def test_where_it_is_not_clear_a_person_is_asked(tmp_path: Path) -> None:
    found = read_table(file(tmp_path, b"a;b;c\n1;2\n3;4;5;6\n7\n"))
    assert found.rows.column_names == ["a;b;c"]
    assert found.notes == (
        "its one column is named 'a;b;c': if ';' separates the values, pass --separator ';'",
    )


@pytest.mark.parametrize(
    ("separator", "encoding", "message"),
    [(";;", "", "is not a valid separator"), ('"', "", "is not a valid separator"), ("", "utf-9", "unknown encoding"),
     ("", "hex", "unknown encoding"), ("", "\0", "unknown encoding")],
)  # fmt: skip
def test_what_is_no_separator_and_no_encoding_is_said_to_be_none(
    separator: str, encoding: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        dialect(separator, encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_that_say_what_they_are_are_read(tmp_path: Path, encoding: str) -> None:
    found = read_table(file(tmp_path, "größe,stadt\n1,Köln\n".encode(encoding)))
    assert found == FileTable(pa.table({"größe": [1.0], "stadt": ["Köln"]}))


def test_a_line_in_another_encoding_is_set_aside_by_file_line_and_byte(tmp_path: Path) -> None:
    path = file(tmp_path, "a,b\n1,x\n2,Köln\n3\n4,y\n".encode("latin-1"))
    found = read_table(path)
    assert found.rows.to_pydict() == {"a": [1.0, 4.0], "b": ["x", "y"]}
    assert found.notes == (
        f"{path}:3 was skipped: byte 0xf6 in 'b' is not UTF-8 "
        "(if the file is written in another encoding, name it: --encoding cp1252)",
        f"{path}:4 was skipped: 1 values instead of 2",
    )
    assert read_table(path, dialect(encoding="cp1252")).rows.column("b").to_pylist() == ["x", "Köln", "y"]


def test_a_header_in_another_encoding_says_so(tmp_path: Path) -> None:
    path = file(tmp_path, "a,größe\n1,2\n".encode("latin-1"))
    with pytest.raises(
        InputError, match=r"rows.csv:1: byte 0xf6 in the name of column 2 is not UTF-8"
    ) as told:
        read_table(path)
    assert "--encoding cp1252" in told.value.hint


def test_lines_keep_their_numbers_over_many_blocks_and_one_value_of_ten_megabytes(tmp_path: Path) -> None:
    """Arrow reads a block ahead, and ends at a row that is longer than one."""
    rows = b"1,yyyyyyyy\n" * 1_500_000
    path = file(tmp_path, b"a,b\n" + rows + b"1,\xe9\n1\n1," + b"x" * 10_000_000 + b"\n2,y\n3,\xe9,\n4\n")
    found = read_table(path)
    assert found.rows.num_rows == 1_500_002
    assert len(found.rows.column("b")[-2].as_py()) == 10_000_000
    numbers = [note.split(":")[1].split()[0] for note in found.notes[:3]]
    assert numbers == ["1500002", "1500003", "1500006"]
    assert found.notes[3] == f"1 more line of {path} skipped"


def test_the_past_is_loaded_without_the_line_that_cannot_be_read(tmp_path: Path) -> None:
    text = f"timestamp;prediction;city\n{NOW - 60};ok;Köln\n{NOW - 60};ok;Bonn\n"
    path = file(tmp_path, gzip.compress(text.encode("latin-1")), "rows.csv.gz")
    reader = HistoryReader([locations.location_of(str(path))], STREAM, PredictionSettings(), NOW)
    (batch,) = [batch for part in reader.parts() for batch in part.batches]
    assert batch.rows.column("features.city").to_pylist() == ["Bonn"]
    (kept,) = reader.quarantined(NOW)
    assert kept.rejected.error == f"{path}:2: byte 0xf6 in 'city' is not UTF-8"
    assert kept.rejected.record == f"{NOW - 60};ok;K\\xf6ln".encode()


def test_a_file_with_one_column_says_what_may_be_wrong(tmp_path: Path) -> None:
    path = file(tmp_path, b"timestamp;prediction\n1;2;3\n1\n")
    reader = HistoryReader([path], STREAM, PredictionSettings(), NOW)
    with pytest.raises(InputError, match="has no column 'timestamp'") as told:
        list(reader.parts())
    assert "pass --separator ';'" in told.value.hint


def loaded(path: Path) -> list[dict[str, object]]:
    reader = HistoryReader([path], STREAM, PredictionSettings(), NOW)
    rows = [row for part in reader.parts() for batch in part.batches for row in batch.rows.to_pylist()]
    assert reader.quarantined(NOW) == []
    return rows


def test_every_field_of_a_past_may_have_decimal_commas(tmp_path: Path) -> None:
    names = "id,timestamp,amount,prediction,confidence,latency_ms,cost,probabilities.fraud"
    lines = [
        f"1.5,{NOW - 60},12.5,203.5,0.93,1041.7,0.25,0.93",
        f"2.5,{NOW - 60},7.25,-1.25,0.58,39,3,0.42",
    ]
    points = file(tmp_path, "\n".join([names, *lines]).encode(), "points.csv")
    as_written = [line.replace(",", ";").replace(".", ",") for line in lines]
    as_written = [line.replace("1041,7", "1.041,7") for line in as_written]
    commas = file(tmp_path, "\n".join([names.replace(",", ";"), *as_written]).encode(), "commas.csv")
    expected = [row | {"id": str(row["id"]).replace(".", ",")} for row in loaded(points)]
    assert [row["prediction"] for row in expected] == [203.5, -1.25]
    assert loaded(commas) == expected
