"""Conditions on rows of Great Expectations: the rows that pandas would choose are checked, and no others."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from monitor.expectations.checking import check
from monitor.expectations.exchange import kinds
from monitor.expectations.violations import find

ROWS: list[dict[str, Any]] = [
    {"x": x, "y": y, "kind": kind, "odd name": y}
    for x in (1.0, 5.0, None)
    for y in (0.0, 2.0, None)
    for kind in ("a", "b", None)
]
# condition, its parser, and whether pandas chooses a row: a comparison with what is missing is false, `!=` is true
CONDITIONS: list[tuple[str, str | None, Any]] = [
    ("y > 1", None, lambda r: r["y"] is not None and r["y"] > 1),
    ("y != 2", "pandas", lambda r: r["y"] != 2),
    ("0 < y <= 2", "pandas", lambda r: r["y"] is not None and 0 < r["y"] <= 2),
    ('kind == "a" and y < 1', "pandas", lambda r: r["kind"] == "a" and r["y"] == 0),
    ('(kind == "a") | (y > 1)', "pandas", lambda r: r["kind"] == "a" or r["y"] == 2),
    ('kind in ["a", "c"]', "pandas", lambda r: r["kind"] == "a"),
    ('kind not in ["a"]', "pandas", lambda r: r["kind"] != "a"),
    ("`odd name` >= 2", "pandas", lambda r: r["y"] == 2),
    ("y.notnull() & kind.isna()", "pandas", lambda r: r["y"] is not None and r["kind"] is None),
    ('col("y").notNull()', "great_expectations", lambda r: r["y"] is not None),
    ('col("y") < col("x")', "great_expectations__experimental__",
     lambda r: None not in (r["x"], r["y"]) and r["y"] < r["x"]),
]  # fmt: skip
# an expectation, and what it demands of the value of a row: None for a row without it, which is not looked at
EXPECTED: list[tuple[str, dict[str, Any], Any]] = [
    ("column_values_to_not_be_null", {}, lambda x: x is not None),
    ("column_values_to_be_between", {"min_value": 2}, lambda x: None if x is None else x >= 2),
    (
        "column_values_to_be_between",
        {"max_value": 1, "strict_max": True},
        lambda x: None if x is None else x < 1,
    ),
    ("column_values_to_be_in_set", {"value_set": [1, 7]}, lambda x: None if x is None else x in (1, 7)),
    ("column_values_to_not_be_in_set", {"value_set": [1]}, lambda x: None if x is None else x != 1),
]


def suite(folder: Path, *kwargs: tuple[str, dict[str, Any]]) -> Any:
    file = folder / "suite.json"
    expectations = [{"type": f"expect_{kind}", "kwargs": {"column": "x", **given}} for kind, given in kwargs]
    file.write_text(json.dumps({"expectations": expectations}))
    return kinds.read(file)


@pytest.mark.parametrize(("condition", "parser", "chooses"), CONDITIONS, ids=[one[0] for one in CONDITIONS])
def test_the_rows_that_pandas_chooses_are_checked(
    tmp_path: Path, condition: str, parser: str | None, chooses: Any
) -> None:
    limits = {"row_condition": condition, "condition_parser": parser, "mostly": 0.9}
    found = suite(tmp_path, *((kind, {**given, **limits}) for kind, given, _ in EXPECTED))
    assert not found.left_out
    columns = {f"features.{name}": [row[name] for row in ROWS] for name in ROWS[0]}
    rows = pa.RecordBatch.from_pydict(columns)
    results = check(found.expectations, [rows])
    for (_, _, demand), result in zip(EXPECTED, results, strict=True):
        verdicts = [demand(row["x"]) for row in ROWS if chooses(row)]
        assert round(result.expectation.tolerated, 9) == 0.1
        assert result.violations == verdicts.count(False)
        assert find(result.expectation, rows).checked.sum() == len(verdicts) - verdicts.count(None)


@pytest.mark.parametrize(
    ("condition", "parser"),
    [
        ("not y > 1", "pandas"),
        ("~(y > 1)", "pandas"),
        ("y > 1 & x > 2", "pandas"),
        ("y.str.len() > 1", "pandas"),
        ("y + 1 > 2", "pandas"),
        ("y", "pandas"),
        ("1 > 2", "pandas"),
        ("y ==", "pandas"),
        ("y in []", "pandas"),
        ("y == None", "pandas"),
        ("y == [1]", "pandas"),
        ("@y > 1", "pandas"),
        ("__import__('os').system('true')", "pandas"),
        ("(" * 300 + "y > 1" + ")" * 300, "pandas"),
        (" and ".join(["y > 1"] * 300), "pandas"),
        ("y > 1", "spark"),
        ('col("y") > date("2026-01-01")', "great_expectations"),
        ({"type": "condition"}, None),
        (7, None),
    ],
    ids=lambda one: str(one)[:30],
)
def test_what_has_no_counterpart_is_told_with_what_to_write(
    tmp_path: Path, condition: Any, parser: str | None
) -> None:
    given = {"row_condition": condition, "condition_parser": parser}
    found = suite(tmp_path, ("column_values_to_not_be_null", given))
    assert not found.expectations
    assert "row_condition" in found.left_out[0] or "parameters are not filled in" in found.left_out[0]


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("column_values_to_be_unique", {}),
        ("column_values_to_match_regex", {"regex": "a"}),
        ("column_value_lengths_to_equal", {"value": 3}),
        ("column_values_to_be_of_type", {"type_": "int"}),
        ("column_values_to_be_in_set", {"value_set": []}),
    ],
)
def test_an_expectation_that_is_no_expression_is_told(
    tmp_path: Path, kind: str, given: dict[str, Any]
) -> None:
    found = suite(tmp_path, (kind, {**given, "row_condition": "y > 1"}))
    assert not found.expectations
    assert "row_condition" in found.left_out[0]
    assert "write a condition" in found.left_out[0]
