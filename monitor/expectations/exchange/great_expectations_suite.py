"""Reads a suite of Great Expectations (JSON), of version 1 and before."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from monitor.errors import InputError
from monitor.expectations.exchange.imported import ImportedSuite
from monitor.expectations.exchange.parts import (
    UnsupportedError,
    among,
    beyond,
    made,
    not_among,
    number,
    reference,
    related,
    together,
    type_of,
)
from monitor.expectations.exchange.regexes import either_of, like, searched
from monitor.expectations.exchange.row_conditions import limited
from monitor.expectations.exchange.several_columns import (
    all_different,
    pairs_of,
    references_of,
    unless_missing,
)
from monitor.expectations.exchange.unsupported import hint_of
from monitor.expectations.expectation import Check, Expectation, Tier

Reader = Callable[[dict[str, Any], float, Tier], Expectation]
_STANDARD = {
    "column",
    "mostly",
    "result_format",
    "catch_exceptions",
    "include_config",
    "batch_id",
    "meta",
    "severity",
    "row_condition",
    "condition_parser",
}


def read(path: Path, content: Any) -> ImportedSuite:
    """The expectations of a file.

    Raises:
        InputError: it is no suite.
    """
    if not isinstance(content, dict) or not isinstance(content.get("expectations"), list):
        raise InputError(f"{path} has no list `expectations`: it is not a Great Expectations suite")
    expectations: list[Expectation] = []
    left_out: list[str] = []
    for place, one in enumerate(content["expectations"]):
        try:
            expectations.append(_expectation(one))
        except UnsupportedError as error:
            left_out.append(f"{path}: expectations[{place}]: {error}")
    if len(expectations) > 1 and all(expectation.tier is Tier.CRITICAL for expectation in expectations):
        expectations = [replace(expectation, tier=Tier.WARNING) for expectation in expectations]
        left_out.append(
            f"{path}: severity: all are critical, which is written where nobody chose; here: warning"
        )
    return ImportedSuite(expectations, left_out)


def _expectation(one: Any) -> Expectation:
    if not isinstance(one, dict) or not isinstance(one.get("kwargs"), dict):
        raise UnsupportedError("has no kwargs")
    kind, given = str(one.get("type") or one.get("expectation_type")), one["kwargs"]
    if kind not in _READERS:
        raise UnsupportedError(f"{kind} has no counterpart{hint_of(kind, given)}")
    reader, known = _READERS[kind]
    for name, value in given.items():
        if name not in known and name not in _STANDARD and value not in (None, False):
            raise UnsupportedError(f"{kind}: {name} is not supported{hint_of(name, given)}")
    if any(isinstance(value, dict) for value in given.values()):
        raise UnsupportedError(f"{kind}: parameters are not filled in")
    mostly = number(given.get("mostly", 1.0), "mostly")
    tolerated = min(max(1.0 - (1.0 if mostly is None else mostly), 0.0), 0.999999)
    severity = one.get("severity") or given.get("severity") or "warning"
    tier = Tier(severity) if severity in list(Tier) else Tier.WARNING
    try:
        expectation, condition = reader(given, tolerated, tier), given.get("row_condition")
        return expectation if condition in (None, "") else _limited(kind, expectation, given)
    except KeyError as error:
        raise UnsupportedError(f"{kind}: {error.args[0]} is missing") from error


def _limited(kind: str, expectation: Expectation, given: dict[str, Any]) -> Expectation:
    """The expectation about the rows that its `row_condition` names."""
    condition, parser = given["row_condition"], given.get("condition_parser")
    try:
        return limited(expectation, given.get("column"), condition, parser)
    except UnsupportedError as error:
        raise UnsupportedError(f"{kind}: row_condition: {error}{hint_of('row_condition', given)}") from error


def _bounded(check: Check) -> Reader:
    """Bounds of a whole number."""

    def reader(given: dict[str, Any], tolerated: float, tier: Tier) -> Expectation:
        least, most = (number(given.get(name), name) for name in ("min_value", "max_value"))
        if least is not None and given.get("strict_min"):
            least = math.floor(least) + 1.0
        if most is not None and given.get("strict_max"):
            most = math.ceil(most) - 1.0
        return made(given["column"], check, tolerated, tier, least=least, most=most)

    return reader


def _plain(check: Check) -> Reader:
    return lambda given, tolerated, tier: made(given["column"], check, tolerated, tier)


def _in_set(given: dict[str, Any], tolerated: float, tier: Tier) -> Expectation:
    return among(given["column"], given["value_set"], tolerated, tier)


def _matching(given: dict[str, Any], tolerated: float, tier: Tier) -> Expectation:
    return made(given["column"], Check.PATTERN, tolerated, tier, regex=searched(given["regex"]))


def _of_type(given: dict[str, Any], tolerated: float, tier: Tier) -> Expectation:
    return made(given["column"], Check.TYPE, tolerated, tier, type=type_of(given["type_"]))


def _range(given: dict[str, Any], tolerated: float, tier: Tier) -> Expectation:
    least, most = (number(given.get(name), name) for name in ("min_value", "max_value"))
    strict = bool(given.get("strict_min")), bool(given.get("strict_max"))
    return beyond(given["column"], least, most, tolerated, tier, strict=strict)


def _not_in_set(given: dict[str, Any], tolerated: float, tier: Tier) -> Expectation:
    return not_among(given["column"], given["value_set"], tolerated, tier)


def _absent(given: dict[str, Any], tolerated: float, tier: Tier) -> Expectation:
    return related(f"{reference(given['column'])} is None", tolerated, tier)


def _of_length(given: dict[str, Any], tolerated: float, tier: Tier) -> Expectation:
    length = number(given["value"], "value")
    return made(given["column"], Check.LENGTH, tolerated, tier, least=length, most=length)


def _matching_any(given: dict[str, Any], tolerated: float, tier: Tier) -> Expectation:
    if given.get("match_on", "any") != "any":
        raise UnsupportedError("only match_on: any has a counterpart")
    either = either_of(given["regex_list"])
    return made(given["column"], Check.PATTERN, tolerated, tier, regex=searched(either))


def _not_matching(given: dict[str, Any], tolerated: float, tier: Tier) -> Expectation:
    return made(given["column"], Check.NO_PATTERN, tolerated, tier, regex=searched(given["regex"]))


def _matching_none(given: dict[str, Any], tolerated: float, tier: Tier) -> Expectation:
    either = either_of(given["regex_list"])
    return made(given["column"], Check.NO_PATTERN, tolerated, tier, regex=searched(either))


def _of_types(given: dict[str, Any], tolerated: float, tier: Tier) -> Expectation:
    types = {type_of(one) for one in given["type_list"]}
    if types == {"integer", "number"}:
        types = {"number"}
    if len(types) != 1:
        raise UnsupportedError("the types are not all one of number, integer, boolean or text")
    return made(given["column"], Check.TYPE, tolerated, tier, type=types.pop())


def _greater(given: dict[str, Any], tolerated: float, tier: Tier) -> Expectation:
    return _pair(given, ">=" if given.get("or_equal") else ">", tolerated, tier)


def _equal(given: dict[str, Any], tolerated: float, tier: Tier) -> Expectation:
    return _pair(given, "==", tolerated, tier)


def _pair(given: dict[str, Any], sign: str, tolerated: float, tier: Tier) -> Expectation:
    one, other = references = references_of(given["column_A"], given["column_B"])
    return related(unless_missing(f"{one} {sign} {other}", references, given), tolerated, tier)


def _pair_in_set(given: dict[str, Any], tolerated: float, tier: Tier) -> Expectation:
    references = references_of(given["column_A"], given["column_B"])
    return related(
        unless_missing(pairs_of(references, given["value_pairs_set"]), references, given), tolerated, tier
    )


def _different(given: dict[str, Any], tolerated: float, tier: Tier) -> Expectation:
    """Columns that differ from each other in each row, also if several are missing."""
    references = references_of(*given["column_list"])
    return related(all_different(references, given), tolerated, tier)


def _unique_together(given: dict[str, Any], tolerated: float, tier: Tier) -> Expectation:
    """Values of several columns that no other row has. A row without any of them is not looked at."""
    if given.get("ignore_row_if") not in (None, "all_values_are_missing"):
        raise UnsupportedError("ignore_row_if: only all_values_are_missing is supported")
    return together(given["column_list"], tolerated, tier)


def _adding_up(given: dict[str, Any], tolerated: float, tier: Tier) -> Expectation:
    references = references_of(*given["column_list"])
    text = f"{' + '.join(references)} == {number(given['sum_total'], 'sum_total')!r}"
    return related(unless_missing(text, references, given, "all_values_are_missing"), tolerated, tier)


def _like(check: Check, key: str) -> Reader:
    def reader(given: dict[str, Any], tolerated: float, tier: Tier) -> Expectation:
        if given.get("match_on", "any") != "any":
            raise UnsupportedError("only match_on: any has a counterpart")
        return made(given["column"], check, tolerated, tier, regex=like(given[key]))

    return reader


def _extreme(other: str) -> Reader:
    """That all values are beyond the bound which is not `other`."""

    def reader(given: dict[str, Any], _tolerated: float, tier: Tier) -> Expectation:
        if given.get(other) is not None:
            raise UnsupportedError(
                f"{other} is about one value, not about rows; without it, this is read as `range`"
            )
        return _range(given, 0.0, tier)

    return reader


def _mostly_present(given: dict[str, Any], _tolerated: float, tier: Tier) -> Expectation:
    least, most = (number(given.get(name), name) for name in ("min_value", "max_value"))
    if least is None or (most is not None and most < 1) or given.get("strict_min") or given.get("strict_max"):
        raise UnsupportedError(
            "only min_value has a counterpart: the share of rows with a value, as `present`"
        )
    return made(given["column"], Check.PRESENT, min(max(1 - least, 0.0), 0.999999), tier)


_STRICT = {"min_value", "max_value", "strict_min", "strict_max"}
_PAIR = {"column_A", "column_B", "ignore_row_if"}
_SEVERAL = {"column_list", "ignore_row_if"}
_READERS: dict[str, tuple[Reader, set[str]]] = {
    "expect_column_values_to_not_be_null": (_plain(Check.PRESENT), set()),
    "expect_column_values_to_be_unique": (_plain(Check.UNIQUE), set()),
    "expect_column_values_to_be_increasing": (_plain(Check.INCREASING), set()),
    "expect_column_values_to_be_null": (_absent, set()),
    "expect_column_values_to_be_between": (_range, _STRICT),
    "expect_column_value_lengths_to_be_between": (_bounded(Check.LENGTH), _STRICT),
    "expect_column_values_to_be_in_set": (_in_set, {"value_set"}),
    "expect_column_distinct_values_to_be_in_set": (_in_set, {"value_set"}),
    "expect_column_values_to_match_regex": (_matching, {"regex"}),
    "expect_column_values_to_match_regex_list": (_matching_any, {"regex_list", "match_on"}),
    "expect_column_values_to_match_like_pattern": (_like(Check.PATTERN, "like_pattern"), {"like_pattern"}),
    "expect_column_values_to_match_like_pattern_list": (
        _like(Check.PATTERN, "like_pattern_list"),
        {"like_pattern_list", "match_on"},
    ),
    "expect_column_values_to_not_match_like_pattern": (
        _like(Check.NO_PATTERN, "like_pattern"),
        {"like_pattern"},
    ),
    "expect_column_values_to_not_match_like_pattern_list": (
        _like(Check.NO_PATTERN, "like_pattern_list"),
        {"like_pattern_list"},
    ),
    "expect_column_min_to_be_between": (_extreme("max_value"), _STRICT),
    "expect_column_max_to_be_between": (_extreme("min_value"), _STRICT),
    "expect_column_proportion_of_non_null_values_to_be_between": (_mostly_present, _STRICT),
    "expect_column_values_to_not_be_in_set": (_not_in_set, {"value_set"}),
    "expect_column_value_lengths_to_equal": (_of_length, {"value"}),
    "expect_column_values_to_be_of_type": (_of_type, {"type_"}),
    "expect_column_values_to_be_in_type_list": (_of_types, {"type_list"}),
    "expect_column_pair_values_a_to_be_greater_than_b": (_greater, {*_PAIR, "or_equal"}),
    "expect_column_pair_values_to_be_equal": (_equal, _PAIR),
    "expect_column_pair_values_to_be_in_set": (_pair_in_set, {*_PAIR, "value_pairs_set"}),
    "expect_column_values_to_not_match_regex": (_not_matching, {"regex"}),
    "expect_column_values_to_not_match_regex_list": (_matching_none, {"regex_list"}),
    "expect_select_column_values_to_be_unique_within_record": (_different, _SEVERAL),
    "expect_compound_columns_to_be_unique": (_unique_together, _SEVERAL),
    "expect_multicolumn_sum_to_equal": (_adding_up, {*_SEVERAL, "sum_total"}),
}
