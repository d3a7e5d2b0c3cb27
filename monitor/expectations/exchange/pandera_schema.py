"""Reads a schema of pandera (JSON or YAML, as `to_json` and `to_yaml` write it)."""

import re
from collections.abc import Iterator, Mapping
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
    together,
    type_of,
)
from monitor.expectations.exchange.regexes import searched
from monitor.expectations.exchange.unsupported import OF_SCHEMAS
from monitor.expectations.expectation import Check, Expectation, Tier

_PROPERTIES = {
    "title", "description", "name", "coerce", "required", "metadata", "report_duplicates", "regex", "nullable",
    "unique", "dtype", "checks",
}  # fmt: skip
"""What a column has beside checks. Checks stand among them (from 0.24 on), or under `checks`."""
_OPTIONS = {
    "check_name",
    "raise_warning",
    "ignore_na",
    "error",
    "n_failure_cases",
    "title",
    "description",
    "name",
}
"""What a check has beside its values."""


def read(path: Path, content: Any) -> ImportedSuite:
    """The expectations of a schema.

    Raises:
        InputError: it is no schema.
    """
    columns = content.get("columns") if isinstance(content, Mapping) else None
    if not isinstance(columns, Mapping):
        raise InputError(f"{path} has no mapping `columns`: it is not a pandera schema")
    expectations: list[Expectation] = []
    left_out: list[str] = []
    for name, column in columns.items():
        place = f"{path}: columns.{name}"
        for reason, one in _column(str(name), column, is_coerced=bool(content.get("coerce"))):
            if one is not None:
                expectations.append(one)
            else:
                left_out.append(f"{place}{reason}")
    if content.get("unique"):
        try:
            expectations.append(together(content["unique"], 0.0))
        except UnsupportedError as error:
            left_out.append(f"{path}: unique: {error}")
    left_out += [f"{path}: {name}: {reason}" for name, reason in OF_SCHEMAS.items() if content.get(name)]
    return ImportedSuite(expectations, left_out)


def _column(name: str, column: Any, *, is_coerced: bool) -> Iterator[tuple[str, Expectation | None]]:
    if not isinstance(column, Mapping):
        yield ": is not a mapping", None
        return
    if column.get("regex"):
        yield ".regex: names of columns are not patterns here", None
        return
    if column.get("required") is False:
        yield ".required: a record without the column is one without a value, so none is expected", None
    elif not column.get("nullable", False):  # which newer versions leave out
        yield "", made(name, Check.PRESENT, 0.0)
    if column.get("unique"):
        yield "", made(name, Check.UNIQUE, 0.0)
    if (dtype := column.get("dtype")) is not None:
        try:
            if is_coerced or column.get("coerce"):
                raise UnsupportedError(
                    "is converted there before it is checked (coerce), so what was sent may differ"
                )
            yield "", made(name, Check.TYPE, 0.0, type=type_of(dtype))
        except UnsupportedError as error:
            yield f".dtype: {error}", None
    yield from _of_checks(name, column)


def _of_checks(name: str, column: Mapping[str, Any]) -> Iterator[tuple[str, Expectation | None]]:
    inline = {key: value for key, value in column.items() if key not in _PROPERTIES and value is not None}
    for kind, given in (*_checks(inline), *_checks(column.get("checks"))):
        try:
            yield "", _check(name, kind, given)
        except UnsupportedError as error:
            yield f".checks.{kind}: {error}", None


def _checks(checks: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The name and the values of each check: a mapping by name, or a list with `options`."""
    if isinstance(checks, Mapping):
        for name, given in checks.items():
            yield str(name), dict(given) if isinstance(given, Mapping) else {"value": given}
    elif isinstance(checks, list):
        for check in checks:
            given = dict(check) if isinstance(check, Mapping) else {}
            options = given.get("options")
            named = options if isinstance(options, Mapping) else {}
            yield str(named.get("check_name", "without a name")), given


def _check(column: str, kind: str, given: dict[str, Any]) -> Expectation:
    options = given.pop("options", None)
    settings = {**(options if isinstance(options, Mapping) else {}), **given}
    if settings.get("ignore_na") is False:
        raise UnsupportedError("ignore_na: a missing value is judged by `present` only")
    given = {name: value for name, value in given.items() if name not in _OPTIONS}
    tier = Tier.INFO if settings.get("raise_warning") else Tier.WARNING
    value = next(iter(given.values())) if len(given) == 1 else None
    match kind:
        case "greater_than_or_equal_to":
            return made(column, Check.RANGE, 0.0, tier, least=number(value, kind))
        case "less_than_or_equal_to":
            return made(column, Check.RANGE, 0.0, tier, most=number(value, kind))
        case "greater_than":
            return beyond(column, number(value, kind), None, 0.0, tier, strict=(True, False))
        case "less_than":
            return beyond(column, None, number(value, kind), 0.0, tier, strict=(False, True))
        case "in_range":
            least, most = (number(given.get(name), name) for name in ("min_value", "max_value"))
            strict = not given.get("include_min", True), not given.get("include_max", True)
            return beyond(column, least, most, 0.0, tier, strict=strict)
    return replace(_of_values(column, kind, value, given), tier=tier)


def _of_values(column: str, kind: str, value: Any, given: dict[str, Any]) -> Expectation:
    match kind:
        case "equal_to":
            return among(column, [value], 0.0)
        case "not_equal_to":
            return not_among(column, [value], 0.0)
        case "isin" if isinstance(value, list):
            return among(column, value, 0.0)
        case "notin":
            return not_among(column, value, 0.0)
        case "str_length":
            exact = number(given.get("exact_value"), "exact_value")
            least, most = (number(given.get(name), name) for name in ("min_value", "max_value"))
            bounds = {"least": least, "most": most} if exact is None else {"least": exact, "most": exact}
            return made(column, Check.LENGTH, 0.0, **bounds)
    return _of_texts(column, kind, value)


def _of_texts(column: str, kind: str, value: Any) -> Expectation:
    if not isinstance(value, str):
        raise UnsupportedError("has no counterpart")
    match kind:
        case "str_startswith":
            regex = f"{re.escape(value)}(?s:.*)"
        case "str_endswith":
            regex = f"(?s:.*){re.escape(value)}"
        case "str_matches":
            regex = searched(f"^(?:{value})")
        case "str_contains":
            regex = searched(value)
        case _:
            raise UnsupportedError("has no counterpart")
    return made(column, Check.PATTERN, 0.0, regex=regex)
