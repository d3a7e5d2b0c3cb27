"""CSV whatever stands in it: no value ends a file, and none is lost."""

import math
from pathlib import Path

import pyarrow as pa
import pytest

from monitor.errors import InputError
from monitor.predictions.settings import PredictionSettings
from monitor.sources.files import csv_reader, locations
from monitor.sources.files.csv_reader import UnreadableRow
from monitor.sources.files.load import HistoryReader
from monitor.sources.files.tables import read_table
from tests.support.log import NOW, STREAM

LONG = 120_000
"""Rows that are more than one block: of kinds that the first one decides, the later ones may be none."""


def write(folder: Path, text: str) -> locations.Location:
    path = folder / "rows.csv"
    path.write_text(text, encoding="utf-8")
    return locations.location_of(str(path))


def long(folder: Path, last: str) -> locations.Location:
    return write(folder, "\n".join(["a,b", *(f"{n},{'x' * 90}" for n in range(LONG)), last]))


def whole(place: locations.Location) -> pa.Table:
    return read_table(Path(place.name)).rows


def columns(place: locations.Location) -> list[pa.Array]:
    return [piece.rows.column(0) for piece in csv_reader.read(place)]


def test_a_number_that_turns_into_a_text_late_in_a_file_costs_no_value(tmp_path: Path) -> None:
    found = columns(long(tmp_path, "unknown,x"))
    assert len(found) > 1
    assert found[0].type == pa.float64()
    assert found[-1].type == pa.string()
    assert sum(map(len, found)) == LONG + 1
    assert found[-1].to_pylist()[-2:] == [str(LONG - 1), "unknown"]


def test_a_whole_number_that_turns_into_a_fraction_stays_a_number(tmp_path: Path) -> None:
    found = columns(long(tmp_path, "0.5,x"))
    assert {column.type for column in found} == {pa.float64()}
    assert found[-1].to_pylist()[-1] == 0.5


def test_a_text_whose_later_values_look_like_numbers_stays_a_text(tmp_path: Path) -> None:
    text = "\n".join(["a,b", *(f"{'C' if n < 3 else ''}00{n},{'x' * 90}" for n in range(LONG))])
    found = columns(write(tmp_path, text))
    assert {column.type for column in found} == {pa.string()}
    assert found[-1].to_pylist()[-1] == f"00{LONG - 1}"


def test_a_table_has_texts_everywhere_where_it_has_one_anywhere(tmp_path: Path) -> None:
    table = whole(long(tmp_path, "unknown,x"))
    assert table.schema.field("a").type == pa.string()
    assert table.column("a").to_pylist()[:2] + table.column("a").to_pylist()[-1:] == ["0", "1", "unknown"]


def test_codes_with_a_zero_in_front_are_texts_and_fractions_are_not(tmp_path: Path) -> None:
    zip_code, share = next(
        csv_reader.read(write(tmp_path, "zip,share\n01067,0.5\n10115,0\n,-0.25\n"))
    ).rows.columns
    assert zip_code.to_pylist() == ["01067", "10115", None]
    assert share.to_pylist() == [0.5, 0.0, -0.25]


def test_empty_cells_are_missing_and_words_for_nothing_only_among_numbers(tmp_path: Path) -> None:
    place = write(tmp_path, "number,country,truth\n1,NA,true\n,,\nNA,DE,FALSE\n nan ,FR,true\n-inf,FR,true\n")
    number, country, truth = next(csv_reader.read(place)).rows.columns
    values = number.to_pylist()
    assert values[:3] == [1.0, None, None]
    assert math.isnan(values[3])
    assert values[4] == -math.inf
    assert country.to_pylist() == ["NA", None, "DE", "FR", "FR"]
    assert truth.to_pylist() == [True, None, False, True, True]


def test_lines_that_are_no_rows_are_set_aside_with_their_numbers(tmp_path: Path) -> None:
    place = write(tmp_path, 'a,b\n1,2\n3\n"4\n5",6\n7,8,9\n')
    pieces = list(csv_reader.read(place))
    assert pieces[0].rows.column("a").to_pylist() == ["1", "4\n5"]
    assert [broken for piece in pieces for broken in piece.unreadable] == [
        UnreadableRow(3, "3", "1 values instead of 2"),
        UnreadableRow(5, "7,8,9", "3 values instead of 2"),
    ]
    read = read_table(Path(place.name))
    assert read.rows.column("a").to_pylist() == ["1", "4\n5"]
    assert [note.rpartition("/")[2] for note in read.notes] == [
        "rows.csv:3 was skipped: 1 values instead of 2",
        "rows.csv:5 was skipped: 3 values instead of 2",
    ]


def test_a_broken_line_goes_to_the_quarantine_and_the_lines_after_it_keep_their_numbers(
    tmp_path: Path,
) -> None:
    lines = ["timestamp,prediction,confidence"] + [f"{NOW - n},ok,0.5" for n in range(10)]
    lines[4], lines[7] = "1,2", f"{NOW},ok,7"
    place = write(tmp_path, "\n".join(lines))
    reader = HistoryReader([place], STREAM, PredictionSettings(), NOW)
    assert sum(batch.rows.num_rows for part in reader.parts() for batch in part.batches) == 8
    assert reader.rejected == {"malformed": 1, "invalid": 1}
    assert [one.error for one in reader.examples] == [
        f"{place.name}:5: 2 values instead of 3",
        f"{place.name}:8: confidence is 7.0, outside 0 to 1",
    ]


def test_ids_and_versions_that_look_like_numbers_keep_their_text(tmp_path: Path) -> None:
    text = f"id,version,timestamp,prediction\n007,1.10,{NOW - 60},ok\n008,1.10,{NOW - 60},ok\n"
    reader = HistoryReader([write(tmp_path, text)], STREAM, PredictionSettings(), NOW)
    (batch,) = [batch for part in reader.parts() for batch in part.batches]
    assert batch.rows.column("id").to_pylist() == ["007", "008"]
    assert batch.rows.column("version").to_pylist() == ["1.10", "1.10"]


@pytest.mark.parametrize("text", ["", "\n"])
def test_a_file_without_columns_is_said_to_be_none(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"rows\.csv cannot be read"):
        whole(write(tmp_path, text))


def test_a_file_with_columns_and_no_row_is_an_empty_table(tmp_path: Path) -> None:
    assert whole(write(tmp_path, "a,b\n")).num_rows == 0


def test_a_file_of_nothing_but_broken_lines_says_so(tmp_path: Path) -> None:
    place = write(tmp_path, "timestamp,prediction\n2026-11-03T08:00:00,ok,1,5\n")
    reader = HistoryReader([place], STREAM, PredictionSettings(), NOW)
    assert [batch for part in reader.parts() for batch in part.batches] == []
    assert [one.error for one in reader.examples] == [f"{place.name}:2: 4 values instead of 2"]


def test_a_line_that_is_no_json_is_refused_by_its_number_and_the_others_are_taken(tmp_path: Path) -> None:
    good = f'{{"timestamp": {NOW - 60}, "prediction": "ok", "features": {{"x": 1}}}}\n'
    (tmp_path / "rows.ndjson").write_bytes(
        good.encode() + b"{oops\n\xff\xfe\n" + good.encode() + b'{"confidence": 7}\n'
    )
    (tmp_path / "none.jsonl").write_text("nothing\nhere\n")
    files = [tmp_path / "rows.ndjson", tmp_path / "none.jsonl"]
    reader = HistoryReader(files, STREAM, PredictionSettings(), NOW)
    assert sum(batch.rows.num_rows for part in reader.parts() for batch in part.batches) == 2
    assert reader.rejected["malformed"] == 4
    locations = [one.error.split(": ")[0].removeprefix(f"{tmp_path}/") for one in reader.examples]
    assert locations == ["rows.ndjson:2", "rows.ndjson:3", "rows.ndjson:5", "none.jsonl:1", "none.jsonl:2"]
