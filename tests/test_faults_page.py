"""docs/faults.md lists all threads, tasks, processes and jobs, with the tests of their failures."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.test_architecture import FILES, PACKAGE

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
BESIDE = "## Threads, tasks and processes"
COLUMNS = ("an exception", "a hang", "a full disk or a closed pipe")
CALLS = {
    "Thread", "SupervisedThread", "Timer", "ThreadPoolExecutor", "ProcessPoolExecutor", "Process", "Popen", "fork",
    "create_task", "ensure_future", "TaskGroup", "run_in_executor", "to_thread", "call_soon", "call_later", "call_at",
    "call_soon_threadsafe", "run_coroutine_threadsafe", "start_new_thread",
}  # fmt: skip
"""What begins something that goes on beside its caller, or outlives it."""
REFERENCE = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def begins(tree: ast.AST) -> Iterator[str]:
    """The names of such calls in a module. `subprocess.run` waits for a process that may hang."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name.rpartition(".")[2] in CALLS or name in ("subprocess.run", "subprocess.check_output"):
                yield name


def rows() -> dict[str, list[str]]:
    """The table by the file that its first column names."""
    section = TEXT.split(BESIDE)[1].split("\n## ")[0]
    cells = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in section.splitlines()
        if line[:3] == "| `"
    ]
    return {row[0].strip("` "): row[1:] for row in cells}


def test_every_place_where_something_runs_beside_the_rest_has_its_row() -> None:
    found = {
        path.relative_to(PACKAGE.parent).as_posix()
        for path in FILES
        if list(begins(ast.parse(path.read_text(encoding="utf-8"))))
    }
    assert rows().keys() == found


def test_every_row_names_a_test_or_says_why_it_needs_none() -> None:
    for file, (what, *cells) in rows().items():
        assert what, file
        assert len(cells) == len(COLUMNS), file
        for column, cell in zip(COLUMNS, cells, strict=True):
            assert REFERENCE.search(cell) or len(cell.strip(" |")) > 5, f"{file}: {column}?"
        assert REFERENCE.search("".join(cells)), f"{file} has no test at all"


def test_every_test_that_is_named_exists() -> None:
    missing = [
        f"{file}::{name}"
        for file, name in REFERENCE.findall(TEXT)
        if f"def {name}(" not in (ROOT / file).read_text(encoding="utf-8")
    ]
    assert missing == []


def test_every_job_of_the_scheduler_is_listed() -> None:
    named = set()
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("scheduler.every"):
                name = node.args[1]
                named.add(
                    name.value
                    if isinstance(name, ast.Constant)
                    else ast.unparse(name).split("{")[0][2:].strip()
                )
    section = TEXT.split("## The jobs of the scheduler")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `([^`]+)`", section, re.M)) == named
