"""Objects inside records: a column for each value, however deep, the same from lines, an array, Arrow and HTTP."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import InputError
from monitor.predictions.intake import arrow
from monitor.predictions.intake.arrow_types import flat_table
from monitor.predictions.intake.fast_decoder import FastDecoders
from monitor.predictions.intake.parse import RecordKind, read
from monitor.predictions.intake.schema import Rules, leaves
from monitor.predictions.settings import PredictionSettings
from monitor.sources.files.load import HistoryReader
from monitor.sources.files.tables import read_table
from monitor.sources.formats.captures import tensors
from monitor.sources.guess import guess
from tests.support.log import NOW, STREAM, prediction
from watchkeeper import compare

RULES = Rules(PredictionSettings(), NOW)
OLD = int(NOW) - 86_400


def records(rows: int = 300, **more: object) -> list[dict[str, Any]]:
    return [
        {
            "id": f"n{n}",
            "timestamp": OLD + n * 5,
            "prediction": "ok",
            "features": {
                "user": {"age": n % 50 + 0.5, "geo": {"lat": n % 9 + 0.25, "city": "ab"[n % 2]}},
                "amount": float(n % 7),
            },
            **more,
        }
        for n in range(rows)
    ]  # fmt: skip


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".arrow":
        table = pa.Table.from_pylist(rows)
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table)
    else:
        path.write_text("\n".join(map(json.dumps, rows)) if path.suffix == ".ndjson" else json.dumps(rows))
    return path


def loaded(path: Path) -> dict[str, list[object]]:
    """The features by name, in order of time."""
    reader = HistoryReader([path], STREAM, PredictionSettings(), NOW)
    batches = [batch.rows for part in reader.parts() for batch in part.batches]
    names = sorted({name for rows in batches for name in rows.schema.names if name.startswith("features.")})
    rows = sorted((row for one in batches for row in one.to_pylist()), key=lambda row: str(row["id"]))
    return {name: [row.get(name) for row in rows] for name in names}


def sent(rows: list[dict[str, Any]]) -> dict[str, list[object]]:
    settings = PredictionSettings()
    body = json.dumps([{**row, "client": "acme", "model": "fraud"} for row in rows]).encode()
    found = read(
        RecordKind.PREDICTIONS, body, "application/json", Rules(settings, NOW), FastDecoders(settings)
    )
    assert found.accepted == len(rows)
    taken = sorted((row for part in found.parts for row in part.rows), key=lambda row: str(row.id))
    names = sorted({name for row in taken for name in row.features})
    return {f"features.{name}": [row.features.get(name) for row in taken] for name in names}


@pytest.mark.parametrize("kind", ["ndjson", "json", "arrow"])
def test_every_way_in_has_the_same_columns(tmp_path: Path, kind: str) -> None:
    rows = records()
    found = loaded(write(tmp_path / f"rows.{kind}", rows))
    assert found == sent(rows)
    assert list(found) == [
        "features.amount",
        "features.user.age",
        "features.user.geo.city",
        "features.user.geo.lat",
    ]


@pytest.mark.parametrize("kind", ["ndjson", "json"])
def test_one_mixed_value_changes_its_own_column_and_no_other(tmp_path: Path, kind: str) -> None:
    rows, plain = records(), records()
    rows[5]["features"]["amount"] = "n/a"
    found, expected = loaded(write(tmp_path / f"rows.{kind}", rows)), sent(plain)
    assert {name: found[name] for name in found if "user" in name} == {
        name: expected[name] for name in expected if "user" in name
    }
    assert found["features.amount"] == ["n/a" if n == 5 else str(n % 7) for n in _in_order(300)]


def _in_order(rows: int) -> list[int]:
    return sorted(range(rows), key=lambda n: f"n{n}")


@pytest.mark.parametrize("kind", ["ndjson", "json"])
def test_objects_that_are_missing_empty_or_in_another_order(tmp_path: Path, kind: str) -> None:
    rows = records(6)
    rows[1]["features"]["user"] = None
    rows[2]["features"]["user"] = {}
    rows[3]["features"] = dict(reversed(rows[3]["features"].items()))
    rows[4]["features"]["user"] = "gone"
    found = loaded(write(tmp_path / f"rows.{kind}", rows))
    assert found["features.user.age"] == [0.5, None, None, 3.5, None, 5.5]
    assert found["features.user"] == [None, None, None, None, "gone", None]
    assert found["features.amount"] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


def test_drift_inside_is_found_in_all_forms_alike(tmp_path: Path) -> None:
    moved = records()
    for row in moved:
        row["features"]["user"]["geo"]["lat"] += 4
    mixed = json.loads(json.dumps(moved))
    mixed[5]["features"]["amount"] = "n/a"
    figures = []
    for kind in ("ndjson", "json", "arrow"):
        base, new = write(tmp_path / f"base.{kind}", records()), write(tmp_path / f"new.{kind}", moved)
        figures.append({column.name: column.value("psi") for column in compare(base, new).columns})
        assert [one.name.removeprefix("features.") for one in compare(base, new).drifted] == ["user.geo.lat"]
        if kind != "arrow":
            other = write(tmp_path / f"mixed.{kind}", mixed)
            assert "user.geo.lat" in {
                one.name.removeprefix("features.") for one in compare(base, other).drifted
            }
    assert figures[0] == figures[1] == figures[2]


@pytest.mark.parametrize("kind", ["ndjson", "json"])
def test_texts_stay_as_they_are_written(tmp_path: Path, kind: str) -> None:
    """Arrow's reader makes times of texts that look like such, and numbers of large ids lose digits as floats."""
    rows = [{"id": 9007199254740993 + n, "day": "2026-01-01", "tags": ["a", "b"]} for n in range(3)]
    table = read_table(write(tmp_path / f"rows.{kind}", rows)).rows
    assert [str(one) for one in table.column("day").to_pylist()] == ["2026-01-01"] * 3
    assert pa.types.is_list(table.schema.field("tags").type)
    path = write(tmp_path / f"load.{kind}", [{**row, "timestamp": OLD, "prediction": "a"} for row in rows])
    reader = HistoryReader([path], STREAM, PredictionSettings(), NOW)
    ids = [one for part in reader.parts() for batch in part.batches for one in batch.rows["id"].to_pylist()]
    assert ids == [str(9007199254740993 + n) for n in range(3)]
    assert reader.ignored == {"features.tags"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), JSON, max_size=3))
def test_every_leaf_is_there_under_its_path(record: dict[str, Any]) -> None:
    found = leaves(record)
    assert not any(isinstance(value, dict) for value in found.values())
    for name, value in found.items():
        at: Any = record
        for part in name.split("."):
            at = at[part]
        assert at == value


LONG = {"k" * 20_000: {str(n): 1.0 for n in range(2_000)}}
"""A long name before many values: 40 MB of dotted names from 38 kB."""


def test_a_long_name_is_not_written_out_for_each_value_in_it(tmp_path: Path) -> None:
    tracemalloc.start()
    names = list(leaves({"features": {"a": {"b": 1.0}, **LONG}}))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert names[0] == "features.a.b"
    assert peak < 2_000_000, f"{peak:,}"
    body = json.dumps([prediction(features=LONG)]).encode()
    submission = read(RecordKind.PREDICTIONS, body, "application/json", RULES, FastDecoders(RULES.settings))
    assert submission.rejected[0].rejected.error == "a name in features has 1,024 characters or more"
    table = pa.table({"features": [LONG]})
    with pytest.raises(pa.ArrowInvalid, match=r"a nested column has 20,0\d\d characters, more than 1,024"):
        flat_table(table)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(InputError, match="the name of a nested column has"):
        arrow.table(sink.getvalue().to_pybytes(), 100, 100_000)


def test_a_long_name_of_a_tensor_is_not_written_out_for_each_value_in_it() -> None:
    wide = {"name": "k" * 20_000, "datatype": "FP32", "shape": [20, 100], "data": [1.0] * 2_000}
    other = {"name": "x", "datatype": "FP32", "shape": [20], "data": [1.0] * 20}
    tracemalloc.start()
    rows = tensors.rows_of_tensors([wide, other], b"")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [len(row) for row in rows if isinstance(row, dict)] == [101] * 20
    assert peak < 2_000_000, f"{peak:,}"


def test_a_mapping_is_guessed_without_names_that_are_too_long() -> None:
    sample = json.dumps({"label": "ok", "inputs": {"amount": 1.0, **LONG}}).encode()
    tracemalloc.start()
    proposal = guess(sample)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert proposal.mapping.fields["features"] == "$.inputs"
    assert peak < 5_000_000, f"{peak:,}"


def test_however_deep() -> None:
    record: dict[str, Any] = {"x": 1.0}
    for _ in range(5000):
        record = {"a": record}
    assert list(leaves(record).values()) == [1.0]
