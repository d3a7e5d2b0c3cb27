"""An expression over all rows of a window: aggregates of rows, and arithmetic over them.

Each aggregate is made of sums over rows, so the sums of windows add up to those of the whole. The interval comes from
the sums of squares and products: rows are taken to be independent, and their number to be Poisson distributed, so that
sums, means and ratios of sums share one formula (the delta method).
"""

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b

import numpy as np

from monitor.expressions.grammar import (
    AGGREGATES,
    ARITHMETIC,
    FunctionCall,
    SyntaxTree,
    check_row,
    column_of,
    function_calls,
    parse,
)
from monitor.expressions.rows import BatchEvaluation, Values

MOST_SUMS = 6
ROW_OUTCOMES = ("truth", "reviewed", "corrected", "feedback")
_ONE = ast.Constant(value=1)


@dataclass(frozen=True, slots=True)
class Term:
    """A sum over rows: of `value`, where `condition` holds (None: everywhere)."""

    value: ast.expr
    condition: ast.expr | None = None

    @property
    def key(self) -> str:
        """Equal for equal sums."""
        condition = "" if self.condition is None else ast.dump(self.condition)
        return f"{ast.dump(self.value)}|{condition}"

    def values(self, rows: BatchEvaluation) -> Values:
        """The summands, shape (n,). Where the condition does not hold, a summand is 0 whatever its value."""
        if self.condition is None:
            return rows.numbers(self.value)
        condition = rows.numbers(self.condition)
        value = rows.numbers(self.value)
        holds = (condition.why == 0) & (condition.of_row != 0)
        why = np.where(condition.why != 0, condition.why, np.where(holds, value.why, 0))
        return Values(np.where(holds, value.of_row, 0.0), why.astype(np.uint8), value.is_flag)


@dataclass(frozen=True, slots=True)
class Dual:
    """A value and its derivatives by the sums, shape (sums,)."""

    value: float
    slope: np.ndarray


class UndefinedError(ArithmeticError):
    """The figure is not defined for these sums, such as a mean of no rows."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression. `columns` are those that it reads, `outcome` the field of outcomes among them, or empty.

    `terms` are its sums; the first one counts rows. `quantile` is set for a quantile of the second term's values, which
    has no sums. `is_share`: it is the share of the rows for which something holds.
    """

    text: str
    body: ast.expr
    columns: frozenset[str]
    outcome: str
    terms: tuple[Term, ...]
    quantile: float | None = None
    is_share: bool = False
    _at: Mapping[str, int] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Identifies what it computes: equal for texts that differ in spaces only."""
        return blake2b(ast.dump(self.body).encode(), digest_size=5).hexdigest()

    @property
    def calls(self) -> list[FunctionCall]:
        """The calls of functions of yours."""
        return list(function_calls(self.body))

    @property
    def uses_features(self) -> bool:
        """Whether it reads features, which may be stored for a sample of the rows only."""
        return any(name.startswith("features.") for name in self.columns)

    @property
    def features(self) -> frozenset[str]:
        """The columns of features that it reads."""
        return frozenset(name for name in self.columns if name.startswith("features."))

    def figure(self, sums: Sequence[float]) -> Dual:
        """The figure of these sums, and its derivatives.

        Raises:
            UndefinedError: it has none.
        """
        slopes = np.eye(len(self.terms))
        given = [Dual(value, slopes[place]) for place, value in enumerate(sums)]
        return _compute(self.body, lambda term: given[self._at[term.key]])


def _mark(source: SyntaxTree, node: ast.Call) -> tuple[Term, Term | None]:
    """The sum of an aggregate, and the sum that divides it (None: it is a sum)."""
    name = node.func.id  # type: ignore[attr-defined]
    where = [keyword.value for keyword in node.keywords if keyword.arg == "where"]
    if len(where) != len(node.keywords) or len(where) > 1:
        raise source.error(node, f"{name} takes no other named value than where=")
    most = 2 if name == "quantile" else 1
    least = 0 if name == "count" else most
    if not least <= len(node.args) <= most:
        raise source.error(node, _usage(name))
    for one in (*node.args[:1], *where):
        check_row(source, one)
    condition = where[0] if where else None
    value = node.args[0] if node.args else _ONE
    if name in ("count", "share") and node.args:
        value = ast.IfExp(test=value, body=_ONE, orelse=ast.Constant(value=0))
    if name in ("sum", "count"):
        return Term(value, condition), None
    return Term(value, condition), Term(_ONE, condition)


def _usage(name: str) -> str:
    return {
        "count": "count() counts rows, count(<condition>) those for which it holds",
        "quantile": "quantile takes a value and a share, such as quantile(latency_ms, 0.95)",
    }.get(name, f"{name} takes one value of a row, such as {name}(features.amount)")


@lru_cache(maxsize=1024)
def compile_expression(text: str) -> Expression:
    """Read and check an expression.

    Raises:
        ExpressionError: with the character at which the mistake is.
    """
    source = parse(text)
    calls = _aggregates(source, source.body)
    if not calls:
        raise source.error(
            source.body, f"is a value of each row, not of all: put it into {', '.join(AGGREGATES)}"
        )
    parts = [_mark(source, call) for call in calls]
    columns = frozenset(filter(None, (column_of(node) for call in calls for node in _row_nodes(call))))
    outcomes = {name.partition(".")[2] for name in columns if name.startswith("outcome.")}
    outcomes = {"truth" if name == "delay" else name for name in outcomes}
    if len(outcomes) > 1:
        reason = (
            f"{' and '.join(sorted(outcomes))} become known at different times: use one of them in a metric"
        )
        raise source.error(source.body, reason)
    outcome = next(iter(outcomes), "")
    quantiles = [call for call in calls if call.func.id in ("quantile", "median")]  # type: ignore[attr-defined]
    if quantiles:
        return _quantile(source, quantiles[0], parts[0], columns, outcome)
    terms: dict[str, Term] = {Term(_ONE).key: Term(_ONE)}
    for pair in parts:
        terms |= {one.key: one for one in pair if one is not None}
    if len(terms) > MOST_SUMS + 1:
        raise source.error(source.body, f"has more than {MOST_SUMS} sums: split it into several metrics")
    call = source.body
    is_share = isinstance(call, ast.Call) and (
        call.func.id == "share" or (call.func.id == "mean" and _is_flag(call.args[0]))  # type: ignore[attr-defined]
    )
    at = {key: place for place, key in enumerate(terms)}
    return Expression(
        source.text,
        source.body,
        columns,
        outcome,
        tuple(terms.values()),
        is_share=is_share and not getattr(call, "keywords", ()),
        _at=at,
    )


def _is_flag(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return _is_flag(node.left) and _is_flag(node.right)
    return isinstance(node, ast.Compare | ast.BoolOp) or (
        isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
    )


def _quantile(
    source: SyntaxTree, call: ast.Call, pair: tuple[Term, Term | None], columns: frozenset[str], outcome: str
) -> Expression:
    name = call.func.id  # type: ignore[attr-defined]
    if source.body is not call:
        raise source.error(call, f"{name} stands alone: it cannot be part of a sum or a ratio")
    share = 0.5
    if name == "quantile":
        asked = call.args[1]
        if (
            not isinstance(asked, ast.Constant)
            or not isinstance(asked.value, float)
            or not 0 < asked.value < 1
        ):
            raise source.error(asked, "is not a share between 0 and 1, such as 0.95")
        share = asked.value
    return Expression(source.text, source.body, columns, outcome, (Term(_ONE), pair[0]), share)


def _aggregates(source: SyntaxTree, node: ast.expr) -> list[ast.Call]:
    """The aggregates of an expression over all rows, from left to right."""
    match node:
        case ast.Call(func=ast.Name(id=name)) if name in AGGREGATES:
            return [node]
        case ast.Call(func=ast.Name(id="sqrt" | "abs"), args=[inner], keywords=[]):
            return _aggregates(source, inner)
        case ast.BinOp(left=left, op=op, right=right) if isinstance(op, ARITHMETIC):
            if isinstance(op, ast.Pow) and not isinstance(right, ast.Constant):
                raise source.error(right, "an exponent is a number")
            return [*_aggregates(source, left), *_aggregates(source, right)]
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            return _aggregates(source, operand)
        case ast.Constant(value=value) if isinstance(value, int | float) and not isinstance(value, bool):
            return []
    check_row(source, node)
    raise source.error(node, f"is a value of each row, not of all: put it into {', '.join(AGGREGATES)}")


def _row_nodes(call: ast.Call) -> list[ast.expr]:
    """The nodes that may be columns: of `features.a.b`, the whole only."""
    nodes: list[ast.expr] = []

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.expr) and column_of(node) is not None:
            nodes.append(node)
            return
        inner = node.args if isinstance(node, ast.Call) else ast.iter_child_nodes(node)
        for one in inner:
            visit(one)

    for one in (*call.args, *(keyword.value for keyword in call.keywords)):
        visit(one)
    return nodes


def _compute(node: ast.expr, sum_of: Callable[[Term], Dual]) -> Dual:
    match node:
        case ast.Constant(value=value):
            return Dual(float(value), np.zeros(1))  # type: ignore[arg-type]
        case ast.UnaryOp(op=op, operand=operand):
            inner = _compute(operand, sum_of)
            return Dual(-inner.value, -inner.slope) if isinstance(op, ast.USub) else inner
        case ast.BinOp(left=left, op=op, right=right):
            return _combined(op, _compute(left, sum_of), _compute(right, sum_of))
        case ast.Call(func=ast.Name(id="abs" | "sqrt" as name), args=[inner_node]) if name not in AGGREGATES:
            inner = _compute(inner_node, sum_of)
            if name == "abs":
                return inner if inner.value >= 0 else Dual(-inner.value, -inner.slope)
            return _power(inner, 0.5)
    assert isinstance(node, ast.Call)
    over, under = _mark(SyntaxTree("", node), node)
    total = sum_of(over)
    return total if under is None else _combined(ast.Div(), total, sum_of(under))


def _combined(op: ast.operator, left: Dual, right: Dual) -> Dual:
    a, b = left.value, right.value
    match op:
        case ast.Add():
            return Dual(a + b, left.slope + right.slope)
        case ast.Sub():
            return Dual(a - b, left.slope - right.slope)
        case ast.Mult():
            return Dual(a * b, left.slope * b + right.slope * a)
        case ast.Div():
            if b == 0:
                raise UndefinedError("division by zero: nothing to divide by in this window")
            return Dual(a / b, left.slope / b - right.slope * (a / b / b))
    return _power(left, b)


def _power(base: Dual, exponent: float) -> Dual:
    try:
        value = base.value**exponent
        slope = exponent * base.value ** (exponent - 1) if base.value else 0.0
    except (ZeroDivisionError, OverflowError) as error:
        raise UndefinedError("a power that is not a number") from error
    if isinstance(value, complex) or isinstance(slope, complex):
        raise UndefinedError("the root of a negative number")
    return Dual(value, base.slope * slope)
