"""Suites of Great Expectations and schemas of pandera: what is read, and what is told to have no counterpart."""

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from monitor.expectations.checking import check
from monitor.expectations.exchange import kinds
from monitor.expectations.exchange.imported import ImportedSuite
from monitor.expectations.suite import dump, load
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
        gx("column_values_to_not_be_null", column="x", row_condition="not y > 1"),
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
        ("kind", "pattern (?s:.*)(?:^a)(?s:.*)", 0.0, "warning"),
        ("kind", "pattern (?s:.*)(?:[a-c])(?s:.*)", 0.0, "warning"),
        ("amount", "type number", 0.0, "warning"),
        (
            "rows",
            "condition (features['end'] is not None and features['start'] is not None or (fe…",
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
            "min_value is a time",
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
    assert results["pattern (?s:.*)(?:^a)(?s:.*)"] == 3  # as re.search of each
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
        ("kind", "unique"), ("kind", "type text"), ("kind", "allowed a, b"),
        ("kind", "pattern (?s:.*)(?:^(?:a+))(?s:.*)"),
        ("kind", "length 1 to 4"),
    ]  # fmt: skip
    assert [one.removeprefix(f"{file}: ") for one in found.left_out] == [
        "columns.when.dtype: the type 'datetime64[ns]' has no counterpart: times are checked by `fresh`",
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
    assert all("'object' holds values of any type" in told for told in found.left_out)
    violations: dict[str, list[float]] = {}
    for one in check(found.expectations, [rows()]):
        about = one.expectation.about
        column = next(name for name in BY_PANDERA if name == about or f"'{name}'" in one.expectation.words)
        if one.violations:
            violations.setdefault(column, []).append(one.violations)
    assert {column: sorted(of) for column, of in violations.items()} == BY_PANDERA


# Expectations over several columns and negative ones, against formulae over the same rows in plain Python.

SEVERAL: list[dict[str, Any]] = [
    {"amount": 1.0, "low": 1.0, "high": 3.0, "kind": "a", "code": "AB-1"},
    {"amount": 2.0, "low": 1.0, "high": 2.0, "kind": "b", "code": "xAB-1"},
    {"amount": None, "low": 1.0, "high": None, "kind": "a", "code": "x"},
    {"amount": None, "low": None, "high": None, "kind": None, "code": None},
    {"amount": 3.0, "low": None, "high": 3.0, "kind": "b", "code": "ab-1\n"},
    {"amount": 4.0, "low": 5.0, "high": 6.0, "kind": "c", "code": "-1"},
]
NUMBERS = ("amount", "low", "high")


def ignored(row: dict[str, Any], names: Sequence[str], how: str) -> bool:
    missing = [row[name] is None for name in names]
    return all(missing) if how.startswith(("both", "all")) else any(missing) if "is_missing" in how else False


def same(row: dict[str, Any], how: str) -> bool:
    values = [row[name] for name in NUMBERS]
    return not ignored(row, NUMBERS, how) and len(set(values)) < 3


def off(row: dict[str, Any], how: str) -> bool:
    values = [row[name] for name in NUMBERS]
    return not ignored(row, NUMBERS, how) and (None in values or sum(values) != 5)


def other_pair(row: dict[str, Any], how: str) -> bool:
    is_known = (row["low"], row["kind"]) in ((1.0, "a"), (5.0, "c"))
    return not ignored(row, ("low", "kind"), how) and not is_known


OF_SEVERAL = [
    (
        gx("select_column_values_to_be_unique_within_record", column_list=list(NUMBERS), ignore_row_if=how),
        same,
        how,
    )
    for how in ("all_values_are_missing", "any_value_is_missing", "never")
]
OF_SEVERAL += [
    (gx("multicolumn_sum_to_equal", column_list=list(NUMBERS), sum_total=5, ignore_row_if=how), off, how)
    for how in ("all_values_are_missing", "any_value_is_missing", "never")
]
OF_SEVERAL += [
    (
        gx(
            "column_pair_values_to_be_in_set", column_A="low", column_B="kind",
            value_pairs_set=[[1, "a"], [5, "c"]], ignore_row_if=how,
        ),
        other_pair, how,
    )
    for how in ("both_values_are_missing", "either_value_is_missing", "neither")
]  # fmt: skip


def of_suite(tmp_path: Path, *made: dict[str, Any]) -> ImportedSuite:
    file = tmp_path / "suite.json"
    old = [{"expectation_type": one["type"], "kwargs": one["kwargs"], "meta": {}} for one in made]
    file.write_text(json.dumps({"expectation_suite_name": "old", "expectations": old}))  # as of version 0.18
    return kinds.read(file)


@pytest.mark.parametrize(("made", "violates", "how"), OF_SEVERAL)
def test_conditions_of_several_columns(
    tmp_path: Path, made: dict[str, Any], violates: Callable[[dict[str, Any], str], bool], how: str
) -> None:
    found = of_suite(tmp_path, made)
    assert found.left_out == []
    (batch,) = conform(pa.Table.from_pylist(SEVERAL)).combine_chunks().to_batches()
    (result,) = check(found.expectations, [batch])
    assert result.violations == sum(violates(row, how) for row in SEVERAL)
    if how.startswith(("any", "either")):
        names = NUMBERS if violates is not other_pair else ("low", "kind")
        assert result.rows == sum(not ignored(row, names, how) for row in SEVERAL)


@pytest.mark.parametrize("regexes", [["^AB"], ["[A-Z]"], ["-1$"], ["^AB", "^x$"]])
def test_texts_that_must_not_match(tmp_path: Path, regexes: list[str]) -> None:
    several = gx("column_values_to_not_match_regex_list", column="code", regex_list=regexes)
    one = gx("column_values_to_not_match_regex", column="code", regex=regexes[0])
    found = of_suite(tmp_path, several, one)
    (batch,) = conform(pa.Table.from_pylist(SEVERAL)).combine_chunks().to_batches()
    codes = [row["code"] for row in SEVERAL if row["code"] is not None]
    expected = [
        sum(any(re.search(regex, code) for regex in some) for code in codes)
        for some in (regexes, regexes[:1])
    ]
    (tmp_path / "ours.yaml").write_text(dump(list(found.expectations)))
    found_again = load(tmp_path / "ours.yaml")
    for expectations in (found.expectations, found_again):
        assert [result.violations for result in check(expectations, [batch])] == expected[: len(expectations)]


@pytest.mark.parametrize(
    ("kind", "instead"),
    [
        ("table_row_count_to_be_between", "`rows:"), ("table_row_count_to_equal", "`rows:"),
        ("table_columns_to_match_set", "`schema_changes`"), ("table_columns_to_match_ordered_list", "`schema_changes`"),
        ("table_column_count_to_equal", "`schema_changes`"), ("column_to_exist", "`schema_changes`"),
        ("column_mean_to_be_between", "drift"),
        ("column_values_to_match_strftime_format", "`fresh`"),
    ],
)  # fmt: skip
def test_what_has_no_counterpart_says_what_tells_the_same(tmp_path: Path, kind: str, instead: str) -> None:
    found = of_suite(tmp_path, gx(kind, column="amount"))
    assert found.expectations == []
    assert f"expectations[0]: expect_{kind} has no counterpart" in found.left_out[0]
    assert instead in found.left_out[0]


def test_a_schema_of_pandera_with_what_is_about_the_whole_table(tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    about_times = {"dtype": "datetime64[ns]", "nullable": True, "greater_than": "2024-01-01 00:00:00"}
    schema = {"columns": {"when": about_times}, "unique": ["a", "b"], "strict": True, "ordered": True}
    file.write_text(json.dumps(schema))
    found = kinds.read(file)
    assert [(one.column, one.words) for one in found.expectations] == [
        ("features.a", "unique together with b")
    ]
    told = [one.removeprefix(f"{file}: ") for one in found.left_out]
    assert [one.partition(":")[0] for one in told] == [
        "columns.when.dtype", "columns.when.checks.greater_than", "strict", "ordered",
    ]  # fmt: skip
    assert "is a time" in told[1]


def test_columns_that_are_unique_together_are_those_of_pandas(tmp_path: Path) -> None:
    rng = random.Random(3)
    rows = [
        {
            "a": rng.choice(["x", "x,1:y", None]),
            "b": rng.choice([1, 2, None, 3]),
            "c": rng.choice(["1:y", "", None]),
        }
        for _ in range(60)
    ]
    suite = of_suite(tmp_path, gx("compound_columns_to_be_unique", column_list=["a", "b", "c"]))
    (one,) = suite.expectations
    assert one.words == "unique together with b, c"
    table = pa.table({f"features.{name}": [row[name] for row in rows] for name in "abc"})
    parts = table.combine_chunks().to_batches(max_chunksize=25)
    (result,) = check([one], parts)
    keys = Counter(tuple(row.values()) for row in rows if any(value is not None for value in row.values()))
    assert result.rows == sum(keys.values())
    assert result.violations == sum(amount for amount in keys.values() if amount > 1)
    again = tmp_path / "again.yaml"
    again.write_text(dump([one]))
    assert load(again) == [one]
    plain = tmp_path / "plain.yaml"
    plain.write_text("columns:\n  a:\n    - {check: unique, together_with: [b, c]}\n")
    assert [two.id for two in load(plain)] == [one.id]


@pytest.mark.parametrize(
    "given",
    [
        {"column_list": ["a", 1]},
        {"column_list": []},
        {"column_list": ["a", "b"], "ignore_row_if": "never"},
        {},
    ],
)
def test_keys_that_cannot_be_read_are_told(tmp_path: Path, given: dict[str, Any]) -> None:
    found = of_suite(tmp_path, gx("compound_columns_to_be_unique", **given))
    assert (found.expectations, len(found.left_out)) == ([], 1)


@pytest.mark.parametrize(
    ("name", "meant"),
    [("VARCHAR(20)", "text"), ("DECIMAL(10,2)", "number"), ("decimal(28, 0)", "number"), ("LongType", "integer"),
     ("DecimalType(38,18)", "number"), ("DoubleType", "number"), ("Int64", "integer"), ("TimestampType", None)],
)  # fmt: skip
def test_types_of_databases_and_spark(tmp_path: Path, name: str, meant: str | None) -> None:
    found = of_suite(tmp_path, gx("column_values_to_be_of_type", column="amount", type_=name))
    assert [one.arguments["type"] for one in found.expectations] == [meant] * (meant is not None)


def test_values_that_are_missing_are_in_any_set(tmp_path: Path) -> None:
    given = {"column": "kind", "value_set": ["a", 2, None]}
    for kind in ("column_values_to_be_in_set", "column_distinct_values_to_be_in_set"):
        (one,) = of_suite(tmp_path, gx(kind, **given)).expectations
        assert one.arguments["values"] == ["a", 2]


def test_a_column_that_may_be_absent_is_not_expected_to_be_there(tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    file.write_text(json.dumps({"columns": {"a": {"dtype": "int64", "nullable": False, "required": False}}}))
    found = kinds.read(file)
    assert [one.check.value for one in found.expectations] == ["type"]
    assert found.left_out[0].startswith(f"{file}: columns.a.required")
