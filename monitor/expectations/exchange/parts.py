"""Makes expectations of the parts of a foreign file, or tells why one has no counterpart."""

from typing import Any

from pydantic import ValidationError

from monitor.expectations.expectation import Check, Expectation, Tier
from monitor.expectations.suite import CheckSection, column_name
from monitor.expressions.condition import compile_condition
from monitor.expressions.grammar import ExpressionError


class UnsupportedError(ValueError):
    """A part of a file has no counterpart here; the message says why."""


def made(
    column: str, check: Check, tolerated: float, tier: Tier = Tier.WARNING, **arguments: Any
) -> Expectation:
    """An expectation of a column, checked as one that is written in a suite.

    Raises:
        UnsupportedError: its values are not supported.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    try:
        section = CheckSection(check=check, tolerated=tolerated, severity=tier, **given)
    except ValidationError as error:
        raise UnsupportedError(error.errors()[0]["msg"].removeprefix("Value error, ")) from error
    return section.expectation(column_name(column))


def related(text: str, tolerated: float, tier: Tier = Tier.WARNING) -> Expectation:
    """A condition of rows.

    Raises:
        UnsupportedError: the text is no condition.
    """
    try:
        compile_condition(text)
    except ExpressionError as error:
        raise UnsupportedError(str(error)) from error
    return Expectation(Check.CONDITION, "", {"expression": text}, tolerated, tier)


def reference(column: str) -> str:
    """A column in an expression."""
    name = column_name(column)
    group, _, rest = name.partition(".")
    return f"{group}[{rest!r}]" if rest else name


def number(value: object, name: str) -> float | None:
    """A bound, or None.

    Raises:
        UnsupportedError: it is no number, such as a time.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnsupportedError(f"{name} is no number")
    return float(value)


def searched(regex: object) -> str:
    """A regular expression that is searched, as one that the whole text matches.

    Raises:
        UnsupportedError: it is no text.
    """
    if not isinstance(regex, str):
        raise UnsupportedError("the regular expression is no text")
    begin = "" if regex.startswith("^") else "(?s:.*)"
    end = "" if regex.endswith("$") and not regex.endswith("\\$") else "(?s:.*)"
    return f"{begin}(?:{regex}){end}"


TYPES = {
    "int": "integer", "int8": "integer", "int16": "integer", "int32": "integer", "int64": "integer",
    "uint8": "integer", "uint16": "integer", "uint32": "integer", "uint64": "integer", "integer": "integer",
    "bigint": "integer", "float": "number", "float16": "number", "float32": "number", "float64": "number",
    "double": "number", "number": "number", "bool": "boolean", "boolean": "boolean", "str": "text", "string": "text",
    "object": "text", "varchar": "text", "text": "text", "category": "text",
}  # fmt: skip


def type_of(name: object) -> str:
    """The type of a name such as `int64`.

    Raises:
        UnsupportedError: it has no counterpart.
    """
    given = TYPES.get(str(name).lower().removesuffix("type").partition("[")[0])
    if given is None:
        raise UnsupportedError(f"the type {name!r} has no counterpart: number, integer, boolean or text")
    return given
