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
    if not isinstance(names, list) or not names or not all(isinstance(one, str) for one in names):
        raise UnsupportedError("the columns are no names")
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
    """A column without certain values.

    Raises:
        UnsupportedError: they are no texts and numbers.
    """
    if not isinstance(values, list) or not values or not all(_is_plain(one) for one in values):
        raise UnsupportedError("the values are no texts and numbers")
    return related(f"{reference(column)} not in ({', '.join(map(repr, values))},)", tolerated, tier)


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


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
        raise UnsupportedError(f"{name} is no number")
    return float(value)


_END = r"(?:\n?\z)"


def searched(regex: object) -> str:
    """A regular expression that is searched, as one that the whole text matches.

    Raises:
        UnsupportedError: it is no text.
    """
    if not isinstance(regex, str):
        raise UnsupportedError("the regular expression is no text")
    begin = "" if regex.startswith("^") else "(?s:.*)"
    ended = _as_python_ends(regex)
    end = "" if ended.endswith(_END) else "(?s:.*)"
    return f"{begin}(?:{ended}){end}"


def either_of(regexes: object) -> str:
    """One regular expression for any of several.

    Raises:
        UnsupportedError: they are no texts.
    """
    if not isinstance(regexes, list) or not regexes or not all(isinstance(one, str) for one in regexes):
        raise UnsupportedError("the regular expressions are no texts")
    return "|".join(f"(?:{one})" for one in regexes)


def _as_python_ends(regex: str) -> str:
    """A regular expression whose `$` may be before a last line break, as in Python."""
    made, is_class, is_escaped = "", False, False
    for sign in regex:
        is_end = sign == "$" and not is_class and not is_escaped
        if not is_escaped:
            is_class = sign == "[" or (is_class and sign != "]")
        is_escaped = sign == "\\" and not is_escaped
        made += _END if is_end else sign
    return made


TYPES = {
    "int": "integer", "int8": "integer", "int16": "integer", "int32": "integer", "int64": "integer",
    "uint8": "integer", "uint16": "integer", "uint32": "integer", "uint64": "integer", "integer": "integer",
    "bigint": "integer", "float": "number", "float16": "number", "float32": "number", "float64": "number",
    "double": "number", "number": "number", "bool": "boolean", "boolean": "boolean", "str": "text", "string": "text",
    "object": "text", "varchar": "text", "text": "text", "category": "text", "char": "text", "nvarchar": "text",
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
    bare = re.split(r"[\[(]", str(name).lower())[0].strip()
    given = TYPES.get(bare) or TYPES.get(bare.removesuffix("type"))
    if given is None:
        raise UnsupportedError(f"the type {name!r} has no counterpart: number, integer, boolean or text")
    return given
