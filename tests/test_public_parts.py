"""Of other packages, only what is public is used: the server's most of all, whose insides change with each release."""

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator

from tests.test_architecture import FILES, name_of, parsed

PRIVATE_MODULES = {
    "cli/store_option.py": {"typer._click"},  # where Typer has click's context now
}
PRIVATE_PARTS = {
    # the deadline of a call reaches the sockets of a client that offers no way to give them
    "outgoing/client.py": {"_pool", "_network_backend"},
    # the standard library's client signs in before it encrypts, and asks for capabilities before it signs in
    "sites/transports/imap.py": {"_simple_command", "_get_capabilities"},
    # what a server sends is limited before it is read, and read by the thousand
    "sources/brokers/nats_limits.py": {"_process_msg", "_process_info"},
    "sources/brokers/nats_pull.py": {"_send_command", "_id"},
    # a parser is given its stream in no other way
    "sources/brokers/redis_replies.py": {"_reader"},
    # trees are taken out of a fitted model, whose answers they are compared with
    "windows/error_trees/fit.py": {"_predictors", "_baseline_prediction"},
}
"""Each is used by tests with the real library (and server), which fail if it changes: see `make test-newest`."""
DOCUMENTED = {"_asdict", "_exit", "_fields", "_make", "_mapping", "_replace"}
"""Of named tuples, rows of SQLAlchemy and `os`: public, with an underscore."""
SERVER = ("uvicorn", "h11", "httptools")
EXTENDED = {
    "web/server.py": {"uvicorn.server.Server"},  # which would raise each signal again
    # which takes trailers for headers; `tests/web` sends them to the real server
    "web/transport/request_protocol.py": {"uvicorn.protocols.http.httptools_impl.HttpToolsProtocol"},
}
"""One public method of each."""
IMPORT = re.compile(r"^\s*(?:from|import) (?!monitor\b)(\w+(?:\.\w+)*\._[a-z]\w*)", re.MULTILINE)


def test_law_no_private_module_of_another_package_is_imported() -> None:
    found = {name_of(path): set(IMPORT.findall(path.read_text())) for path in FILES}
    assert {path: modules for path, modules in found.items() if modules} == PRIVATE_MODULES


def own_names(nodes: Iterable[ast.AST]) -> set[str]:
    """What a file itself defines: functions, classes, fields, and attributes of `self`."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.AnnAssign):
            found.add(ast.unparse(node.target))
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and not is_foreign(node):
            found.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(
            node.value, str
        ):  # for `__slots__` and `__setattr__`
            found.add(node.value)
    return found


def private_parts(nodes: Iterable[ast.AST], own: set[str], files_with: Counter[str]) -> set[str]:
    """Private names that a file uses and nothing of the house defines; an override's own definition counts for none."""
    found = set()
    for node in nodes:
        if not isinstance(node, ast.Attribute) or not node.attr.startswith("_") or node.attr.endswith("__"):
            continue
        name, is_of_super = node.attr, ast.unparse(node.value) == "super()"
        is_elsewhere = files_with[name] > (name in own)
        is_own = name in own and not is_of_super
        if not is_own and (not is_elsewhere or (is_foreign(node) and not is_of_super)):
            found.add(name)
    return found - DOCUMENTED


def test_law_private_parts_of_other_packages_are_used_in_few_places() -> None:
    own = {path: own_names(nodes) for path, nodes in parsed().items()}
    files_with = Counter(name for names in own.values() for name in names)
    found = {name_of(path): private_parts(nodes, own[path], files_with) for path, nodes in parsed().items()}
    assert {path: parts for path, parts in found.items() if parts} == PRIVATE_PARTS


def imported(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, str]]:
    """The names that a file gives to what it imports, and the full names."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((alias.asname or alias.name, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names)


def parts_of_the_server(nodes: list[ast.AST]) -> tuple[set[str], set[str]]:
    """Its classes that a file extends, and private parts of anything else that it uses."""
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
    found = {
        name_of(path): parts_of_the_server(nodes)
        for path, nodes in parsed().items()
        if name_of(path).startswith("web/")
    }
    assert {path: extended for path, (extended, _) in found.items() if extended} == EXTENDED
    assert {path: used for path, (_, used) in found.items() if used} == {}
