"""Of other packages, only what is public is used: the server's most of all, whose insides change with each release."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.test_architecture import FILES, name_of

PRIVATE_MODULES = {
    "cli/store_option.py": {"typer._click"},  # where Typer has click's context now
    "gauges/queues/redis.py": {"redis._parsers"},  # the base of a parser whose answers have a limit
    "sources/brokers/redis.py": {"redis._parsers"},
}
SERVER = ("uvicorn", "h11", "httptools")
EXTENDED = {"web/server.py": {"uvicorn.Server"}}
"""One public method of it, which would raise each signal again."""
IMPORT = re.compile(r"^\s*(?:from|import) (?!monitor\b)(\w+(?:\.\w+)*\._[a-z]\w*)", re.MULTILINE)


def test_law_no_private_module_of_another_package_is_imported() -> None:
    found = {name_of(path): set(IMPORT.findall(path.read_text())) for path in FILES}
    assert {path: modules for path, modules in found.items() if modules} == PRIVATE_MODULES


def imported(nodes: list[ast.AST]) -> Iterator[tuple[str, str]]:
    """The names that a file gives to what it imports, and the full names."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((alias.asname or alias.name, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names)


def parts_of_the_server(path: Path) -> tuple[set[str], set[str]]:
    """Its classes that a file extends, and private parts of anything else that it uses."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names, extended = dict(imported(nodes)), set()
    for node in nodes:
        for base in node.bases if isinstance(node, ast.ClassDef) else ():
            first, _, rest = ast.unparse(base).partition(".")
            extended.add(f"{names.get(first, '')}.{rest}".strip("."))
    used = {ast.unparse(node) for node in nodes if isinstance(node, ast.Attribute) and is_foreign(node)}
    return {name for name in extended if name.split(".")[0] in SERVER}, used


def is_foreign(node: ast.Attribute) -> bool:
    """Whether it is a private part of another object."""
    is_private = node.attr.startswith("_") and not node.attr.endswith("__")
    return is_private and ast.unparse(node.value) not in ("self", "cls")


def test_law_no_part_of_the_web_server_is_extended_and_nothing_private_of_it_used() -> None:
    found = {name_of(path): parts_of_the_server(path) for path in FILES if name_of(path).startswith("web/")}
    assert {path: extended for path, (extended, _) in found.items() if extended} == EXTENDED
    assert {path: used for path, (_, used) in found.items() if used} == {}
