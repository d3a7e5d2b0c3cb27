"""Delta tables: each row is read once, whatever rewrites its file; the logs are those that delta-rs 1.6.6 writes."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from monitor.errors import InputError
from monitor.sources.files.locations import find_locations
from monitor.sources.objects.delta import DeltaLogs, new_files, with_partition
from monitor.sources.objects.delta_snapshot import current
from monitor.sources.objects.objects import ObjectsSettings
from monitor.sources.objects.stores import LocalFolder, store_of
from monitor.store.db import Store
from tests.support.source_checks import record, runner, stored
from tests.support.waiting import until


class Table:
    """A Delta table of records. Paths in the log are percent-encoded, as the protocol has it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.version = 0
        (root / "_delta_log").mkdir(parents=True)

    def file(self, name: str, first: int, count: int) -> dict[str, Any]:
        """Write a file of records, and return the action that adds it."""
        rows = [json.loads(record(number)) for number in range(first, first + count)]
        (self.root / name).parent.mkdir(exist_ok=True)
        pa.parquet.write_table(pa.Table.from_pylist(rows), self.root / name)
        old = time.time() - 7200
        os.utime(self.root / name, (old, old))
        path = name.replace("%", "%25").replace(" ", "%20")
        return {
            "add": {"path": path, "partitionValues": {}, "size": 1, "modificationTime": 1, "dataChange": True}
        }

    def commit(self, operation: str, *actions: dict[str, Any]) -> None:
        lines = [*actions, {"commitInfo": {"timestamp": 1, "operation": operation}}]
        path = self.root / "_delta_log" / f"{self.version:020}.json"
        path.write_text("\n".join(json.dumps(line) for line in lines))
        self.version += 1


def rewritten(action: dict[str, Any], *, is_new: bool) -> dict[str, Any]:
    return {"add": {**action["add"], "dataChange": is_new}}


def removed(action: dict[str, Any], *, is_new: bool) -> dict[str, Any]:
    return {"remove": {"path": action["add"]["path"], "deletionTimestamp": 1, "dataChange": is_new}}


def test_rows_that_are_written_again_into_other_files_are_read_once(tmp_path: Path, store: Store) -> None:
    table = Table(tmp_path / "table")
    first, second = table.file("day=1%2F/a b.parquet", 0, 30), table.file("b.parquet", 30, 20)
    table.commit("WRITE", first, second)
    settings = ObjectsSettings.model_validate({"url": str(table.root), "every": "1s", "settled": "1h"})
    source = runner(store, settings)
    source.start()
    try:
        until(lambda: stored(store) == 50, "the rows are stored")
        whole = rewritten(table.file("optimized.parquet", 0, 50), is_new=False)
        table.commit("OPTIMIZE", removed(first, is_new=False), removed(second, is_new=False), whole)
        table.commit("DELETE", removed(whole, is_new=True), table.file("rest.parquet", 1, 49))
        table.file("nobody_committed.parquet", 500, 10)
        table.commit("WRITE", table.file("c.parquet", 50, 5))
        until(lambda: stored(store) == 55, "the new rows are stored")
        assert source.state().error == ""
    finally:
        source.stop()


def test_columns_that_only_the_log_has_are_in_the_records(tmp_path: Path) -> None:
    table = Table(tmp_path / "table")
    types = {"day": "date", "shop": "integer", "share": "decimal(3,2)", "is_new": "boolean", "note": "string"}
    schema = {"type": "struct", "fields": [{"name": name, "type": kind} for name, kind in types.items()]}
    schema["fields"].append({"name": "nested", "type": {"type": "struct", "fields": []}})  # type: ignore[attr-defined]
    values = {
        "day": "2026-11-23",
        "shop": "7",
        "share": "0.25",
        "is_new": "true",
        "note": "",
        "id": "not read",
    }
    action = table.file("day=2026-11-23/a.parquet", 0, 3)
    action["add"]["partitionValues"] = values
    table.commit("WRITE", {"metaData": {"schemaString": json.dumps(schema)}}, action)
    table.commit("WRITE", table.file("b.parquet", 3, 1))
    settings = ObjectsSettings.model_validate({"url": str(table.root), "settled": "1h"})
    source = settings.make_source("delta")
    source.open(dict)
    rows = [json.loads(line) for one in source.fetch(10, 0.0).payloads for line in one.body.splitlines()]
    source.close()
    more = {"day": "2026-11-23", "shop": 7, "share": 0.25, "is_new": True, "note": None}
    by_id = {row["id"]: {name: row[name] for name in more if name in row} for row in rows}
    ids = [json.loads(record(number))["id"] for number in range(4)]
    assert by_id == {**dict.fromkeys(ids[:3], more), ids[3]: {}}


@pytest.mark.parametrize("row", ["{}", '{"a": 1}', '{"b": 2}', '"the row cannot be read"'])
def test_a_row_keeps_what_it_has(row: str) -> None:
    (line,) = with_partition(f"{row}\n".encode(), {"a": 9}).splitlines()
    own = json.loads(row)
    assert json.loads(line) == ({"a": 9, **own} if isinstance(own, dict) else own)


def test_a_table_beside_other_files_hides_only_its_own(tmp_path: Path) -> None:
    table = Table(tmp_path / "data" / "table")
    table.commit("WRITE", table.file("a.parquet", 0, 1))
    table.file("rewritten.parquet", 0, 1)
    (tmp_path / "data" / "plain.parquet").write_bytes(b"x")
    (tmp_path / "data" / "tables.parquet").write_bytes(b"x")
    shop = store_of(str(tmp_path / "data"))
    found, error = DeltaLogs(shop).readable(shop.listed())
    assert error is None
    assert {Path(one.name).name for one in found} == {"a.parquet", "plain.parquet", "tables.parquet"}


@pytest.mark.parametrize(
    ("operation", "actions", "files"),
    [
        ("WRITE", [{"add": {"path": "a", "dataChange": True}}, {"remove": {"path": "b"}}], {"a"}),
        ("MERGE", [{"add": {"path": "a%20b", "dataChange": True}}], {"a b"}),
        ("WRITE", [{"add": {"path": "a"}}], {"a"}),
        ("OPTIMIZE", [{"add": {"path": "a", "dataChange": True}}], set()),
        (None, [{"add": {"path": "a", "dataChange": False}}], set()),
        ("UPDATE", [{"add": {"path": "a", "dataChange": True}}], set()),
        ("CREATE TABLE", [{"metaData": {}}, {"protocol": {}}, {"txn": {}}], set()),
    ],
)
def test_what_a_commit_brings(operation: str | None, actions: list[dict[str, Any]], files: set[str]) -> None:
    info = [] if operation is None else [{"commitInfo": {"operation": operation}}]
    assert set(new_files("\n".join(map(json.dumps, [*info, *actions])).encode())) == files


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"add": 1}', '{"add": {"size": 1}}', "\x00", '{"commitInfo": [1]}']
)
def test_a_commit_that_cannot_be_read_is_told_and_holds_up_its_table_alone(
    tmp_path: Path, content: str
) -> None:
    table, other = Table(tmp_path / "table"), Table(tmp_path / "other")
    table.commit("WRITE", table.file("a.parquet", 0, 1))
    (table.root / "_delta_log" / f"{1:020}.json").write_text(content)
    table.version += 1
    table.commit("WRITE", table.file("b.parquet", 0, 1))
    other.commit("WRITE", other.file("c.parquet", 0, 1))
    shop = LocalFolder(tmp_path)
    found, error = DeltaLogs(shop).readable(shop.listed())
    assert {Path(one.name).name for one in found} == {"a.parquet", "c.parquet"}
    assert error is not None
    assert "no commit of a Delta table" in error.message


def current_names(table: Table) -> set[str]:
    return {Path(one.name).name for one in current(find_locations([str(table.root)]))}


def test_commands_read_the_files_that_are_part_of_a_table_now(tmp_path: Path) -> None:
    table = Table(tmp_path / "table")
    first = table.file("a.parquet", 0, 2)
    table.commit("WRITE", first)
    table.commit(
        "OPTIMIZE", removed(first, is_new=False), rewritten(table.file("o.parquet", 0, 2), is_new=False)
    )
    table.commit("WRITE", last := table.file("b c.parquet", 2, 1))
    (tmp_path / "table" / "beside.parquet").write_bytes(b"x")
    assert current_names(table) == {"o.parquet", "b c.parquet"}
    log = table.root / "_delta_log"
    (log / f"{0:020}.json").unlink()
    with pytest.raises(InputError, match="first commit and a checkpoint are missing"):
        current_names(table)
    active = [{"path": "o.parquet", "dataChange": False}, None]
    pa.parquet.write_table(pa.table({"add": active}), log / f"{1:020}.checkpoint.parquet")
    assert current_names(table) == {"o.parquet", "b c.parquet"}
    table.commit("DELETE", removed(last, is_new=True))
    assert current_names(table) == {"o.parquet"}


def test_a_table_that_cannot_be_read_truly_is_refused(tmp_path: Path) -> None:
    table = Table(tmp_path / "table")
    first = table.file("a.parquet", 0, 3)
    table.commit("WRITE", first)
    table.commit("DELETE", {"add": {**first["add"], "deletionVector": {"storageType": "u"}}})
    with pytest.raises(InputError, match="deletion vector"):
        current_names(table)
    table.commit(
        "REORG", removed(first, is_new=False), rewritten(table.file("b.parquet", 0, 2), is_new=False)
    )
    assert current_names(table) == {"b.parquet"}
    with pytest.raises(InputError, match=r"lacks 1 file, such as .*b\.parquet"):
        current([one for one in find_locations([str(table.root)]) if "b.parquet" not in one.name])
    (table.root / "_delta_log" / f"{1:020}.json").rename(tmp_path / "gone")
    with pytest.raises(InputError, match="commits are missing"):
        current_names(table)


def test_files_with_other_names_for_the_columns_are_refused(tmp_path: Path) -> None:
    table = Table(tmp_path / "table")
    mapped = {"metaData": {"configuration": {"delta.columnMapping.mode": "name"}}}
    table.commit("CREATE TABLE", mapped)
    table.commit("WRITE", table.file("a.parquet", 0, 1))
    with pytest.raises(InputError, match="other names for its columns"):
        current_names(table)
    with pytest.raises(ValueError, match="other names for its columns"):
        new_files(json.dumps(mapped).encode())
