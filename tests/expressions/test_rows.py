"""Values of rows, beside plain Python that computes one row after the other."""

import ast
import math
import operator
from collections.abc import Callable, Sequence

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.expressions.expression import compile_expression
from monitor.expressions.grammar import ExpressionError
from monitor.expressions.rows import BatchEvaluation
from tests.support.thorough import examples

Number = float | None
"""None is a value that is not known."""
NAMES = ("a", "b")
VALUES = (None, 0.0, 1.0, -1.0, 2.5, -3.0, 1e130, math.inf)
ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
}  # fmt: skip
ORDERS: dict[str, Callable[[float, float], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
FUNCTIONS: dict[str, Callable[[float], float]] = {
    "abs": abs, "sqrt": math.sqrt, "log": math.log, "exp": math.exp,
}  # fmt: skip


def _binary(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    signs = [*ARITHMETIC, *ORDERS, "and", "or"]
    return st.tuples(inner, st.sampled_from(signs), inner).map(lambda one: f"({' '.join(one)})")


TEXTS = st.recursive(
    st.sampled_from([*NAMES, "0", "2", "-1", "0.5"]),
    lambda inner: st.one_of(
        _binary(inner),
        st.tuples(st.sampled_from([*FUNCTIONS, "-", "not "]), inner).map(lambda one: f"({one[0]}({one[1]}))"),
        st.tuples(inner, inner).map(lambda one: f"coalesce({one[0]}, {one[1]})"),
        st.tuples(inner, inner, inner).map(lambda one: f"({one[0]} if {one[1]} else {one[2]})"),
        st.tuples(inner, inner).map(lambda one: f"greatest({one[0]}, {one[1]})"),
    ),
    max_leaves=8,
)


def defined(result: float, *operands: float) -> Number:
    """A result that is no number, or that became infinite, is not known."""
    is_new = math.isinf(result) and all(math.isfinite(one) for one in operands)
    return None if math.isnan(result) or is_new else result


def attempted(function: Callable[..., float], *values: Number) -> Number:
    known = [one for one in values if one is not None]
    if len(known) < len(values):
        return None
    try:
        return defined(float(function(*known)), *known)
    except (ValueError, ArithmeticError):
        return None


def logic(values: Sequence[Number], *, is_or: bool) -> Number:
    """Three-valued, as in SQL."""
    if any(one is not None and bool(one) == is_or for one in values):
        return float(is_or)
    return None if None in values else float(not is_or)


def plain(node: ast.expr, row: dict[str, Number]) -> Number:
    """The value of a row by recursion over the text's nodes."""
    match node:
        case ast.Name(id=name):
            return row[name]
        case ast.Constant(value=value):
            return float(value)  # type: ignore[arg-type]
        case ast.BinOp(left=left, op=op, right=right):
            sign = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}[type(op)]  # type: ignore[index]
            return attempted(ARITHMETIC[sign], plain(left, row), plain(right, row))
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            sign = {"Eq": "==", "NotEq": "!=", "Lt": "<", "LtE": "<=", "Gt": ">", "GtE": ">="}[
                type(op).__name__
            ]
            return attempted(ORDERS[sign], plain(left, row), plain(right, row))
        case ast.BoolOp(op=op, values=values):
            return logic([plain(one, row) for one in values], is_or=isinstance(op, ast.Or))
        case ast.UnaryOp(op=op, operand=operand):
            return attempted(operator.not_ if isinstance(op, ast.Not) else operator.neg, plain(operand, row))
        case ast.IfExp(test=test, body=body, orelse=orelse):
            holds = plain(test, row)
            return None if holds is None else plain(body if holds else orelse, row)
    assert isinstance(node, ast.Call)
    assert isinstance(node.func, ast.Name)
    return called(node.func.id, [plain(one, row) for one in node.args])


def called(name: str, values: list[Number]) -> Number:
    """The value of a function."""
    if name == "coalesce":
        return values[1] if values[0] is None else values[0]
    return attempted(max if name == "greatest" else FUNCTIONS[name], *values)


def evaluated(text: str, rows: Sequence[dict[str, Number]]) -> list[Number]:
    batch = pa.record_batch(
        {f"features.{name}": pa.array([row[name] for row in rows], pa.float64()) for name in NAMES}
    )
    call = compile_expression(f"sum({text})").body
    assert isinstance(call, ast.Call)
    values = BatchEvaluation(batch).numbers(call.args[0])
    return [float(value) if why == 0 else None for value, why in zip(values.of_row, values.why, strict=True)]


ROWS = st.lists(
    st.fixed_dictionaries({name: st.sampled_from(VALUES) for name in NAMES}), min_size=1, max_size=6
)


@settings(max_examples=examples(200), deadline=None)
@given(TEXTS, ROWS)
def test_values_of_rows_are_those_of_plain_python(text: str, rows: list[dict[str, Number]]) -> None:
    expected = [plain(ast.parse(text, mode="eval").body, row) for row in rows]
    usable = [one if one is not None and abs(one) < 1e140 else None for one in expected]
    assert evaluated(text, rows) == pytest.approx(usable)


@pytest.mark.parametrize(
    "text", ["sqrt(a) > 2", "log(a) <= 0", "not sqrt(a)", "(a - a / 0) == 1", "1 if sqrt(a) else 0"]
)
def test_a_condition_on_what_does_not_exist_neither_holds_nor_fails(text: str) -> None:
    assert evaluated(text, [{"a": -4.0, "b": 1.0}]) == [None]


def test_a_negative_number_is_a_constant_like_any_other() -> None:
    batch = pa.record_batch({"features.a": ["-1", "n/a", "0", None]})
    for text in ("a == -1", "-1 == a", "a in (-1, +7)"):
        call = compile_expression(f"count({text})").body
        assert isinstance(call, ast.Call)
        values = BatchEvaluation(batch).numbers(call.args[0])
        assert values.of_row[:3].tolist() == [1.0, 0.0, 0.0], text
        assert [bool(why) for why in values.why] == [False, False, False, True]


@pytest.mark.parametrize("text", ["count(a == None)", "count(None != a)", "count(1 < a == None)"])
def test_none_is_asked_for_by_is(text: str) -> None:
    with pytest.raises(ExpressionError, match=r"write features\.x is None"):
        compile_expression(text)
