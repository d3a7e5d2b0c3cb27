"""The house rules that a machine can hold: which way imports run, and how large a thing may grow."""

import ast
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "monitor"

# A room imports only what stands before it. Rooms on one line do not know each other.
ORDER: tuple[tuple[str, ...], ...] = (
    ("errors", "records", "block", "clock", "durations", "shipped", "lean", "pauses", "processor"),
    ("settings", "yamlfile", "scheduler"),
    ("store",),
    ("predictions",),
    ("sources",),
    ("windows",),
    ("metrics",),
    ("drift",),
    ("rules",),
    ("alerts",),
    ("notify",),
    ("health",),
    ("digest",),
    ("readings", "upkeep", "status", "reports", "rollouts"),
    ("pipeline", "blackout", "web", "dashboards", "backtest", "comparison", "lake"),
    ("config", "config_text", "rehearsal"),
    ("rules_in_force",),
    ("jobs", "doctor"),
    ("app",),
    ("demo",),
    ("cli",),
    ("__main__",),
)
RANK = {room: rank for rank, rooms in enumerate(ORDER) for room in rooms}

# Where a foreign failure of any kind is caught, because one failing part must not stop the others.
CATCH_ALLS = {
    "predictions/letters.py",
    "predictions/log.py",
    "scheduler.py",
    "web/exchange.py",
    "windows/counting.py",
    "windows/aside.py",
    "reports/drilldowns.py",
}

MOST_LINES, MOST_FUNCTION_LINES = 500, 50
FILES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def own_imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Names below `monitor` that are imported, with the line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "monitor":
            names = [node.module] if node.module != "monitor" else [f"monitor.{a.name}" for a in node.names]
            yield from ((name, node.lineno) for name in names)
        elif isinstance(node, ast.Import):
            yield from ((a.name, node.lineno) for a in node.names if a.name.split(".")[0] == "monitor")


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_run_one_way(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        return
    assert room in RANK, f"{room} has no place in the order of rooms"
    for imported, line in own_imports(ast.parse(path.read_text())):
        other = imported.split(".")[1] if "." in imported else "__init__"
        if other in (room, "__init__", "__version__"):
            continue
        assert RANK[other] < RANK[room] or (RANK[other] == RANK[room] == 0), (
            f"{path}:{line} imports {imported}"
        )


def test_the_documents_show_the_same_order() -> None:
    text = " ".join((PACKAGE.parent / "docs" / "concepts.md").read_text().split())
    assert " < ".join(f"`{' '.join(rooms)}`" for rooms in ORDER[:-1]) in text


def test_no_modules_import_each_other() -> None:
    modules = {
        ".".join(("monitor", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(
            ".__init__"
        ): path
        for path in FILES
    }
    graph: dict[str, set[str]] = {}
    for module, path in modules.items():
        found = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module in modules:
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                found |= (inner & modules.keys()) or {node.module}
        graph[module] = found - {module}
    resolved: set[str] = set()
    while ready := {m for m, needs in graph.items() if m not in resolved and needs <= resolved}:
        resolved |= ready
    assert graph.keys() <= resolved, f"import each other: {sorted(graph.keys() - resolved)}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_own_module_is_imported_inside_a_function(path: Path) -> None:
    if room_of(path) == "cli":  # help has to appear at once: see docs/decisions.md
        return
    tree = ast.parse(path.read_text())
    lazy = [line for function in functions(tree) for _, line in own_imports(function)]
    assert not lazy, f"{path} imports its own modules late, on lines {lazy}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_files_and_functions_stay_readable(path: Path) -> None:
    if path.parent.name == "versions":  # a migration is a list of tables, written once
        return
    text = path.read_text()
    assert text.count("\n") <= MOST_LINES, f"{path} is too long: which second concept is in it?"
    for function in functions(ast.parse(text)):
        first = function.body[1 if ast.get_docstring(function) and len(function.body) > 1 else 0]
        length = (function.end_lineno or 0) - first.lineno + 1
        assert length <= MOST_FUNCTION_LINES, f"{path}:{function.lineno} {function.name} has {length} lines"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_catching_everything_happens_only_where_it_is_listed(path: Path) -> None:
    broad = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id == "Exception"))
    ]
    assert not broad or name_of(path) in CATCH_ALLS, f"{path} catches everything on lines {broad}"


def test_no_room_is_called_by_a_word_that_says_nothing() -> None:
    banned = {"utils", "util", "common", "helpers", "manager", "core", "legacy", "misc"}
    assert not [path for path in FILES if path.stem in banned or path.parent.name in banned]


def test_each_room_says_what_it_is() -> None:
    def package(path: Path) -> Path:
        return path.parent

    for folder, _ in groupby(FILES, package):
        opening = ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
        assert opening, f"{folder} does not open with a docstring"
