"""Suites of Great Expectations and schemas of pandera: what is read, and what is told to have no counterpart."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from monitor.expectations.checking import check
from monitor.expectations.exchange import kinds
from monitor.windows.baseline_from_table import conform


def gx(kind: str, **kwargs: Any) -> dict[str, Any]:
    return {"type": f"expect_{kind}", "kwargs": kwargs}


SUITE = {
    "name": "fraud",
    "meta": {"great_expectations_version": "1.4.0"},
    "expectations": [
        gx("column_values_to_not_be_null", column="amount", mostly=0.9) | {"severity": "critical"},
        gx("column_values_to_be_between", column="amount", min_value=0, max_value=10, strict_min=False),
        {
            "expectation_type": "expect_column_values_to_be_in_set",
            "kwargs": {"column": "kind", "value_set": ["a", "b"]},
        },
        gx("column_values_to_match_regex", column="kind", regex="^a"),
        gx("column_values_to_match_regex", column="kind", regex="[a-c]"),
        gx("column_values_to_be_of_type", column="amount", type_="float64"),
        gx("column_pair_values_a_to_be_greater_than_b", column_A="end", column_B="start", or_equal=True),
        gx("column_values_to_be_unique", column="id"),
        gx("column_value_lengths_to_be_between", column="kind", max_value=3),
        gx("column_values_to_be_between", column="amount", min_value=0, strict_min=True),
        gx("column_values_to_be_between", column="day", min_value="2026-01-01"),
        gx("column_values_to_match_regex", column="kind", regex="(?=a)"),
        gx("column_values_to_be_in_set", column="kind"),
        gx("column_kl_divergence_to_be_less_than", column="kind"),
        gx("column_values_to_not_be_null", column={"$PARAMETER": "x"}),
        gx("column_values_to_not_be_null", column="x", row_condition="y > 1"),
        "nonsense",
    ],
}


def test_a_suite_of_great_expectations(tmp_path: Path) -> None:
    file = tmp_path / "suite.json"
    file.write_text(json.dumps(SUITE))
    found = kinds.read(file)
    assert [
        (one.about, one.words, round(one.tolerated, 9), one.tier.value) for one in found.expectations
    ] == [
        ("amount", "present", 0.1, "critical"),
        ("amount", "range 0 to 10", 0.0, "warning"),
        ("kind", "allowed a, b", 0.0, "warning"),
        ("kind", "pattern (?:^a)(?s:.*)", 0.0, "warning"),
        ("kind", "pattern (?s:.*)(?:[a-c])(?s:.*)", 0.0, "warning"),
        ("amount", "type number", 0.0, "warning"),
        (
            "rows",
            "condition (features['end'] is not None and features['start'] is not None or fea…",
            0.0,
            "warning",
        ),
        ("id", "unique", 0.0, "warning"),
        ("kind", "length up to 3", 0.0, "warning"),
        ("rows", "condition features['amount'] > 0.0", 0.0, "warning"),
    ]
    told = [one.removeprefix(f"{file}: expectations[") for one in found.left_out]
    assert [int(one.partition("]")[0]) for one in told] == list(range(10, 17))
    for text, reason in zip(
        told,
        (
            "min_value is no number",
            "RE2",
            "value_set is missing",
            "no counterpart",
            "parameters",
            "row_condition",
            "no kwargs",
        ),
        strict=True,
    ):
        assert reason in text
    rows = pa.RecordBatch.from_arrays([pa.array(["abc", "b", "xx\na", "zzzz"])], names=["features.kind"])
    results = {one.expectation.words: one.violations for one in check(found.expectations, [rows])}
    assert results["pattern (?:^a)(?s:.*)"] == 3  # as re.search of each
    assert results["pattern (?s:.*)(?:[a-c])(?s:.*)"] == 1
    assert results["length up to 3"] == 2


SCHEMA = """
schema_type: dataframe
version: 0.26.0
columns:
  amount:
    dtype: float64
    nullable: false
    checks:
    - value: 0
      options: {check_name: greater_than_or_equal_to, raise_warning: false}
    - {min_value: 0, max_value: 5, include_min: true, include_max: true, options: {check_name: in_range}}
    - {min_value: 0, max_value: 5, include_min: false, options: {check_name: in_range}}
    - {value: 3, options: {check_name: not_equal_to}}
    unique: false
    coerce: false
    required: true
    regex: false
  kind:
    dtype: str
    nullable: true
    unique: true
    checks: {isin: [a, b], str_matches: "a+", str_length: {min_value: 1, max_value: 4}}
  when: {dtype: "datetime64[ns]", nullable: true}
  "^x_": {regex: true}
checks: [{}]
index: null
"""


def test_a_schema_of_pandera(tmp_path: Path) -> None:
    file = tmp_path / "schema.yaml"
    file.write_text(SCHEMA)
    found = kinds.read(file)
    assert [(one.about, one.words) for one in found.expectations] == [
        ("amount", "present"), ("amount", "type number"), ("amount", "range from 0"), ("amount", "range 0 to 5"),
        ("rows", "condition features['amount'] > 0.0 and features['amount'] <= 5.0"),
        ("rows", "condition features['amount'] not in (3,)"),
        ("kind", "unique"), ("kind", "type text"), ("kind", "allowed a, b"), ("kind", "pattern (?:^(?:a+))(?s:.*)"),
        ("kind", "length 1 to 4"),
    ]  # fmt: skip
    assert [one.removeprefix(f"{file}: ") for one in found.left_out] == [
        "columns.when.dtype: the type 'datetime64[ns]' has no counterpart: number, integer, boolean or text",
        "columns.^x_.regex: names of columns are not patterns here",
        "checks: is not supported",
    ]


# What the packages themselves say of the same rows. The files were written by hand, and validated with both.

FILES = Path(__file__).parent / "files"
BY_GREAT_EXPECTATIONS = [2, 7, 2, 2, 3, 5, 2, 3, 4, 3, 2, 4, 3, 3, 3, 6, 6]
BY_PANDERA = {
    "amount": [1, 1, 2, 3],
    "code": [3, 4],
    "id": [3, 6],
    "kind": [1, 2, 5, 6, 6],
    "low": [1, 2, 2, 2],
}
"""The violations by column, of those checks that have some."""


def rows() -> pa.RecordBatch:
    table = pa.Table.from_pylist(json.loads((FILES / "rows.json").read_text()))
    (batch,) = conform(table).combine_chunks().to_batches()
    return batch


def test_violations_are_those_that_great_expectations_counts() -> None:
    found = kinds.read(FILES / "great_expectations_1_24.json")
    assert found.left_out == []
    assert [one.violations for one in check(found.expectations, [rows()])] == BY_GREAT_EXPECTATIONS


def test_violations_are_those_that_pandera_counts() -> None:
    found = kinds.read(FILES / "pandera_0_35.json")
    assert found.left_out == []
    violations: dict[str, list[float]] = {}
    for one in check(found.expectations, [rows()]):
        about = one.expectation.about
        column = next(name for name in BY_PANDERA if name == about or f"'{name}'" in one.expectation.words)
        if one.violations:
            violations.setdefault(column, []).append(one.violations)
    assert {column: sorted(of) for column, of in violations.items()} == BY_PANDERA
