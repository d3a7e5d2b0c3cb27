"""The house rules that a machine can hold: which way imports run, and how large a thing may grow."""

import ast
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import groupby
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "monitor"
CLIENT = ROOT / "client" / "watchkeeper_client"

# A room imports only what stands before it. Rooms on one line do not know each other. The room `config` stands at both
# ends: `sections`, `units` and `yaml` are what every room's settings are made of; `schema` joins those settings.
ORDER: tuple[tuple[str, ...], ...] = (
    ("errors", "records", "clock", "shipped", "config.units", "text_limits", "visible"),
    (
        "config.location",
        "config.sections",
        "config.time_zone",
        "config.yaml_text",
        "measurement_table",
        "outgoing",
        "runtime",
        "times",
    ),
    ("config.relative_paths", "config.yaml"),
    ("store", "config.template", "childprocess", "signals"),
    ("predictions",),
    ("expressions",),
    ("health", "expectations"),
    ("sources",),
    ("gauges",),
    ("windows",),
    ("metrics",),
    ("drift", "rules", "reports"),
    ("alerts",),
    ("notify", "digest"),
    (
        "evaluation",
        "maintenance",
        "releases",
        "rollouts",
        "status",
        "backtest",
        "comparison",
        "anonymisation",
        "lake",
    ),
    ("sites",),
    ("outage", "exporters", "rehearsal", "gating", "rollback"),
    ("workers",),
    ("pipeline",),
    ("web",),
    ("config.schema",),
    ("config.cross_checks",),
    ("config.root",),
    ("config.installation", "config.rule_files", "config.verdict_reading"),
    ("worker",),
    ("jobs", "doctor", "firewall", "config.summary", "wiring", "sizing", "loadtest", "relay"),
    ("app",),
    ("demo",),
    ("cli",),
    ("__main__",),
)
CLIENT_ORDER: tuple[tuple[str, ...], ...] = (
    ("version", "counters", "problems", "settings"),
    ("records", "protocol"),
    ("delivery",),
    ("client",),
    ("integrations",),
)
RANKS = {
    package: {room: rank for rank, rooms in enumerate(order) for room in rooms}
    for package, order in ((PACKAGE, ORDER), (CLIENT, CLIENT_ORDER))
}

# Where a foreign failure of any kind is caught, because one failing part must not stop the others.
CATCH_ALLS = {
    "childprocess/runner.py",
    "childprocess/work.py",
    "evaluation/measure.py",
    "exporters/push/runner.py",
    "gauges/group.py",
    "notify/delivery/attempt.py",
    "notify/delivery/worker.py",
    "outgoing/names.py",
    "predictions/intake/requests.py",
    "predictions/large/child_reader.py",
    "predictions/large/reading.py",
    "predictions/log/writer.py",
    "relay/buffer.py",
    "relay/endpoint.py",
    "relay/forwarding.py",
    "reports/drilldowns.py",
    "rollback/worker.py",
    "runtime/faults.py",
    "runtime/scheduler.py",
    "runtime/shutdown.py",
    "sites/embedded.py",
    "sources/brokers/amqp.py",
    "sources/brokers/asynchronous.py",
    "sources/brokers/nats_limits.py",
    "sources/otlp/set_aside.py",
    "sources/reading.py",
    "signals/plugins/worker.py",
    "sources/objects/objects.py",
    "sources/runner.py",
    "web/app.py",
    "web/transport/accepting.py",
    "web/transport/fair_turns.py",
    "web/connections.py",
    "web/ingest/front.py",
    "web/ingest/otlp.py",
    "web/server.py",
    "windows/counting.py",
    "windows/declared/expectation_counts.py",
    "windows/declared/functions.py",
    "windows/declared/custom_counts.py",
    "windows/recount.py",
    "workers/pool.py",
}

MOST_LINES, MOST_FUNCTION_LINES, MOST_MODULES = 400, 40, 15
FILES = sorted([*PACKAGE.rglob("*.py"), *CLIENT.rglob("*.py")])


@cache
def parsed() -> dict[Path, list[ast.AST]]:
    """The nodes of each file, walked once: a test goes over all files, and names all that break its rule."""
    return {path: list(ast.walk(ast.parse(path.read_text()))) for path in FILES}


def package_of(path: Path) -> Path:
    """The package that a file belongs to: the daemon's or the client's."""
    return CLIENT if path.is_relative_to(CLIENT) else PACKAGE


def name_of(path: Path) -> str:
    inside = path.relative_to(package_of(path)).as_posix()
    return inside if package_of(path) == PACKAGE else f"client/{inside}"


def module_of(path: Path) -> str:
    """The dotted name: `monitor.web.app` of `monitor/web/app.py`."""
    return ".".join(path.relative_to(package_of(path).parent).with_suffix("").parts).removesuffix(".__init__")


def room_of(path: Path) -> str:
    return room_named(module_of(path).partition(".")[2] or "__init__")


def room_named(module: str) -> str:
    """The room of a module below `monitor`: `web` of `web.auth.authentication`; `config.root` is one by itself."""
    first, _, rest = module.partition(".")
    return f"{first}.{rest}" if first == "config" and rest else first


def own_imports(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, int]]:
    """Names below `monitor` or `watchkeeper_client` that are imported, with the line."""
    packages = {PACKAGE.name, CLIENT.name}
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in packages:
            inner = [f"{node.module}.{a.name}" for a in node.names]
            yield from ((name, node.lineno) for name in (inner if node.module in packages else [node.module]))
        elif isinstance(node, ast.Import):
            yield from ((a.name, node.lineno) for a in node.names if a.name.split(".")[0] in packages)


def functions(nodes: Iterable[ast.AST]) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def is_allowed(path: Path, imported: str) -> bool:
    """Whether a module may import another by the order of the rooms of its own distribution."""
    rank, room = RANKS[package_of(path)], room_of(path)
    package, _, module = imported.partition(".")
    if package != package_of(path).name:
        return False
    other = room_named(module) if module else "__init__"
    return other in (room, "__init__", "__version__") or (
        rank[other] < rank[room] or (rank[other] == rank[room] == 0)
    )


def test_imports_run_one_way() -> None:
    wrong = []
    for path, nodes in parsed().items():
        room = room_of(path)
        if room in ("__init__", "config"):
            continue
        assert room in RANKS[package_of(path)], f"{room} has no place in the order of rooms"
        wrong += [
            f"{path}:{line} imports {name}" for name, line in own_imports(nodes) if not is_allowed(path, name)
        ]
    assert not wrong, "\n".join(wrong)


def test_the_documents_show_the_same_order() -> None:
    text = " ".join((PACKAGE.parent / "docs" / "concepts.md").read_text().split())
    assert " < ".join(f"`{' '.join(rooms)}`" for rooms in ORDER[:-1]) in text


def test_no_modules_import_each_other() -> None:
    modules = {module_of(path): path for path in FILES}
    graph: dict[str, set[str]] = {}
    for module, path in modules.items():
        found = set()
        for node in parsed()[path]:
            if isinstance(node, ast.ImportFrom) and node.module in modules:
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                found |= (inner & modules.keys()) or {node.module}
        graph[module] = found - {module}
    resolved: set[str] = set()
    while ready := {m for m, needs in graph.items() if m not in resolved and needs <= resolved}:
        resolved |= ready
    assert graph.keys() <= resolved, f"import each other: {sorted(graph.keys() - resolved)}"


def test_no_own_module_is_imported_inside_a_function() -> None:
    # The help of a command has to appear at once, and importing the client costs a program next to nothing.
    late = [
        f"{path}:{line} imports {name} inside a function"
        for path, nodes in parsed().items()
        if not name_of(path).startswith(("cli/", "client/client.py"))
        for function in functions(nodes)
        for name, line in own_imports(ast.walk(function))
    ]
    assert not late, "\n".join(late)


def test_files_and_functions_stay_readable() -> None:
    long = []
    for path, nodes in parsed().items():
        if path.parent.name == "versions":  # a migration is a list of tables, written once
            continue
        if path.read_text().count("\n") > MOST_LINES:
            long.append(f"{path} is too long: which second concept is in it?")
        for function in functions(nodes):
            first = function.body[1 if ast.get_docstring(function) and len(function.body) > 1 else 0]
            length = (function.end_lineno or 0) - first.lineno + 1
            if length > MOST_FUNCTION_LINES:
                long.append(f"{path}:{function.lineno} {function.name} has {length} lines")
    assert not long, "\n".join(long)


def test_files_of_tests_stay_readable() -> None:
    long = [
        f"{path} is too long: which second concept does it test?"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if path.read_text(encoding="utf-8").count("\n") > MOST_LINES
    ]
    assert not long, "\n".join(long)


def test_catching_everything_happens_only_where_it_is_listed() -> None:
    broad = [
        f"{path}:{node.lineno} catches everything"
        for path, nodes in parsed().items()
        if package_of(path) == PACKAGE and name_of(path) not in CATCH_ALLS
        for node in nodes
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id == "Exception"))
    ]
    assert not broad, "\n".join(broad)


def remembers_without_limit(node: ast.AST) -> bool:
    """`cache` on a function with arguments, or `lru_cache(None)`."""
    if isinstance(node, ast.FunctionDef):
        return any(ast.unparse(one) == "cache" for one in node.decorator_list) and bool(
            ast.unparse(node.args)
        )
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name | ast.Attribute)
        and ast.unparse(node.func).rpartition(".")[2] == "lru_cache"
        and "None" in ast.unparse(node)
    )


def test_what_functions_remember_has_a_limit() -> None:
    endless = [
        f"{path}:{node.lineno} remembers every argument"
        for path, nodes in parsed().items()
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.Call) and remembers_without_limit(node)
    ]
    assert not endless, "\n".join(endless)


def test_no_room_is_called_by_a_word_that_says_nothing() -> None:
    banned = {"utils", "util", "common", "helpers", "manager", "core", "legacy", "misc"}
    assert not [path for path in FILES if path.stem in banned or path.parent.name in banned]


def test_each_room_says_what_it_is() -> None:
    def package(path: Path) -> Path:
        return path.parent

    for folder, _ in groupby(FILES, package):
        opening = ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
        assert opening, f"{folder} does not open with a docstring"


def test_at_most_fifteen_modules_stand_side_by_side() -> None:
    for folder in sorted({path.parent for path in FILES}):
        if folder.name in ("store", "versions"):  # one file a table, one a migration
            continue
        modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(modules) <= MOST_MODULES, (
            f"{folder} has {len(modules)} modules: which sub-folder is in it?"
        )


def test_no_file_name_stands_twice_in_a_room() -> None:
    for room in sorted(path for package in (PACKAGE, CLIENT) for path in package.iterdir() if path.is_dir()):
        names = Counter(path.name for path in room.rglob("*.py") if path.name != "__init__.py")
        twice = sorted(name for name, times in names.items() if times > 1)
        assert not twice, f"{room}: {twice} stand in several folders"


@pytest.mark.parametrize("name", ["app.py", "pipeline.py", "jobs.py"])
def test_what_is_wired_together_is_passed_as_an_argument(name: str) -> None:
    """No attribute of another object is assigned after it was constructed."""
    for node in parsed()[PACKAGE / name]:
        targets = node.targets if isinstance(node, ast.Assign) else []
        for target in targets:
            if isinstance(target, ast.Attribute):
                assert ast.unparse(target.value) == "self", f"{name}:{node.lineno} {ast.unparse(target)}"


STATEMENTS = {"select", "insert", "delete", "update", "text", "func", "and_", "or_", "union_all"}


def test_only_the_store_builds_sql_statements() -> None:
    """Others may hold a `Connection`, and hand it on."""
    built = [
        f"{path}:{node.lineno} builds statements with {sorted(names)}"
        for path, nodes in parsed().items()
        if room_of(path) != "store"
        for node in nodes
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sqlalchemy")
        if (names := STATEMENTS & {alias.name for alias in node.names})
    ]
    assert not built, "\n".join(built)


def test_no_callback_is_assigned_after_construction() -> None:
    assigned = [
        f"{path}:{node.lineno}"
        for path, nodes in parsed().items()
        for node in nodes
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Attribute)
        and target.attr.lstrip("_").startswith("on_")
        and ast.unparse(target.value) != "self"
    ]
    assert not assigned, "\n".join(assigned)


def test_one_file_writes_on_conflict() -> None:
    writing = [name_of(path) for path in FILES if ".on_conflict_do_" in path.read_text()]
    assert [name for name in writing if "/migrations/" not in name] == ["store/statements.py"]


CONNECTING = {
    "socket",
    "smtplib",
    "imaplib",
    "http.client",
    "urllib.request",
    "httpx2",
    "httpx",
    "requests",
    "boto3",
}
OUTSIDE = {"outgoing", "notify", "sources", "web", "exporters", "sites", "relay", "demo", "protocol"}
"""Rooms that open connections. The demonstration is a client of its own daemon; `protocol` is the client library's."""


def test_only_these_rooms_open_connections() -> None:
    opened = []
    for path, nodes in parsed().items():
        if room_of(path) in OUTSIDE:
            continue
        for node in nodes:
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            used = {n for n in names if n in CONNECTING or n.partition(".")[0] in CONNECTING}
            opened += [f"{path}:{node.lineno} opens connections with {sorted(used)}"] if used else []
    assert not opened, "\n".join(opened)
