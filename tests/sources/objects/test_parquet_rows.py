"""Rows of Parquet as lines: bounded in memory, and one row that cannot be read stops no other."""

import json
import sys
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
from monitor.sources.objects import parquet_rows
from monitor.sources.objects.parts import ObjectPart, Position, next_part
from monitor.sources.objects.stores import Folder, StoredObject


def parts(path: Path) -> list[ObjectPart]:
    """All parts of a table that nobody writes to."""
    stored = StoredObject(str(path), path.stat().st_size, path.stat().st_mtime)
    position, read_parts = Position(0, "", 0), []
    while (part := next_part(Folder(path.parent), stored, position, is_settled=True)) is not None:
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
