"""Own metrics of dirty rows, beside plain Python over the same rows; and windows that add up to the whole."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.expressions.expression import UndefinedError, compile_expression
from monitor.metrics.declared.custom_metrics import figure
from monitor.predictions.log.columns import column
from monitor.text_limits import number_in
from monitor.windows.declared import custom_counts
from monitor.windows.declared.custom_counts import count
from monitor.windows.declared.custom_metric import CustomMetric
from monitor.windows.declared.tally_labels import ASIDE, ROWS
from monitor.windows.layout import from_table
from monitor.windows.profile import Profile, merge
from tests.support.thorough import examples

Row = dict[str, Any]
_numbers = st.sampled_from([None, 0, 1, 2.5, -3, True, "4", "n/a", "", math.nan, math.inf, 1e200])
_labels = st.sampled_from(
    [None, "ok", "fraud", "1", "1.0", 1, True, "true", "TRUE ", False, "False", 0, "a'b\u2028"]
)
ROWS_OF = st.lists(
    st.fixed_dictionaries(
        {
            "features.amount": _numbers,
            "features.part": _numbers,
            "prediction": _labels,
            "outcome.truth": _labels,
        }
    ),
    min_size=1,
    max_size=30,
)


class AsideError(Exception):
    pass


def batch(rows: Sequence[Row]) -> pa.RecordBatch:
    names = list(rows[0])
    return pa.RecordBatch.from_arrays([column([row[name] for row in rows]) for name in names], names=names)


def as_column(rows: Sequence[Row], name: str) -> list[Any]:
    """What a column of mixed values holds: texts if any value is one, else numbers if any is one."""
    return batch(rows).column(batch(rows).schema.names.index(name)).to_pylist()


def number(value: Any) -> float:
    found = number_in(value) if isinstance(value, str) else None if value is None else float(value)
    if found is None or math.isnan(found):
        raise AsideError
    return found


def usable(value: float) -> float:
    if not abs(value) < 1e140:
        raise AsideError
    return value


def same(value: Any, wanted: Any) -> bool:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        raise AsideError
    return meaning(value) == meaning(wanted)


def meaning(label: Any) -> Any:
    """True and false are 1 and 0, in whatever case; what is no number is equal as it is written."""
    if not isinstance(label, str):
        return float(label)
    word = label.strip().lower()
    return (
        float(word == "true")
        if word in ("true", "false")
        else label
        if (found := number_in(label)) is None
        else found
    )


def total(rows: Sequence[Row], of: Callable[[Row], float]) -> tuple[float, int, int]:
    """The exact sum over the rows that have a value, their number, and that of the others."""
    known = []
    for row in rows:
        try:
            known.append(usable(of(row)))
        except AsideError:
            continue
    return math.fsum(known), len(known), len(rows) - len(known)


def own(text: str) -> CustomMetric:
    return CustomMetric("own", compile_expression(text))


def counted(rows: Sequence[Row], metric: CustomMetric) -> Profile:
    some = batch(rows)
    found = count(some, LAYOUT, 5, [metric], are_joined=bool(metric.expression.outcome))
    assert found is not None
    return found


LAYOUT = from_table.of(pa.table({"features.amount": [1.0, 2.0], "prediction": ["ok", "fraud"]}))
SUMS: dict[str, Callable[[Row], float]] = {
    "sum(amount)": lambda row: number(row["features.amount"]),
    "sum(amount * (prediction == 'ok'))": lambda row: (
        number(row["features.amount"]) * same(row["prediction"], "ok")
    ),
    "sum(coalesce(part, 0) - features.amount)": lambda row: (
        or_zero(row["features.part"]) - number(row["features.amount"])
    ),
    "count(prediction in ('ok', 1))": lambda row: same(row["prediction"], "ok") or same(row["prediction"], 1),
    "count(prediction == True)": lambda row: same(row["prediction"], True),
    "count(prediction != 0)": lambda row: not same(row["prediction"], 0),
    "count(prediction == 'False')": lambda row: same(row["prediction"], "False"),
    "sum(1 if prediction is None else 0)": lambda row: row["prediction"] is None,
    "count(not part >= 1)": lambda row: not number(row["features.part"]) >= 1,
}


def or_zero(value: Any) -> float:
    try:
        return number(value)
    except AsideError:
        return 0.0


@pytest.mark.parametrize("text", SUMS)
@given(ROWS_OF)
@settings(max_examples=examples(25), deadline=None)
def test_sums_are_those_of_plain_python_over_the_same_rows(text: str, rows: list[Row]) -> None:
    rows = [
        dict(zip(rows[0], values, strict=True))
        for values in zip(*(as_column(rows, n) for n in rows[0]), strict=True)
    ]
    metric = own(text)
    wanted, n, others = total(rows, SUMS[text])
    tally = counted(rows, metric).overall.tally(metric.tally)
    assert tally[ROWS] == n
    assert sum(amount for label, amount in tally.items() if label.startswith(ASIDE)) == others
    if n:
        assert figure(metric, counted(rows, metric).overall)[0] == pytest.approx(wanted, rel=1e-12, abs=1e-12)


@given(ROWS_OF, st.integers(0, 30))
@settings(max_examples=examples(25), deadline=None)
def test_windows_add_up_to_the_whole(rows: list[Row], cut: int) -> None:
    """Also where a column is a text in one window and a number in the other: only equal columns are compared."""
    whole = batch(rows)
    for text in ("sum(amount) / count()", "mean(part, where=truth == 'fraud')", "quantile(amount, 0.9)"):
        metric = own(text)
        parts = [
            found
            for part in (whole.slice(0, cut), whole.slice(cut))
            if (found := count(part, LAYOUT, 5, [metric], are_joined=bool(metric.expression.outcome)))
            is not None
        ]
        of_whole = count(whole, LAYOUT, 5, [metric], are_joined=bool(metric.expression.outcome))
        assert merge(parts) == of_whole


def test_ratios_means_and_their_intervals_are_those_of_a_simulation() -> None:
    chance = np.random.default_rng(3)
    inside = {"sum(a) / sum(b)": 0, "mean(a)": 0, "mean(a, where=b > 1)": 0, "sum(a) / 400": 0}
    truths = {"sum(a) / sum(b)": 2.0, "mean(a)": 2.0, "mean(a, where=b > 1)": 2.0, "sum(a) / 400": 2.0}
    for _ in range(examples(120)):
        n = chance.poisson(400)
        rows = pa.RecordBatch.from_arrays(
            [pa.array(chance.exponential(2.0, n)), pa.array(chance.exponential(1.0, n))],
            names=["features.a", "features.b"],
        )
        for text, truth in truths.items():
            metric = own(text)
            found = count(rows, LAYOUT, 5, [metric], are_joined=False)
            assert found is not None
            _, interval = figure(metric, found.overall)
            assert interval is not None
            inside[text] += interval[0] <= truth <= interval[1]
    assert all(examples(120) * 0.9 <= hits for hits in inside.values()), inside


def test_quantiles_are_those_of_numpy_within_one_percent() -> None:
    values = np.random.default_rng(5).lognormal(3, 2, 5000) * np.where(np.arange(5000) % 7, 1, -1)
    rows = pa.RecordBatch.from_arrays([pa.array(values)], names=["features.a"])
    for share in (0.05, 0.5, 0.95):
        metric = own(f"quantile(a, {share})")
        found = count(rows, LAYOUT, 5, [metric], are_joined=False)
        assert found is not None
        value, interval = figure(metric, found.overall)
        assert value == pytest.approx(np.quantile(values, share, method="inverted_cdf"), rel=0.0101)
        assert interval is not None
        assert interval[0] <= value <= interval[1]


def test_rows_that_cannot_be_used_say_why_and_stop_no_other_metric() -> None:
    rows = [
        {"features.a": "x", "features.b": 0}, {"features.a": None, "features.b": 1},
        {"features.a": "8", "features.b": 2},
        {"features.a": "1", "features.b": 0},
    ]  # fmt: skip
    metrics = [own("sum(a / b)"), CustomMetric("other", compile_expression("count()"))]
    found = count(batch(rows), LAYOUT, 5, metrics, are_joined=False)
    assert found is not None
    assert found.overall.tally(metrics[0].tally) == {
        ROWS: 1.0,
        f"{ASIDE}features.a is a text, not a number": 1.0,
        f"{ASIDE}features.a is missing": 1.0,
        f"{ASIDE}division by zero": 1.0,
    }
    assert figure(metrics[0], found.overall)[0] == 4.0
    assert figure(metrics[1], found.overall)[0] == 4.0


def test_a_metric_that_fails_sets_its_rows_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    broken, sound = own("sum(a)"), CustomMetric("other", compile_expression("count()"))
    as_usual = custom_counts._count

    def failing(metric: CustomMetric, rows: pa.RecordBatch) -> Any:
        if metric is broken:
            raise TypeError
        return as_usual(metric, rows)

    monkeypatch.setattr(custom_counts, "_count", failing)
    found = count(batch([{"features.a": 1.0}]), LAYOUT, 5, [broken, sound], are_joined=False)
    assert found is not None
    assert found.overall.tally(broken.tally) == {f"{ASIDE}cannot be computed (TypeError)": 1.0}
    assert figure(sound, found.overall)[0] == 1.0


def test_a_figure_that_is_not_defined_is_told() -> None:
    metric = own("sum(a) / sum(b)")
    found = count(batch([{"features.a": 1.0, "features.b": 0.0}]), LAYOUT, 5, [metric], are_joined=False)
    assert found is not None
    with pytest.raises(UndefinedError, match="division by zero"):
        figure(metric, found.overall)


def test_the_expected_cost_of_the_docs_is_the_cost_that_outcomes_show_later() -> None:
    expected, later = (
        own(text)
        for text in (
            "mean(probabilities.fraud * amount if prediction == 'ok' else (1 - probabilities.fraud) * 12)",
            "mean((amount if prediction == 'ok' else 0) if truth == 'fraud' else (12 if prediction == 'fraud' else 0))",
        )
    )
    docs = (Path(__file__).parents[2] / "docs/custom-metrics.md").read_text(encoding="utf-8")
    assert all(one.expression.text in docs for one in (expected, later))
    rng = np.random.default_rng(0)
    chances = rng.beta(1, 4, 4_000)
    rows = [
        {
            "features.amount": float(amount),
            "prediction": "fraud" if chance > 0.3 else "ok",
            "probabilities.fraud": float(chance),
            "outcome.truth": "fraud" if drawn < chance else "ok",
        }
        for chance, amount, drawn in zip(
            chances, rng.lognormal(3, 1, chances.size), rng.random(chances.size), strict=True
        )
    ]
    before = [{name: value for name, value in row.items() if name != "outcome.truth"} for row in rows]
    (estimate, _), (measured, interval) = (
        figure(one, counted(some, one).overall) for one, some in ((expected, before), (later, rows))
    )
    assert estimate == pytest.approx(measured, rel=0.1)
    assert interval is not None
    assert interval[0] <= estimate <= interval[1]
