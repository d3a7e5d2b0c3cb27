"""`bytes(5)` are five zero bytes and `bytes(2**62)` no memory: what a damaged column holds is checked first."""

import ast
from pathlib import Path

import pytest

import monitor.store
from monitor.store.rows import blob

PACKAGE = Path(monitor.store.__file__).parent


@pytest.mark.parametrize("value", [5, -1, 2**62, 1.5, "text", None, [1], True])
def test_what_is_not_bytes_is_refused(value):
    with pytest.raises(TypeError, match="is not bytes"):
        blob(value)


def test_what_is_stored_is_never_converted_to_bytes_unchecked():
    conversions = [
        f"{path.name}:{node.lineno}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "bytes"
        if not all(isinstance(argument, ast.Constant) for argument in node.args)
    ]
    assert [place.split(":")[0] for place in conversions] == ["rows.py"], conversions
