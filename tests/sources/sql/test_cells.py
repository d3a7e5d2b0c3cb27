"""Rows as records, whatever a database makes of the names of columns."""

import json
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor.sources.source import SourceError
from monitor.sources.sql.cells import record_of
from monitor.sources.sql.database import SqlSettings


@pytest.mark.parametrize("names", [("id", "truth", "n"), ("ID", "TRUTH", "N"), ("Id", "Truth", "N")])
def test_fields_are_known_in_any_case_and_features_keep_theirs(names: tuple[str, str, str]) -> None:
    row = dict(zip(names, ("p-1", "fraud", 3), strict=True))
    assert record_of(row, ()) == {"id": "p-1", "truth": "fraud", "features": {names[2]: 3}}


def test_a_column_with_the_very_name_of_a_field_is_the_field() -> None:
    assert record_of({"Error": 0.5, "error": "timeout", "id": 1}, ()) == {
        "id": 1,
        "error": "timeout",
        "features": {"Error": 0.5},
    }


def test_a_table_in_upper_case_is_read_and_a_name_in_another_case_is_shown(tmp_path: Path) -> None:
    at = datetime.fromtimestamp(time.time() - 7200, UTC)
    with closing(sqlite3.connect(tmp_path / "truths.db")) as database, database:
        database.execute("CREATE TABLE t (ID text, TRUTH text, LOADED_AT text)")
        database.execute("INSERT INTO t VALUES (?, ?, ?)", ("p-1", "fraud", str(at)))
    about = {"url": f"sqlite:///{tmp_path}/truths.db", "table": "t", "client": "acme", "model": "fraud"}
    source = SqlSettings.model_validate({**about, "position": "LOADED_AT", "key": ["ID"]}).make_source("t")
    source.open(dict)
    (payload,) = source.fetch(10, 0.0).payloads
    assert json.loads(payload.body) == {"id": "p-1", "truth": "fraud"}
    source.close()
    wrong = SqlSettings.model_validate({**about, "position": "loaded_at", "key": ["id"]}).make_source("t")
    with pytest.raises(SourceError, match="it has 'ID', 'LOADED_AT'"):
        wrong.open(dict)
        wrong.fetch(10, 0.0)
    wrong.close()
