"""Rows of Parquet as lines: bounded in memory, and one row that cannot be read stops no other."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.sources.capture_files import read
from monitor.sources.files.locations import location_of
from monitor.sources.formats.plain import PlainFormat
from monitor.sources.objects import open_tables, parquet_rows
from monitor.sources.objects.objects import Objects, ObjectsSettings
from monitor.sources.objects.open_tables import OpenTables
from monitor.sources.objects.parts import ObjectPart, Position, next_part
from monitor.sources.objects.stores import LocalFolder, StoredObject
from monitor.sources.source import SourceError


def parts(path: Path) -> list[ObjectPart]:
    """All parts of a table that nobody writes to."""
    stored = StoredObject(str(path), path.stat().st_size, path.stat().st_mtime)
    position, read_parts, tables = Position(0, "", 0), [], OpenTables()
    while (
        part := next_part(LocalFolder(path.parent), stored, position, tables, is_settled=True)
    ) is not None:
        read_parts.append(part)
        position = part.position
    return read_parts


def test_a_table_with_too_many_columns_is_refused_and_says_so(tmp_path: Path) -> None:
    path, columns = tmp_path / "wide.parquet", parquet_rows.MOST_COLUMNS + 1
    pa.parquet.write_table(pa.table({f"f{n}": [1.0] for n in range(columns)}), path)
    (part,) = parts(path)
    assert part.body == b""
    assert part.error == "it cannot be read as Parquet: it has 10,001 columns, more than 10,000"


def test_a_footer_that_would_take_too_much_memory_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.parquet"
    pa.parquet.write_table(pa.table({f"f{n}": [1.0] for n in range(100)}), path)
    monkeypatch.setattr(parquet_rows, "MOST_FOOTER", 100)
    monkeypatch.setattr("pyarrow.parquet.ParquetFile", None)
    (part,) = parts(path)
    assert "its footer has" in part.error
    assert "more than 100" in part.error


@given(
    groups=st.lists(st.integers(1, 40), min_size=1, max_size=5),
    values=st.integers(1, 30),
    columns=st.integers(1, 4),
)
def test_law_whatever_the_groups_and_the_bound_each_row_comes_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, groups: list[int], values: int, columns: int
) -> None:
    path = tmp_path_factory.mktemp("rows") / "a.parquet"
    total = sum(groups)
    table = pa.table({f"f{n}": list(range(total)) for n in range(columns)})
    with pa.parquet.ParquetWriter(path, table.schema) as writer:
        at = 0
        for count in groups:
            writer.write_table(table.slice(at, count))
            at += count
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet_rows, "MOST_VALUES", values)
        read_parts = parts(path)
    numbers = [json.loads(line)["f0"] for part in read_parts for line in part.body.splitlines()]
    assert numbers == list(range(total))
    assert all(len(part.body.splitlines()) * columns <= max(values, columns) for part in read_parts)


class Counted(LocalFolder):
    """Files, and how often each was opened."""

    def __init__(self, pattern: Path) -> None:
        super().__init__(pattern)
        self.files: list[Any] = []

    def open(self, name: str) -> Any:
        self.files.append(super().open(name))
        return self.files[-1]


def source_of(folder: Path) -> tuple[Objects, Counted]:
    """A source that opens the files of a folder."""
    store = Counted(folder)
    return Objects(ObjectsSettings(url=str(folder), settled=1.0), store), store


def numbers_of(source: Objects, *, forgets: int = -1) -> list[int]:
    """The rows of all tables that a source reads. It does not hear that fetch number `forgets` was stored."""
    source.open(dict)
    numbers: list[int] = []
    fetches = 0
    while (fetched := source.fetch(2000, 0.0)).payloads:
        assert not any(payload.error for payload in fetched.payloads)
        if fetches != forgets:
            lines = [line for payload in fetched.payloads for line in payload.body.splitlines()]
            numbers += [json.loads(line)["n"] for line in lines]
            source.acknowledge(fetched)
        fetches += 1
    return numbers


@pytest.mark.parametrize("forgets", [-1, 1])
@pytest.mark.parametrize("room", [0, parquet_rows.MOST_VALUES])
def test_a_row_group_is_opened_and_decoded_once_as_far_as_tables_fit_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int, forgets: int
) -> None:
    monkeypatch.setattr(parquet_rows, "MOST_ROWS", 7)
    monkeypatch.setattr(open_tables, "MOST_KEPT", room)
    for at in range(3):
        rows = range(at * 50, at * 50 + 50)
        pa.parquet.write_table(pa.table({"n": rows}), tmp_path / f"{at}.parquet", row_group_size=40)
    source, store = source_of(tmp_path)
    assert sorted(numbers_of(source, forgets=forgets)) == list(range(150))
    once = 3 if forgets < 0 else 6
    assert len(store.files) == once if room else len(store.files) > once
    assert all(file.closed for file in store.files)


def test_a_table_that_is_replaced_while_it_is_read_is_read_from_its_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_rows, "MOST_ROWS", 7)
    path = tmp_path / "a.parquet"
    pa.parquet.write_table(pa.table({"n": range(20)}), path)
    source, store = source_of(tmp_path)
    source.open(dict)
    source.acknowledge(source.fetch(1, 0.0))
    other = tmp_path / "other"
    pa.parquet.write_table(pa.table({"n": range(100, 120)}), other)
    other.replace(path)
    (payload,) = source.fetch(1, 0.0).payloads
    assert json.loads(payload.body.splitlines()[0])["n"] == 100
    source.close()
    assert all(file.closed for file in store.files)


def damaged(path: Path) -> None:
    """Four groups of ten rows, the second of which cannot be decompressed."""
    pa.parquet.write_table(pa.table({"n": range(40)}), path, row_group_size=10, compression="snappy")
    column = pa.parquet.read_metadata(path).row_group(1).column(0)
    content = bytearray(path.read_bytes())
    begin = column.dictionary_page_offset or column.data_page_offset
    content[begin : begin + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    path.write_bytes(bytes(content))


def test_rows_that_are_damaged_are_told_and_the_groups_after_them_are_read(tmp_path: Path) -> None:
    damaged(path := tmp_path / "a.parquet")
    read_parts = parts(path)
    numbers = [json.loads(line)["n"] for part in read_parts for line in part.body.splitlines()]
    assert numbers == [*range(10), *range(20, 40)]
    (told,) = [part for part in read_parts if part.error]
    assert told.where == "rows 10 to 20"
    assert told.error.startswith("they cannot be read: ")


@pytest.mark.parametrize("is_away", [False, True])
def test_a_connection_that_breaks_is_no_damage(tmp_path: Path, is_away: bool) -> None:
    pa.parquet.write_table(pa.table({"n": range(40)}), tmp_path / "a.parquet", row_group_size=10)

    class Breaking(Counted):
        breaks = 1

        def open(self, name: str) -> Any:
            if self.breaks:
                self.breaks -= 1
                raise OSError("the connection was reset")
            return super().open(name)

        def read(self, name: str, offset: int, most: int) -> bytes:
            if is_away and (offset, most) == (0, 1):
                raise SourceError("the bucket is away", hint="wait")
            return super().read(name, offset, most)

    store = Breaking(tmp_path)
    source = Objects(ObjectsSettings(url=str(tmp_path), settled=1.0), store)
    os.utime(tmp_path / "a.parquet", (time.time() - 60,) * 2)
    source.open(dict)
    first = source.fetch(2000, 0.0)
    if is_away:
        assert (first.payloads, str(first.problem)) == ([], "the bucket is away (wait)")
        source = Objects(ObjectsSettings(url=str(tmp_path), settled=1.0), store)
    assert numbers_of(source) == list(range(40))


def test_a_map_is_an_object_of_names_and_values(tmp_path: Path) -> None:
    path, kind = tmp_path / "a.parquet", pa.map_(pa.string(), pa.float64())
    maps = pa.array([[("a", 1.0), ("b", None)], [("a", 1.0), ("a", 2.0)]], kind)
    pa.parquet.write_table(pa.table({"features": maps}), path)
    first, twice = [json.loads(line) for part in parts(path) for line in part.body.splitlines()]
    assert first == {"features": {"a": 1.0, "b": None}}
    assert twice.startswith("the row cannot be read")


def dates(*values: int) -> Any:
    """Times in us since the epoch, also those that Python does not have."""
    return pa.array(values, pa.int64()).view(pa.timestamp("us"))


def test_a_row_that_python_cannot_have_is_refused_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pa.parquet.write_table(pa.table({"at": dates(0, 2**62, 1, 2**62, 2**62, 2), "n": range(6)}), path)
    (part,) = parts(path)
    lines = [json.loads(line) for line in part.body.splitlines()]
    assert [line["n"] for line in lines if isinstance(line, dict)] == [0, 2, 5]
    assert [line.split(":")[0] for line in lines if isinstance(line, str)] == ["the row cannot be read"] * 3
    chunks = list(read(location_of(str(path)), PlainFormat(), ()))
    assert sum(chunk.rows.num_rows for chunk in chunks) == 3
    assert [one.line for chunk in chunks for one in chunk.unreadable] == [2, 4, 5]


def test_times_in_ns_are_read_in_us_without_pandas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.parquet"
    at = pa.array([1_764_500_000_000_000_001], pa.int64()).view(pa.timestamp("ns", "UTC"))
    pa.parquet.write_table(pa.table({"at": at}), path)
    monkeypatch.setitem(sys.modules, "pandas", None)
    (part,) = parts(path)
    assert json.loads(part.body) == {"at": "2025-11-30T10:53:20+00:00"}
