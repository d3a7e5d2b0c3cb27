"""Suites as files: mistakes with their places, and what is suggested is read back as it was."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from monitor.errors import ConfigError
from monitor.expectations import suite
from monitor.expectations.checking import check
from monitor.expectations.expectation import Check, Expectation, Tier, as_json, of_json
from monitor.expectations.learning import suggest
from monitor.windows.baseline_from_table import conform, sample

TEXT = """\
columns:
  amount:
    - {check: range, least: 5, most: 1}
    - {check: range}
    - {check: rang, least: 1}
    - {check: present, least: 1}
    - {check: present, tolerated: 120%}
  kind:
    - {check: allowed}
    - {check: pattern, regex: "(?=a)"}
    - {check: type, type: float}
    - {check: condition}
    - {check: fresh, within: 60}
    - {check: fresh}
    - {chek: present}
conditions:
  - {expression: "start <= truth"}
  - {expression: "start <="}
rows: {}
"""
TOLD = {
    3: "least is more than most",
    4: "range needs least or most",
    5: "should be 'present'",
    6: "present has no least",
    7: "less than 1",
    9: "allowed needs values",
    10: "is not a valid RE2 regular expression",
    11: "'float' is not a type: use one of number, integer, boolean, text",
    12: "condition is not about a column",
    13: "is not a duration",
    14: "fresh needs within",
    15: "unknown key (did you mean 'check'?)",
    17: "it cannot read outcomes",
    18: "at character",
    19: "rows needs least or most",
}


def test_each_mistake_has_its_line(tmp_path: Path) -> None:
    file = tmp_path / "suite.yaml"
    file.write_text(TEXT)
    with pytest.raises(ConfigError) as told:
        suite.load(file)
    problems = [str(one) for one in told.value.problems]
    for line, text in TOLD.items():
        assert any(f":{line}:" in one and text in one for one in problems), (line, problems)


def rows(n: int = 1000) -> pa.RecordBatch:
    chance = np.random.default_rng(4)
    start = chance.uniform(0, 100, n)
    table = pa.table(
        {
            "id": [f"r{number}" for number in range(n)],
            "prediction": chance.choice(["ok", "fraud"], n).tolist(),
            "start": start,
            "end": start + chance.exponential(1.0, n),
            "age": [None if one < 0.02 else round(90 * one) for one in chance.uniform(0, 1, n).tolist()],
            "it's $x\u2028\u202e": chance.choice(["a: b", 'quote"', "#x", "yes", "1"], n).tolist(),
            "day": [f"2026-01-{1 + number % 28:02d}" for number in range(n)],
            "flag": (chance.uniform(0, 1, n) > 0.5).tolist(),
        }
    )
    return sample(conform(table), n)


def test_what_is_suggested_is_written_read_back_and_met(tmp_path: Path) -> None:
    learned = suggest(rows())
    file = tmp_path / "suite.yaml"
    file.write_text(suite.dump(learned, "Suggested."))
    read = suite.load(file)
    assert [(one.check, one.column, dict(one.arguments), one.tier) for one in read] == [
        (one.check, one.column, dict(one.arguments), one.tier) for one in learned
    ]
    assert of_json(as_json(read)) == read
    by_column = {(one.about, one.check): one for one in read}
    assert by_column["id", Check.UNIQUE].tier is Tier.CRITICAL
    assert by_column["age", Check.TYPE].arguments == {"type": "integer"}
    assert 0.02 < by_column["age", Check.PRESENT].tolerated < 0.08
    assert by_column["prediction", Check.ALLOWED].arguments == {"values": ["fraud", "ok"]}
    assert by_column["rows", Check.CONDITION].arguments == {"expression": "features.start <= features.end"}
    assert not [one for one in check(read, [rows()]) if one.failed]


def test_rows_that_changed_are_found() -> None:
    learned = suggest(rows())
    changed = rows()
    names = changed.schema.names

    def put(name: str, values: list[object]) -> None:
        nonlocal changed
        changed = changed.set_column(names.index(name), name, pa.array(values))

    put("features.end", [-5.0] * 50 + changed.column(names.index("features.end")).to_pylist()[50:])
    put("features.age", [None] * 300 + changed.column(names.index("features.age")).to_pylist()[300:])
    put("prediction", ["maybe"] * 40 + changed.column(names.index("prediction")).to_pylist()[40:])
    put("id", ["r1"] * 2 + changed.column(names.index("id")).to_pylist()[2:])
    failed = {
        (one.expectation.about, one.expectation.check): one for one in check(learned, [changed]) if one.failed
    }
    assert set(failed) == {
        ("end", Check.RANGE), ("rows", Check.CONDITION), ("age", Check.PRESENT), ("prediction", Check.ALLOWED),
        ("id", Check.UNIQUE),
    }  # fmt: skip
    assert failed["id", Check.UNIQUE].violations == 2
    assert failed["prediction", Check.ALLOWED].places == (0, 1, 2)


@pytest.mark.parametrize(
    ("one", "values", "checked", "violating"),
    [
        (Expectation(Check.TYPE, "c", {"type": "integer"}), [1.0, 2.5, None, float("inf")], 3, 2),
        (Expectation(Check.TYPE, "c", {"type": "number"}), ["1", "x", None, "2.5"], 3, 1),
        (Expectation(Check.TYPE, "c", {"type": "text"}), [1.0, 2.0], 2, 2),
        (Expectation(Check.TYPE, "c", {"type": "boolean"}), [True, None], 1, 0),
        (
            Expectation(Check.RANGE, "c", {"least": 0, "most": 1}),
            [0.0, 1.0, 1.1, -1.0, None, float("nan")],
            4,
            2,
        ),
        (Expectation(Check.RANGE, "c", {"least": 0}), ["5", "-5", "x"], 2, 1),
        (Expectation(Check.ALLOWED, "c", {"values": [1, "a"]}), ["1", "1.0", "a", "b", None], 4, 1),
        (Expectation(Check.PATTERN, "c", {"regex": "a|bc"}), ["a", "bc", "abc", "bcd", None], 4, 2),
        (Expectation(Check.LENGTH, "c", {"most": 2}), ["", "ab", "abc"], 3, 1),
        (Expectation(Check.INCREASING, "c"), [1.0, 2.0, None, 2.0, 1.0], 3, 1),
        (Expectation(Check.PRESENT, "c"), [1.0, None, float("nan")], 3, 2),
        (Expectation(Check.PRESENT, "other"), [1.0, None], 2, 2),
        (Expectation(Check.RANGE, "other", {"least": 0}), [1.0, None], 0, 0),
        (Expectation(Check.UNIQUE, "c"), [float("nan"), float("nan"), 1.0], 1, 0),
        (Expectation(Check.ALLOWED, "c", {"values": [1]}), [True, False, None], 2, 1),
        (Expectation(Check.ALLOWED, "c", {"values": [True]}), ["1", "true", "0", "yes"], 4, 2),
        (Expectation(Check.FRESH, "c", {"within": 60}), [None], 0, 0),
        (Expectation(Check.UNIQUE, "c"), ["a", "a", "b", None], 3, 2),
    ],
)
def test_dirty_values(one: Expectation, values: list[object], checked: int, violating: int) -> None:
    [result] = check([one], [pa.RecordBatch.from_arrays([pa.array(values)], names=["c"])])
    assert (result.rows, result.violations) == (checked, violating)


@pytest.mark.parametrize(
    "told",
    [
        ["2026-11-23T07:00:00Z", "2026-11-23T07:59:30+00:00", "soon", None],
        [1795417200.0, 1795420770.0, 5.0, float("nan")],
        [1795417200_000, 1795420770_000, 5, None],
        ["1795417200", "1795420770", "soon", ""],
    ],
)
def test_times_are_fresh_in_every_notation(tmp_path: Path, told: list[object]) -> None:
    at = pa.array([1_795_420_800_000_000] * 4, pa.timestamp("us"))
    rows = pa.RecordBatch.from_arrays([at, pa.array(told)], names=["timestamp", "c"])
    file = tmp_path / "suite.yaml"
    file.write_text("columns: {c: [{check: fresh, within: 1m}]}")
    [one] = suite.load(file)
    assert 'within: "1m"' in suite.dump([one])
    assert one.words == "fresh within 1m"
    [result] = check([replace(one, column="c")], [rows])
    assert (result.rows, result.violations, result.places) == (2, 1, (0,))
