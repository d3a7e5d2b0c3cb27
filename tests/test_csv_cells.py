"""No CSV file that is written has a cell that a spreadsheet takes for a formula."""

import ast
import csv
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.cli.commands.releases.anonymise import _write
from monitor.visible import cell

WRITERS = {"csv.writer", "csv.DictWriter", "csv.write_csv", "pyarrow.csv.write_csv"}
SIGNS = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
FORMULAS = ("=cmd()", "+1+2", "-2+3", "@SUM(1)", "\t=1", "\r=1", "  =1", "\uff1dcmd()", "=HYPERLINK(1)")


def writes_csv(tree: ast.AST) -> bool:
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return any(ast.unparse(call) in WRITERS or ast.unparse(call).endswith(".to_csv") for call in calls)


def test_law_every_module_that_writes_csv_files_writes_cells() -> None:
    found = {}
    for path in Path("monitor").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if "csv" in text and writes_csv(ast.parse(text)):
            found[path.as_posix()] = any(
                isinstance(node, ast.Call) and ast.unparse(node.func) == "cell"
                for node in ast.walk(ast.parse(text))
            )
    assert len(found) >= 2
    assert all(found.values()), found


@given(st.text(), st.sampled_from(SIGNS))
def test_law_what_begins_like_a_formula_is_a_text_or_a_number(rest: str, sign: str) -> None:
    written = cell(sign + rest)
    if written[0] != "'":
        float(written)
    else:
        assert written == f"'{sign}{rest}"


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())], ids=str
)
def test_drawn_rows_and_their_headings_are_no_formulas(tmp_path: Path, kind: pa.DataType) -> None:
    drawn = pa.table(
        {"=cmd()": pa.array([*FORMULAS, "-1", "plain", None]).cast(kind), "n": range(len(FORMULAS) + 3)}
    )
    _write(drawn, tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert [row[0] for row in rows] == ["'=cmd()", *(f"'{one}" for one in FORMULAS), "-1", "plain", ""]
    assert [row[1] for row in rows[1:]] == [str(number) for number in range(len(FORMULAS) + 3)]
