"""Makes expectations of the parts of a foreign file, or tells why one has no counterpart."""

import re
from typing import Any

from pydantic import ValidationError

from monitor.expectations.expectation import Check, Expectation, Tier
from monitor.expectations.suite import CheckSection, column_name
from monitor.expressions.condition import compile_condition
from monitor.expressions.grammar import ExpressionError

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


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


def together(columns: object, tolerated: float, tier: Tier = Tier.WARNING) -> Expectation:
    """Columns whose values no other row has, all together.

    Raises:
        UnsupportedError: they are no names.
    """
    names = [columns] if isinstance(columns, str) else columns
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise UnsupportedError("the columns are not names")
    first, *others = dict.fromkeys(names)
    return made(first, Check.UNIQUE, tolerated, tier, together_with=others or None)


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


def beyond(
    column: str,
    least: float | None,
    most: float | None,
    tolerated: float,
    tier: Tier,
    *,
    strict: tuple[bool, bool],
) -> Expectation:
    """A range of numbers; `strict` tells for each bound whether it is outside.

    Raises:
        UnsupportedError: there is no bound.
    """
    if not any(strict):
        return made(column, Check.RANGE, tolerated, tier, least=least, most=most)
    ref, bounds = reference(column), list[str]()
    if least is not None:
        bounds.append(f"{ref} {'>' if strict[0] else '>='} {least!r}")
    if most is not None:
        bounds.append(f"{ref} {'<' if strict[1] else '<='} {most!r}")
    if not bounds:
        raise UnsupportedError("there is no bound")
    return related(" and ".join(bounds), tolerated, tier)


def not_among(column: str, values: object, tolerated: float, tier: Tier = Tier.WARNING) -> Expectation:
    """A column without certain values. Rows without a value are not looked at.

    Raises:
        UnsupportedError: they are no texts, numbers and flags, or there is none.
    """
    known = [value for value in values if value is not None] if isinstance(values, list) else [values]
    if not all(isinstance(one, str | int | float) for one in known):
        raise UnsupportedError("the values are not text, numbers or booleans")
    if not known:
        raise UnsupportedError("it excludes no value, so no row can violate it")
    return related(f"{reference(column)} not in ({', '.join(map(repr, known))},)", tolerated, tier)


def among(column: str, values: object, tolerated: float, tier: Tier = Tier.WARNING) -> Expectation:
    """A column that has certain values only; with none, each row that has a value violates it.

    Raises:
        UnsupportedError: they are no texts, numbers and flags.
    """
    if isinstance(values, list):  # rows without a value are not looked at
        values = [value for value in values if value is not None]
    return made(column, Check.ALLOWED, tolerated, tier, values=values)


def number(value: object, name: str) -> float | None:
    """A bound, or None.

    Raises:
        UnsupportedError: it is no number, such as a time.
    """
    if value is None:
        return None
    if isinstance(value, str) and _DATE.match(value):
        raise UnsupportedError(f"{name} is a time: times are checked by their age only, with `fresh`")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnsupportedError(f"{name} is not a number")
    return float(value)


TYPES = {
    "int": "integer", "int8": "integer", "int16": "integer", "int32": "integer", "int64": "integer",
    "uint8": "integer", "uint16": "integer", "uint32": "integer", "uint64": "integer", "integer": "integer",
    "bigint": "integer", "float": "number", "float16": "number", "float32": "number", "float64": "number",
    "double": "number", "number": "number", "bool": "boolean", "boolean": "boolean", "str": "text", "string": "text",
    "varchar": "text", "text": "text", "char": "text", "nvarchar": "text",
    "long": "integer", "short": "integer", "byte": "integer", "smallint": "integer", "tinyint": "integer",
    "decimal": "number", "numeric": "number", "real": "number", "double precision": "number",
}  # fmt: skip


def type_of(name: object) -> str:
    """The type of a name such as `int64`.

    Raises:
        UnsupportedError: it has no counterpart.
    """
    if str(name).lower().startswith(("datetime", "timestamp", "date")):
        raise UnsupportedError(f"the type {name!r} has no counterpart: times are checked by `fresh`")
    if str(name).lower() in ("object", "category"):
        raise UnsupportedError(
            f"the type {name!r} holds values of any type; if only texts are meant, add `type: text`"
        )
    bare = re.split(r"[\[(]", str(name).lower())[0].strip()
    given = TYPES.get(bare) or TYPES.get(bare.removesuffix("type"))
    if given is None:
        raise UnsupportedError(f"the type {name!r} has no counterpart: number, integer, boolean or text")
    return given
