"""Reads the text of an expression. Python's parser reads it; only what is listed here is accepted, nothing is run."""

import ast
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b

from monitor.signals.plugins.plugin_names import target_of
from monitor.text_limits import LABEL

MOST_CHARACTERS, MOST_NODES, DEEPEST = 1000, 200, 40
OF_PREDICTION = frozenset((
    "prediction", "confidence", "latency_ms", "error", "automated", "cost", "version",
))  # fmt: skip
OF_OUTCOME = frozenset(("truth", "reviewed", "corrected", "feedback", "delay"))
GROUPS = frozenset(("features", "segments", "probabilities", "signals", "outcome"))
FUNCTIONS = {"abs": 1, "sqrt": 1, "log": 1, "exp": 1, "round": 1, "least": 2, "greatest": 2, "coalesce": 2}
"""Functions of a row, with the number of their arguments."""
PLUGIN, MOST_READ = "plugin", 32
"""A function of yours, and how many columns it may get."""
MOST_PLACES = 8
"""How many numbers a function of yours may return for a row."""
AGGREGATES = ("sum", "mean", "count", "share", "quantile", "median")
ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow)
_CONSTANTS = {"true": "True", "false": "False", "none": "None", "null": "None", "nan": "None"}
"""How other languages write constants, and how they are written here."""
_COMPARISONS = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn, ast.Is, ast.IsNot)


class ExpressionError(ValueError):
    """A text is no expression. The message names the character, counted from 1."""

    def __init__(self, reason: str, character: int) -> None:
        super().__init__(f"at character {character}: {reason}")
        self.character = character


@dataclass(frozen=True, slots=True)
class SyntaxTree:
    """A parsed text: `body` are its nodes, with positions in `text`."""

    text: str
    body: ast.expr

    def error(self, node: ast.AST, reason: str) -> ExpressionError:
        """A mistake at a node."""
        place = getattr(node, "col_offset", 0)
        return ExpressionError(reason, len(self.text.encode()[:place].decode(errors="ignore")) + 1)


def parse(text: str) -> SyntaxTree:
    """The nodes of a text, which are few, and of which each is of an accepted kind.

    Raises:
        ExpressionError: with the character at which the mistake is.
    """
    flat = text.replace("\r", " ").replace("\n", " ").replace("\t", " ").strip()
    if not flat:
        raise ExpressionError("is empty", 1)
    if len(flat) > MOST_CHARACTERS:
        raise ExpressionError(f"has {len(flat):,} characters, more than {MOST_CHARACTERS}", MOST_CHARACTERS)
    try:
        with warnings.catch_warnings():  # of unknown escapes in texts
            warnings.simplefilter("ignore")
            body = ast.parse(flat, mode="eval").body
    except SyntaxError as error:
        raise ExpressionError(f"{error.msg}", min(error.offset or 1, len(flat))) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise ExpressionError("cannot be read: it is nested too deeply, or has a NUL", 1) from error
    source = SyntaxTree(flat, body)
    if sum(1 for _ in ast.walk(body)) > MOST_NODES:
        raise ExpressionError("has too many parts: split it into several metrics", 1)
    _shallow(source, body, 0)
    return SyntaxTree(flat, _SignedConstants().visit(body))


class _SignedConstants(ast.NodeTransformer):
    """Makes a constant of a number and its sign, so that -1 is accepted and compared as 1 is."""

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        inner = self.visit(node.operand)
        is_number = isinstance(inner, ast.Constant) and type(inner.value) in (int, float)
        if is_number and isinstance(node.op, ast.USub | ast.UAdd):
            value = -inner.value if isinstance(node.op, ast.USub) else inner.value
            return ast.copy_location(ast.Constant(value), node)
        node.operand = inner
        return node


def _shallow(source: SyntaxTree, node: ast.AST, depth: int) -> None:
    if depth > DEEPEST:
        raise source.error(node, "is nested too deeply")
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, ast.expr):
            _shallow(source, inner, depth + 1)


def column_of(node: ast.expr) -> str | None:
    """The column that a node names, as in a batch of the log; None if it names none."""
    if isinstance(node, ast.Name):
        if node.id in OF_OUTCOME:
            return f"outcome.{node.id}"
        return node.id if node.id in OF_PREDICTION else f"features.{node.id}"
    if isinstance(node, ast.Subscript):
        key = node.slice
        is_group = isinstance(node.value, ast.Name) and node.value.id in GROUPS
        if is_group and isinstance(key, ast.Constant) and isinstance(key.value, str):
            return f"{node.value.id}.{key.value}"  # type: ignore[attr-defined]
        return None
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if parts and isinstance(node, ast.Name) and node.id in GROUPS:
        return ".".join([node.id, *reversed(parts)])
    return None


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A call of a function of yours: `target` is `package:function`, `reads` are the columns that it gets. Of several
    numbers that it returns for each row, `place` is the one that is taken.
    """

    target: str
    reads: tuple[str, ...]
    place: int | None = None

    @property
    def column(self) -> str:
        """The column of its values."""
        content = "\n".join(
            (self.target, *self.reads, *([] if self.place is None else ["", str(self.place)]))
        )
        return f"plugin.{blake2b(content.encode(), digest_size=8).hexdigest()}"


def function_call(node: ast.AST) -> FunctionCall | None:
    """The call of a function of yours that a checked node is; None if it is none."""
    if isinstance(node, ast.Subscript):
        call = function_call(node.value)
        return call and replace(call, place=node.slice.value)  # type: ignore[attr-defined]
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == PLUGIN):
        return None
    target = node.args[0].value  # type: ignore[attr-defined]
    return FunctionCall(target, tuple(column_of(arg) or "" for arg in node.args[1:]))


def function_calls(body: ast.AST) -> Iterator[FunctionCall]:
    """The calls of functions of yours in a checked node."""
    call = function_call(body)
    if call is not None:
        yield call
        return
    for inner in ast.iter_child_nodes(body):
        yield from function_calls(inner)


def check_row(source: SyntaxTree, node: ast.expr) -> None:
    """Check an expression of one row.

    Raises:
        ExpressionError: it has a part that is not accepted.
    """
    if column_of(node) is not None:
        _check_column(source, node)
        return
    match node:
        case ast.Constant(value=value):
            if not isinstance(value, str | bool | int | float | None) or not _is_finite(value):
                raise source.error(node, "is not a number, text, True, False or None")
        case ast.BinOp(op=op) if not isinstance(op, ARITHMETIC):
            raise source.error(node, "is an unknown operator: use + - * / **")
        case ast.Compare():
            _check_comparison(source, node)
        case ast.Call() | ast.Subscript(value=ast.Call()):
            _check_call(source, _called(source, node))
        case ast.BinOp() | ast.UnaryOp(op=ast.USub() | ast.UAdd() | ast.Not()) | ast.BoolOp() | ast.IfExp():
            for one in ast.iter_child_nodes(node):
                if isinstance(one, ast.expr):
                    check_row(source, one)
        case _:
            raise source.error(node, f"{type(node).__name__} is not allowed in an expression")


def _called(source: SyntaxTree, node: ast.Call | ast.Subscript) -> ast.Call:
    """The call of which a node takes the value, or the number at a place."""
    if isinstance(node, ast.Call):
        return node
    call, place = node.value, node.slice
    assert isinstance(call, ast.Call)
    if not (isinstance(call.func, ast.Name) and call.func.id == PLUGIN):
        raise source.error(node, "only plugin(...) has several numbers")
    if not (isinstance(place, ast.Constant) and type(place.value) is int and 0 <= place.value < MOST_PLACES):
        raise source.error(node, f"the place of a number is 0 to {MOST_PLACES - 1}, such as plugin(...)[0]")
    return call


def _check_column(source: SyntaxTree, node: ast.expr) -> None:
    column = column_of(node) or ""
    if isinstance(node, ast.Name) and node.id in GROUPS:
        raise source.error(node, f"{node.id} is a group: write {node.id}.<name>")
    if isinstance(node, ast.Name) and (constant := _CONSTANTS.get(node.id.lower())):
        raise source.error(node, f"write {constant}, or features.{node.id} if {node.id} is a feature")
    if len(column) > LABEL:
        raise source.error(node, "the name of a column is too long")
    group, _, name = column.partition(".")
    if group == "outcome" and name not in OF_OUTCOME:
        raise source.error(node, f"an outcome has no {name}: {_listed(OF_OUTCOME)}")


def _check_comparison(source: SyntaxTree, node: ast.Compare) -> None:
    check_row(source, node.left)
    lefts = [node.left, *node.comparators]
    for left, op, right in zip(lefts, node.ops, node.comparators, strict=False):
        if not isinstance(op, _COMPARISONS):
            raise source.error(node, "is an unknown comparison")
        if isinstance(op, ast.In | ast.NotIn):
            if not isinstance(right, ast.Tuple | ast.List | ast.Set) or not right.elts:
                raise source.error(right, "`in` needs a list of values, such as in ('ok', 'fraud')")
            for elt in right.elts:
                if not isinstance(elt, ast.Constant):
                    raise source.error(elt, "`in` needs a list of numbers and texts")
                check_row(source, elt)
        elif isinstance(op, ast.Is | ast.IsNot):
            if not (isinstance(right, ast.Constant) and right.value is None) or column_of(left) is None:
                raise source.error(node, "`is` asks whether a column is missing: write features.x is None")
        elif any(isinstance(one, ast.Constant) and one.value is None for one in (left, right)):
            raise source.error(node, "nothing equals None: write features.x is None")
        else:
            check_row(source, right)


def _check_call(source: SyntaxTree, node: ast.Call) -> None:
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if name == PLUGIN:
        _check_plugin(source, node)
        return
    if name in AGGREGATES:
        raise source.error(node, f"{name} is over all rows: it cannot stand inside of another")
    if name not in FUNCTIONS:
        known = [*FUNCTIONS, *AGGREGATES, PLUGIN]
        raise source.error(node, f"unknown function {name or 'without a name'}: {_listed(known)}")
    if node.keywords or len(node.args) != FUNCTIONS[name]:
        raise source.error(node, f"{name} takes {FUNCTIONS[name]} value{'s' * (FUNCTIONS[name] > 1)}")
    for arg in node.args:
        check_row(source, arg)


def _check_plugin(source: SyntaxTree, node: ast.Call) -> None:
    first, columns = node.args[0] if node.args else node, node.args[1:]
    if node.keywords or not columns or len(columns) > MOST_READ:
        raise source.error(node, f"plugin takes a function and 1 to {MOST_READ} columns")
    try:
        target_of(first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else "")
    except ValueError as error:
        raise source.error(first, str(error)) from error
    for column in columns:
        if column_of(column) is None:
            raise source.error(column, "plugin gets columns, such as features.amount")
        check_row(source, column)


def _is_finite(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return True
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def _listed(names: object) -> str:
    return f"use one of {', '.join(sorted(names))}"  # type: ignore[call-overload]
