"""Conditions on rows of Great Expectations, which say which rows an expectation is about, as expressions.

They are written for pandas (`country == "DE" and amount > 2`) or in its own notation (`col("amount") > 2`). In both, a
comparison with a missing value is false, and `!=` is true. Negations are not read: what they are of a missing value
differs from here.
"""

import ast
import re

from monitor.expectations.exchange.parts import UnsupportedError, reference, related
from monitor.expectations.expectation import Check, Expectation

_PARSERS = (None, "pandas", "great_expectations", "great_expectations__experimental__")
_QUOTED = re.compile(r"`([^`\"'\\]+)`")
"""A name of a column that is no name of Python, as pandas has it."""
_SIGNS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.In: "in",
    ast.NotIn: "not in",
}  # fmt: skip
_PRESENT = {"notnull": "is not None", "notna": "is not None", "isnull": "is None", "isna": "is None"}
_NO_CONDITION = "the condition has no counterpart"


def limited(expectation: Expectation, column: object, condition: object, parser: object) -> Expectation:
    """An expectation about the rows that meet a condition. `column` is the one that it reads, as the suite names it.

    Raises:
        UnsupportedError: the condition or the expectation cannot be written as an expression.
    """
    if parser not in _PARSERS or not isinstance(condition, str):
        raise UnsupportedError(_NO_CONDITION)
    try:
        # `else None`: other rows are not checked, so they do not count for the share of rows that may violate it.
        text = f"{_body(expectation, column)} if {_of(_parsed(condition))} else None"
        return related(text, expectation.tolerated, expectation.tier)
    except RecursionError as error:
        raise UnsupportedError(_NO_CONDITION) from error


def _body(expectation: Expectation, column: object) -> str:
    """What an expectation demands of a row."""
    given = expectation.arguments
    if expectation.check is Check.CONDITION:
        return f"({given['expression']})"
    if not isinstance(column, str):
        raise UnsupportedError("the column is not a name")
    name = reference(column)
    match expectation.check:
        case Check.PRESENT:
            return f"{name} is not None"
        case Check.ALLOWED if given["values"]:
            return f"{name} in ({', '.join(map(repr, given['values']))},)"
        case Check.RANGE:
            bounds = (("least", ">="), ("most", "<="))
            return " and ".join(f"{name} {sign} {given[key]!r}" for key, sign in bounds if key in given)
    raise UnsupportedError(f"with a condition, `{expectation.check}` has no counterpart")


def _parsed(condition: str) -> ast.expr:
    text = _QUOTED.sub(lambda match: f'col("{match[1]}")', condition.strip())
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, MemoryError) as error:
        raise UnsupportedError(_NO_CONDITION) from error


def _of(node: ast.expr) -> str:
    """A condition as an expression."""
    match node:
        case ast.BoolOp(op=op, values=values):
            return f"({(' and ' if isinstance(op, ast.And) else ' or ').join(map(_of, values))})"
        case ast.BinOp(left=left, op=ast.BitAnd(), right=right):
            return f"({_of(left)} and {_of(right)})"
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return f"({_of(left)} or {_of(right)})"
        case ast.Call(func=ast.Attribute(value=value, attr=attr), args=[], keywords=[]):
            if (name := _column(value)) and (sign := _PRESENT.get(attr.lower())):
                return f"{name} {sign}"
        case ast.Compare():
            sides = [node.left, *node.comparators]
            pairs = zip(sides, node.ops, node.comparators, strict=False)
            return f"({' and '.join(_compared(*pair) for pair in pairs)})"
    raise UnsupportedError(_NO_CONDITION)


def _compared(left: ast.expr, op: ast.cmpop, right: ast.expr) -> str:
    sign, names = _SIGNS.get(type(op)), [name for one in (left, right) if (name := _column(one))]
    if sign is None or not names:
        raise UnsupportedError(_NO_CONDITION)
    if isinstance(op, ast.In | ast.NotIn):
        if len(names) != 1 or not isinstance(right, ast.List | ast.Tuple | ast.Set) or not right.elts:
            raise UnsupportedError(_NO_CONDITION)
        text = f"{names[0]} {sign} ({', '.join(map(_value, right.elts))},)"
    else:
        text = f"{_column(left) or _value(left)} {sign} {_column(right) or _value(right)}"
    if isinstance(op, ast.NotEq | ast.NotIn):
        return f"({' or '.join([*(f'{name} is None' for name in names), text])})"
    return text


def _column(node: ast.expr) -> str:
    """A column in an expression; empty for anything else."""
    match node:
        case ast.Name(id=name):
            return reference(name)
        case ast.Call(func=ast.Name(id="col"), args=[ast.Constant(value=str(name))], keywords=[]):
            return reference(name)
    return ""


def _value(node: ast.expr) -> str:
    """A number, a text, or True or False."""
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError) as error:
        raise UnsupportedError(_NO_CONDITION) from error
    if not isinstance(value, str | int | float):
        raise UnsupportedError(_NO_CONDITION)
    return repr(value)
