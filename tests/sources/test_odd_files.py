"""Files as other programs leave them: other encodings, thousands, NaN in JSON, nesting without end, pandas' notes."""

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from monitor.errors import InputError
from monitor.predictions.settings import PredictionSettings
from monitor.sources.files.load import HistoryReader
from monitor.sources.files.tables import read_table
from monitor.windows.layout.column_kinds import find
from tests.support.log import NOW, STREAM
from watchkeeper import compare

OLD = int(NOW) - 86_400
CSV = "timestamp,prediction,amount\n" + "".join(f"{OLD + n},ok,{n + 0.5}\n" for n in range(20))
RECORDS = [{"timestamp": OLD + n, "prediction": "ok", "amount": n + 0.5} for n in range(20)]
LINES = "\n".join(map(json.dumps, RECORDS))


def amounts(path: Path) -> tuple[list[object], HistoryReader]:
    reader = HistoryReader([path], STREAM, PredictionSettings(), NOW)
    batches = [batch.rows for part in reader.parts() for batch in part.batches]
    return [one for rows in batches for one in rows["features.amount"].to_pylist()], reader


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    ("name", "text"), [("a.csv", CSV), ("a.ndjson", LINES), ("a.json", json.dumps(RECORDS))]
)
def test_any_of_the_usual_encodings(tmp_path: Path, encoding: str, name: str, text: str) -> None:
    (tmp_path / name).write_bytes(text.encode(encoding))
    found, reader = amounts(tmp_path / name)
    assert sorted(map(float, found)) == [n + 0.5 for n in range(20)]  # type: ignore[arg-type]
    assert reader.rejected == {}


@pytest.mark.parametrize(
    ("separator", "values", "expected"),
    [
        (",", ['"1,234.5"', '"12,345,678"', "7"], [1234.5, 12345678.0, 7.0]),
        (";", ["1.234,5", "-2.345.678,25", "7,5"], [1234.5, -2345678.25, 7.5]),
        (";", ["1.234,5", "1.234", "7"], ["1.234,5", "1.234", "7"]),  # the second may be either
        (",", ['"1,2345"', "7", "8"], ["1,2345", "7", "8"]),
    ],
)
def test_thousands(tmp_path: Path, separator: str, values: list[str], expected: list[object]) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("\n".join([f"amount{separator}x", *(f"{value}{separator}a" for value in values)]))
    assert [str(one) for one in read_table(path).rows["amount"].to_pylist()] == [str(one) for one in expected]


def test_a_quote_that_is_not_closed_is_told_instead_of_hiding_the_rest(tmp_path: Path) -> None:
    lines = ["timestamp,prediction,amount,note", *(f"{OLD + n},ok,{n + 0.5},x" for n in range(20))]
    lines[8] = lines[8].replace(",x", ',"x')
    lines[3] = lines[3].replace(",x", ',"a poem\nof some\nlines, and a comma\n"')
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(lines))
    found, reader = amounts(path)
    assert found == [n + 0.5 for n in range(7)]
    (refused,) = reader.examples
    assert refused.error.startswith(f"{path}:9: a quote is not closed: 13 lines are in one value")


@pytest.mark.parametrize("form", ["json", "ndjson"])
def test_what_python_writes_for_nan_is_read(tmp_path: Path, form: str) -> None:
    records = [{**record, "amount": float("nan")} if n == 3 else record for n, record in enumerate(RECORDS)]
    path = tmp_path / f"rows.{form}"
    path.write_text(json.dumps(records) if form == "json" else "\n".join(map(json.dumps, records)))
    found, reader = amounts(path)
    assert (len(found), sum(one != one for one in found), reader.rejected) == (20, 1, {})


WHERE_DEEP = (
    '{"x":%s}',
    '{"timestamp": 1795334402, "prediction": "ok", "features": {"amount": %s}}',
    '{"text": "]]}}\\"", "truth": %s}',
)


@pytest.mark.parametrize("place", WHERE_DEEP)
@pytest.mark.parametrize(("begin", "end"), [('{"a":', "}"), ("[", "]"), ('[{"a":"[","c":', "}]")])
@pytest.mark.parametrize("depth", [202, 5_000, 100_000])
def test_a_record_that_is_nested_without_end_costs_no_other_line(
    tmp_path: Path, place: str, begin: str, end: str, depth: int
) -> None:
    path = tmp_path / "rows.ndjson"
    path.write_text(place % (begin * depth + "1" + end * depth) + "\n" + LINES)
    found, reader = amounts(path)
    assert len(found) == 20
    assert [one.error for one in reader.examples] == [f"{path}:1: it is nested too deeply"]


def test_an_array_of_records_that_are_nested_without_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text("[" + '{"a":' * 5000 + "1" + "}" * 5000 + "]")
    with pytest.raises(InputError, match="nested too deep"):
        read_table(tmp_path / "rows.json")


def test_one_vector_with_a_gap_refuses_its_own_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.ndjson"
    records = [{**record, "amount": [1.0, None if n == 3 else 2.0]} for n, record in enumerate(RECORDS)]
    path.write_text("\n".join(map(json.dumps, records)))
    found, reader = amounts(path)
    assert len(found) == 19
    assert reader.examples[0].error.startswith(f"{path}:4: features.amount[1] is ")


def frame(shares: list[float]) -> pd.DataFrame:
    rows = [n for n, share in enumerate(shares) for _ in range(round(1000 * share))]
    return pd.DataFrame(
        {
            "shop": pd.Categorical([f"shop {n}" for n in rows], [f"shop {n}" for n in range(1500)]),
            "number": pd.Categorical(rows, range(1500)),
            "day": pd.Categorical(
                [("2026-01-01", "b", "c")[n] for n in rows],
                ["2026-01-01", "b", "c", *(f"2027-01-{day:02d}" for day in range(1, 29))],
            ),
        }
    )


def test_categories_that_no_row_has_decide_nothing_and_all_forms_agree(tmp_path: Path) -> None:
    before, after = frame([0.6, 0.3, 0.1]), frame([0.2, 0.2, 0.6])
    before.to_parquet(tmp_path / "before.parquet"), after.to_parquet(tmp_path / "after.parquet")
    before.to_feather(tmp_path / "before.feather"), after.to_feather(tmp_path / "after.feather")
    tables = [pa.Table.from_pandas(one, preserve_index=False) for one in (before, after)]
    pairs = [(before, after), (tables[0], tables[1])]
    pairs += [(tmp_path / f"before.{kind}", tmp_path / f"after.{kind}") for kind in ("parquet", "feather")]  # type: ignore[misc]
    found = [compare(one, other) for one, other in pairs]
    figures = [{column.name: (column.kind, column.value("psi")) for column in one.columns} for one in found]
    assert [len(one.drifted) for one in found] == [3, 3, 3, 3]
    assert {kind.value for kind, _ in figures[0].values()} == {"category"}
    assert figures[0] == figures[1] == figures[2] == figures[3]
    assert find(pa.array(["2026-01-01"] * 9).dictionary_encode()).value == "time"


def test_a_nameless_index_is_no_column(tmp_path: Path) -> None:
    rows = pd.DataFrame({"amount": [n % 7 + 0.5 for n in range(200)]}, index=pd.Categorical(["u", "v"] * 100))
    rows.to_parquet(tmp_path / "rows.parquet")
    assert [column.name for column in compare(tmp_path / "rows.parquet", rows).columns] == ["amount"]
