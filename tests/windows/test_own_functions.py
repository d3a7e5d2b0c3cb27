"""Functions of one's own in own metrics: the example of the documentation, and functions that fail in every way."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from monitor.expressions.condition import compile_condition
from monitor.expressions.expression import compile_expression
from monitor.expressions.grammar import ExpressionError
from monitor.metrics.declared.custom_metrics import figure
from monitor.runtime.faults import Faults
from monitor.windows.declared import functions
from monitor.windows.declared.custom_counts import count
from monitor.windows.declared.custom_metric import CustomMetric
from monitor.windows.declared.tally_labels import ASIDE, ROWS
from monitor.windows.profile import OVERALL
from tests.windows.test_own_metrics import LAYOUT

DOCS = Path(__file__).parents[2] / "docs/custom-metrics.md"
FAILING = r"""
import os, time
def raises(rows): raise ValueError("no\\u202e\\x00 rate")
def sleeps(rows): time.sleep(60)
def ends(rows): os._exit(3)
def vectors(rows): return [[1.0, 2.0]] * rows.num_rows
"""
COUNTS = """
import pathlib
def lines(rows):
    asked = pathlib.Path(__file__).parent / "asked"
    asked.write_text(str(int(asked.read_text() or 0) + 1 if asked.exists() else 1))
    return [
        None if text is None
        else [text.count("y") + more, text.count("y") + text.count("n") + more]
        for text in rows.column(0).to_pylist()
        for more in [int("".join(filter(str.isdigit, text or "")) or 0)]
    ]
def count(rows): return [1] * rows.num_rows
"""


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder where the functions' processes find modules; each answers within a second."""
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{DOCS.parents[1]}")
    begun: dict[str, Any] = {}

    def process(target: str, _of: int) -> Any:
        made = functions.lazy_signals.plugin().Plugin
        return begun.setdefault(
            target,
            made("own_metric", target, of="function of own metrics", vectors=pa.float64(), deadline=1.0),
        )

    monkeypatch.setattr(functions, "_process", process)
    yield tmp_path
    for one in begun.values():
        one.stop()


def test_the_example_of_the_documentation(written: Path) -> None:
    text = DOCS.read_text()
    [code] = re.findall(r"```python\n(# shop_metrics\.py.*?)```", text, re.DOTALL)
    (written / "shop_metrics.py").write_text(code)
    shown = dict(re.findall(r'  (late_\w+): "(.*)"', text))
    days = ["2026-01-02", "2026-01-05", None, "2026-01-09"]
    rows = pa.RecordBatch.from_pydict(
        {
            "prediction": ["ok"] * 4,
            "features.promised": pa.array(["2026-01-03"] * 4).dictionary_encode(),
            "features.expected": pa.array(days).dictionary_encode(),
            "features.amount": [1.0, 20.0, 300.0, 4000.0],
        }
    )
    metrics = [CustomMetric(name, compile_expression(expression)) for name, expression in shown.items()]
    faults = Faults()
    found = count(rows, LAYOUT, 5, metrics, are_joined=False, faults=faults)
    assert not faults.active()
    assert found is not None
    part = found.slices[OVERALL]
    assert {one.name: figure(one, part)[0] for one in metrics} == {"late_share": 2 / 3, "late_value": 4020.0}
    assert part.tally(metrics[0].tally) == {ROWS: 3, f"{ASIDE}shop_metrics:late gave no value": 1}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("raises", "rate"), ("sleeps", "did not answer within"), ("ends", "its process ended"),
        ("vectors", "several numbers"), ("gone", "no attribute"),
    ],
)  # fmt: skip
def test_a_function_that_fails_sets_its_rows_aside(written: Path, name: str, told: str) -> None:
    (written / "bad_metrics.py").write_text(FAILING)
    bad = CustomMetric("bad", compile_expression(f"mean(plugin('bad_metrics:{name}', x))"))
    good = CustomMetric("good", compile_expression("sum(x)"))
    rows = pa.RecordBatch.from_pydict({"prediction": ["ok"] * 3, "features.x": [1.0, 2.0, 3.0]})
    faults = Faults()
    found = count(rows, LAYOUT, 5, [bad, good], are_joined=False, faults=faults)
    assert found is not None
    part = found.slices[OVERALL]
    assert part.tally(bad.tally) == {ROWS: 0, f"{ASIDE}bad_metrics:{name} gave no value": 3}
    assert figure(good, part)[0] == 6
    [fault] = faults.active()
    assert (fault.part, fault.subject) == ("own metrics", f"bad_metrics:{name}")
    assert told in fault.reason
    assert fault.reason.isprintable()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("mean(plugin('os.system', x))", "at character 13: 'os.system' does not name a function"),
        ("mean(plugin('os:system'))", "1 to 32 columns"),
        ("mean(plugin('os:system', 1))", "gets columns"),
        ("mean(plugin(x, x))", "does not name a function"),
        ("mean(plugin())", "1 to 32 columns"),
        ("mean(plugin('a:b', x)[8])", "the place of a number is 0 to 7"),
        ("mean(plugin('a:b', x)[-1])", "the place of a number is 0 to 7"),
        ("mean(plugin('a:b', x)['n'])", "the place of a number is 0 to 7"),
        ("mean(plugin('a:b')[0])", "1 to 32 columns"),
        ("mean(abs(x)[0])", "only plugin(...) has several numbers"),
        ("plugin('a:b', x)", "is a value of each row"),
        ("mean(plugin('a:b', truth, feedback))", "become known at different times"),
    ],
)
def test_calls_that_are_mistakes(text: str, told: str) -> None:
    with pytest.raises(ExpressionError, match=re.escape(told)):
        compile_expression(text)


def test_a_function_that_returns_counts_is_a_ratio_with_its_interval_and_is_asked_once(written: Path) -> None:
    """Numerators and denominators of each row: as many lines of an order as were delivered, and as there are."""
    (written / "line_metrics.py").write_text(COUNTS)
    text = "sum(plugin('line_metrics:lines', lines)[0]) / sum(plugin('line_metrics:lines', lines)[1])"
    ratio = CustomMetric("delivered", compile_expression(text))
    flag = CustomMetric("none", compile_expression("mean(plugin('line_metrics:count', lines)[0])"))
    lines = ["yy", "yn", "n", None, "yyyn", "16777217y"]
    rows = pa.RecordBatch.from_pydict({"prediction": ["ok"] * 6, "features.lines": lines})
    faults = Faults()
    found = count(rows, LAYOUT, 5, [ratio, flag], are_joined=False, faults=faults)
    assert found is not None
    part = found.slices[OVERALL]
    assert part.tally(ratio.tally) == {ROWS: 5, f"{ASIDE}line_metrics:lines gave no value": 1}
    hits, of = np.array([2, 1, 0, 3, 16777218]), np.array([2, 2, 1, 4, 16777218])
    value, interval = figure(ratio, part)
    assert value == hits.sum() / of.sum()
    assert interval is not None
    half = 1.959964 * np.sqrt(((hits - value * of) ** 2).sum()) / of.sum()
    assert interval[1] - value == pytest.approx(half, rel=1e-3)
    [fault] = faults.active()
    assert "there is no [0]" in fault.reason
    assert (written / "asked").read_text() == "1"


def test_expectations_call_no_functions() -> None:
    with pytest.raises(ExpressionError, match="call no plug-ins"):
        compile_condition("plugin('a:b', x) > 1")
