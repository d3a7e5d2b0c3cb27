"""A condition of one row: an expression without aggregates."""

import ast
from dataclasses import dataclass
from functools import lru_cache

from monitor.expressions.grammar import check_row, column_of, function_calls, parse


@dataclass(frozen=True, slots=True)
class RowCondition:
    """A checked condition, and the columns that it reads."""

    text: str
    body: ast.expr
    columns: frozenset[str]


@lru_cache(maxsize=1024)
def compile_condition(text: str) -> RowCondition:
    """Read and check a condition such as `features.start <= features.end`.

    Raises:
        ExpressionError: with the character at which the mistake is.
    """
    source = parse(text)
    check_row(source, source.body)
    if next(function_calls(source.body), None) is not None:
        raise source.error(source.body, "expectations call no plug-ins")
    columns: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.expr) and (column := column_of(node)) is not None:
            columns.add(column)
            return
        for inner in node.args if isinstance(node, ast.Call) else ast.iter_child_nodes(node):
            visit(inner)

    visit(source.body)
    if any(name.startswith("outcome.") for name in columns):
        raise source.error(source.body, "expectations are about predictions: it cannot read outcomes")
    return RowCondition(source.text, source.body, frozenset(columns))
