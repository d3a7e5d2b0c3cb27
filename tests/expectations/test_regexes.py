"""Patterns of other tools mean here what they mean there: held against `re` of Python and LIKE of SQLite."""

import json
import re
import sqlite3
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pytest

from monitor.expectations.checking import check
from monitor.expectations.exchange import kinds
from monitor.expectations.exchange.imported import ImportedSuite

TEXTS = [
    "DE", "DE\n", "xDE", "FR", "xFR", "FRx", "", " ", "a\u00a0b", "\u00e9", "caf\u00e9_1", "e\u0301", "\u0663\u0664",
    "\u00bd", "12", "a-1", "]", "[", "^", "$", "a$", "{,3}", "aaaa", "aaa", "DE\nFR", "\x1c", "\u2028", "100%", "1_0",
]  # fmt: skip
REGEXES = [
    "^DE|FR$", "^(DE|FR)$", "DE$|^x", r"^\w+$", r"^\d+$", r"\s", r"\S", r"\W", r"\D", r"^[\w-]+$", r"^[^\d]+$",
    r"^[\s]+$", r"[]^$]", r"[^]]", r"[x[]", r"^a{,3}$", r"^a\$$", r"\ADE\Z", "(?m)^FR$", "(?i)^de$", r"a.b", "",
]  # fmt: skip


def of_suite(tmp_path: Path, *made: tuple[str, Mapping[str, object]], severity: str = "") -> ImportedSuite:
    file = tmp_path / "suite.json"
    told = {"severity": severity} if severity else {}
    some = [
        {"type": f"expect_column_{kind}", "kwargs": {"column": "code", **given}} | told
        for kind, given in made
    ]
    file.write_text(json.dumps({"name": "suite", "expectations": some}))
    return kinds.read(file)


def violating(found: ImportedSuite) -> list[list[str]]:
    """The texts that violate each expectation."""
    batches = [pa.RecordBatch.from_arrays([pa.array([text])], names=["features.code"]) for text in TEXTS]
    results = check(found.expectations, batches, most_places=len(TEXTS))
    return [[TEXTS[place] for place in result.places] for result in results]


def test_a_search_is_that_of_python(tmp_path: Path) -> None:
    found = of_suite(tmp_path, *(("values_to_match_regex", {"regex": regex}) for regex in REGEXES))
    assert not found.left_out
    for regex, texts in zip(REGEXES, violating(found), strict=True):
        assert texts == [text for text in TEXTS if re.search(regex, text) is None], regex


def test_what_only_python_can_say_is_told(tmp_path: Path) -> None:
    found = of_suite(
        tmp_path, *(("values_to_match_regex", {"regex": one}) for one in ("(?=a)", r"[\W_]", r"(a)\1"))
    )
    assert (found.expectations, len(found.left_out)) == ([], 3)


def test_patterns_of_like_are_those_of_a_database(tmp_path: Path) -> None:
    some = ["D%", "_", "%R_", "1__", "100%", "a.%"]
    many = [("values_to_match_like_pattern", {"like_pattern": one}) for one in some]
    found = of_suite(
        tmp_path, *many, ("values_to_not_match_like_pattern_list", {"like_pattern_list": ["D%", "%x"]})
    )
    with sqlite3.connect(":memory:") as database:
        database.execute("PRAGMA case_sensitive_like = ON")

        def like(text: str, pattern: str) -> bool:
            return bool(database.execute("SELECT ? LIKE ?", (text, pattern)).fetchone()[0])

        expected = [[text for text in TEXTS if not like(text, one)] for one in some]
        expected.append([text for text in TEXTS if like(text, "D%") or like(text, "%x")])
    assert violating(found) == expected
    unclear = of_suite(tmp_path, ("values_to_match_like_pattern", {"like_pattern": r"10\%"}))
    assert "means something else in each database" in unclear.left_out[0].replace("mean ", "means ")


def test_figures_of_a_column_that_are_about_each_row_are_read(tmp_path: Path) -> None:
    bounds = {"min_value": 1, "strict_min": True, "max_value": 5, "strict_max": True}
    found = of_suite(
        tmp_path,
        ("value_lengths_to_be_between", bounds),
        ("min_to_be_between", {"min_value": 3}),
        ("max_to_be_between", {"max_value": 9, "strict_max": True}),
        ("proportion_of_non_null_values_to_be_between", {"min_value": 0.98, "max_value": 1.0}),
        ("values_to_be_in_type_list", {"type_list": ["int64", "FLOAT"]}),
        ("values_to_be_in_set", {"value_set": []}),
        ("values_to_not_be_in_set", {"value_set": ["a", None, True]}),
        ("max_to_be_between", {"min_value": 1, "max_value": 9}),
        ("proportion_of_non_null_values_to_be_between", {"min_value": 0.1, "max_value": 0.9}),
        ("values_to_not_be_in_set", {"value_set": []}),
        ("values_to_be_of_type", {"type_": "object"}),
    )
    assert [one.words for one in found.expectations] == [
        "length 2 to 4", "range from 3", "condition features['code'] < 9.0", "present", "type number",
        "allowed no value", "condition features['code'] not in ('a', True,)",
    ]  # fmt: skip
    assert found.expectations[3].tolerated == pytest.approx(0.02)
    reasons = ("about one value", "only min_value", "no row can violate it", "any type")
    assert all(reason in told for reason, told in zip(reasons, found.left_out, strict=True))


def test_a_severity_that_nobody_chose_pages_nobody(tmp_path: Path) -> None:
    """The newest versions write `critical` with each expectation."""
    found = of_suite(
        tmp_path, *[("values_to_not_be_null", {}), ("values_to_be_unique", {})], severity="critical"
    )
    assert {one.tier.value for one in found.expectations} == {"warning"}
    assert "severity: all are critical" in found.left_out[0]


def test_options_of_checks_of_pandera(tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    low: dict[str, object] = {"min_value": 3, "raise_warning": True, "error": "too low"}
    listed = [
        {"value": 9, "options": {"check_name": "less_than", "raise_warning": True}},
        {"allowed_values": [1, None], "options": {"check_name": "isin", "error": "other"}},
        {"min_value": 1, "ignore_na": False, "options": {"check_name": "greater_than"}},
    ]
    columns = {
        "a": {
            "nullable": True,
            "dtype": "int64",
            "coerce": True,
            "greater_than_or_equal_to": low,
            "checks": listed,
        }
    }
    file.write_text(json.dumps({"columns": columns, "unique_column_names": True}))
    found = kinds.read(file)
    assert [(one.words, one.tier.value) for one in found.expectations] == [
        ("range from 3", "info"), ("condition features['a'] < 9.0", "info"), ("allowed 1", "warning"),
    ]  # fmt: skip
    assert [told.removeprefix(f"{file}: ").partition(":")[0] for told in found.left_out] == [
        "columns.a.dtype", "columns.a.checks.greater_than", "unique_column_names",
    ]  # fmt: skip
