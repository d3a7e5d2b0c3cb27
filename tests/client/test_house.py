"""What keeps the client light: no dependency, a quick import, a few microseconds a prediction."""

import ast
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
from watchkeeper_client import Client, Limits, __version__

from tests.support.daemon import ROOT

PACKAGE = ROOT / "client" / "watchkeeper_client"
FILES = sorted(PACKAGE.rglob("*.py"))
MAY_IMPORT = {"integrations/langchain.py": {"langchain_core"}}


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_nothing_but_the_standard_library_is_imported(path: Path) -> None:
    allowed = sys.stdlib_module_names | {"watchkeeper_client"} | MAY_IMPORT.get(name_of(path), set())
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        assert {name.split(".")[0] for name in names} <= allowed, f"{path}:{getattr(node, 'lineno', 0)}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_files_and_functions_stay_readable(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[1 if ast.get_docstring(node) and len(node.body) > 1 else 0]
            assert (node.end_lineno or 0) - first.lineno < 45, f"{path}:{node.lineno} {node.name}"


def test_the_distribution_says_what_it_is() -> None:
    project = tomllib.loads((ROOT / "client" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (project["name"], project["dependencies"], project["requires-python"]) == (
        "watchkeeper-client", [], ">=3.9",
    )  # fmt: skip
    assert __version__


def imported(name: str) -> tuple[float, set[str]]:
    """Seconds of the processor that an import takes in a process, and what it brings."""
    program = f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r}); before = set(sys.modules)\n"
    program += f"import time; start = time.process_time(); import {name}\n"
    program += "print(time.process_time() - start); print(*(set(sys.modules) - before))"
    command = [sys.executable, "-I", "-S", "-c", program]
    seconds, modules = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return float(seconds), set(modules.split())


def test_importing_it_brings_nothing_heavy() -> None:
    """Importing takes 10 ms where these are left out, on top of the interpreter's start: `asyncio` takes 50."""
    heavy = {"asyncio", "ssl", "http", "http.client", "email", "urllib", "urllib.parse", "logging", "pathlib"}
    heavy |= {
        "dataclasses",
        "inspect",
        "decimal",
        "uuid",
        "random",
        "hashlib",
        "tempfile",
        "subprocess",
        "socket",
    }
    in_turns = [(imported("watchkeeper_client"), imported("asyncio")) for _ in range(5)]
    for (_, modules), _ in in_turns:
        assert not heavy & modules
    if not sys.flags.dont_write_bytecode:
        own, other = (min(seconds for seconds, _ in taken) for taken in zip(*in_turns, strict=True))
        assert own < 0.6 * other


def test_a_prediction_costs_its_caller_at_most_20_microseconds() -> None:
    """The processor's time of the calling thread, best of several runs: others use this machine, too."""
    limits = Limits(
        queue_records=10**6, queue_bytes=10**10, linger=60.0, batch_records=10**6, exit_timeout=0.0
    )
    client = Client("http://127.0.0.1:9", client="acme", model="fraud", version="7", limits=limits)
    features = {f"feature_{n}": n * 1.5 if n % 3 else "DE" for n in range(20)}
    took = []
    for _ in range(20):
        started = time.thread_time()
        for _ in range(500):
            client.prediction("ok", features=features, confidence=0.93, latency_ms=41.7)
        took.append((time.thread_time() - started) / 500)
    client.close()
    assert min(took) < 20e-6
