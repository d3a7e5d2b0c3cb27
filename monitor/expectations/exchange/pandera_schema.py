"""Reads a schema of pandera (JSON or YAML, as `to_json` and `to_yaml` write it)."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from monitor.errors import InputError
from monitor.expectations.exchange.imported import Imported
from monitor.expectations.exchange.parts import UnsupportedError, made, number, searched, type_of
from monitor.expectations.expectation import Check, Expectation

_IGNORED = {"title", "description", "name", "coerce", "required"}


def read(path: Path, content: Any) -> Imported:
    """The expectations of a schema.

    Raises:
        InputError: it is no schema.
    """
    columns = content.get("columns") if isinstance(content, Mapping) else None
    if not isinstance(columns, Mapping):
        raise InputError(f"{path} has no mapping `columns`: it is no schema of pandera")
    expectations: list[Expectation] = []
    left_out: list[str] = []
    for name, column in columns.items():
        place = f"{path}: columns.{name}"
        for reason, one in _column(str(name), column):
            if one is not None:
                expectations.append(one)
            else:
                left_out.append(f"{place}{reason}")
    left_out += [
        f"{path}: {name}: is not supported" for name in ("checks", "index", "unique") if content.get(name)
    ]
    return Imported(expectations, left_out)


def _column(name: str, column: Any) -> Iterator[tuple[str, Expectation | None]]:
    if not isinstance(column, Mapping):
        yield ": is no mapping", None
        return
    if column.get("regex"):
        yield ".regex: names of columns are not patterns here", None
        return
    if column.get("nullable") is False:
        yield "", made(name, Check.PRESENT, 0.0)
    if column.get("unique"):
        yield "", made(name, Check.UNIQUE, 0.0)
    if (dtype := column.get("dtype")) is not None:
        try:
            yield "", made(name, Check.TYPE, 0.0, type=type_of(dtype))
        except UnsupportedError as error:
            yield f".dtype: {error}", None
    for kind, given in _checks(column.get("checks")):
        try:
            yield "", _check(name, kind, given)
        except UnsupportedError as error:
            yield f".checks.{kind}: {error}", None
    for key in column.keys() - _IGNORED - {"regex", "nullable", "unique", "dtype", "checks"}:
        yield f".{key}: is not known", None


def _checks(checks: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The name and the values of each check: a list with `options`, or (before 0.24) a mapping by name."""
    if isinstance(checks, Mapping):
        for name, given in checks.items():
            yield str(name), dict(given) if isinstance(given, Mapping) else {"value": given}
    elif isinstance(checks, list):
        for one in checks:
            given = dict(one) if isinstance(one, Mapping) else {}
            options = given.pop("options", {})
            name = (
                options.get("check_name", "without a name")
                if isinstance(options, Mapping)
                else "without a name"
            )
            yield str(name), given


def _check(column: str, kind: str, given: dict[str, Any]) -> Expectation:
    given.pop("options", None)
    value = next(iter(given.values())) if len(given) == 1 else None
    match kind:
        case "greater_than_or_equal_to":
            return made(column, Check.RANGE, 0.0, least=number(value, kind))
        case "less_than_or_equal_to":
            return made(column, Check.RANGE, 0.0, most=number(value, kind))
        case "in_range" if given.get("include_min", True) and given.get("include_max", True):
            least, most = (number(given.get(name), name) for name in ("min_value", "max_value"))
            return made(column, Check.RANGE, 0.0, least=least, most=most)
        case "isin" if isinstance(value, list):
            return made(column, Check.ALLOWED, 0.0, values=value)
        case "str_matches" if isinstance(value, str):
            return made(column, Check.PATTERN, 0.0, regex=searched(f"^(?:{value})"))
        case "str_contains":
            return made(column, Check.PATTERN, 0.0, regex=searched(value))
        case "str_length":
            least, most = (number(given.get(name), name) for name in ("min_value", "max_value"))
            return made(column, Check.LENGTH, 0.0, least=least, most=most)
    raise UnsupportedError("has no counterpart")
