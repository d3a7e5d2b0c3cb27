"""Each benchmark that people start answers `--help`, instead of starting and writing into the documentation."""

import ast
from pathlib import Path

import pytest

BENCH = Path(__file__).parent / "bench"
STARTED_BY_OTHERS = {"alert_peers.py", "estimates_peer.py", "foreign.py", "launch.py", "load.py", "ours.py"}
"""Benchmarks start these in processes of their own, with arguments that no one types."""


def started_by_people() -> list[Path]:
    """The modules that run when they are started, but for those that others start."""
    own = [path for path in BENCH.rglob("*.py") if '__name__ == "__main__"' in path.read_text()]
    return [path for path in own if path.name not in STARTED_BY_OTHERS and path.parent.name != "peers"]


@pytest.mark.parametrize("path", started_by_people(), ids=lambda path: path.stem)
def test_a_benchmark_reads_its_command_line_with_a_parser(path: Path) -> None:
    tree = ast.parse(path.read_text())
    called = {
        one.func.attr
        for one in ast.walk(tree)
        if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute)
    }
    assert "parse_args" in called
    assert not any(isinstance(one, ast.Attribute) and one.attr == "argv" for one in ast.walk(tree))
