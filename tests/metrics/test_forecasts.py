"""Forecasts, against scikit-learn and formulae on the raw rows."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, mean_pinball_loss

from monitor.metrics import MetricSettings, Subject
from monitor.metrics.declared import custom_metrics, forecasts
from monitor.records import Measurement, Stream, Window
from monitor.windows.baseline_from_table import conform
from monitor.windows.declared import custom_counts
from monitor.windows.declared.declared import Declared
from monitor.windows.declared.forecast import Forecast, definitions
from monitor.windows.kernel.count_rows import count
from monitor.windows.layout.from_table import BARE
from monitor.windows.outcome_counts import count_outcomes
from monitor.windows.profile import Profile, merge
from tests.support.thorough import examples

STREAM, DAY = Stream("acme", "demand"), Window(0, 86400)
FORECAST = Forecast("horizon", "lower", "upper", 0.8, {"q10": 0.1, "q90": 0.9}, "scale", "last week")
DECLARED = Declared({one.name: [(0, one)] for one in definitions(FORECAST)})


def demand(rows: int = 600, seed: int = 0, horizons: tuple[str, ...] = ("1h", "24h")) -> pa.Table:
    """Forecasts of demand; errors grow with the horizon, and intervals do not."""
    rng = np.random.default_rng(seed)
    of = rng.integers(0, len(horizons), rows)
    truth = (rng.gamma(3, 20, rows) - 25) * (rng.random(rows) > 0.1)  # some are negative, such as returns
    answer = truth + rng.normal(2, 5 + 5 * of, rows)
    return pa.table(
        {
            "prediction": answer,
            "outcome.truth": truth,
            "segments.horizon": np.array(horizons)[of],
            "features.lower": answer - 8.0,
            "features.upper": answer + 8.0,
            "features.q10": answer - 7.0,
            "features.q90": answer + 7.0,
            "features.scale": rng.choice([4.0, 9.0], rows),
            "features.last week": truth + rng.normal(0, 12, rows),
        }
    )


def profile(table: pa.Table) -> Profile:
    (rows,) = conform(table).combine_chunks().to_batches()
    own = [custom_counts.count(rows, BARE, 50, DECLARED.at(0), are_joined=joined) for joined in (False, True)]
    return merge([count(rows, BARE), count_outcomes(rows, BARE), *(one for one in own if one is not None)])


def measured(counted: Profile, least: int = 30) -> dict[tuple[str, ...], Measurement]:
    options = MetricSettings(min_outcomes=least, forecasts={(STREAM.client, STREAM.model): FORECAST})
    subject = Subject(STREAM, DAY, counted, None, options, declared=DECLARED)
    assert not list(custom_metrics.measure(subject))
    return {
        (one.metric, *(value for _, value in sorted(one.labels))): one for one in forecasts.measure(subject)
    }


def column(table: pa.Table, name: str) -> np.ndarray:
    return np.asarray(table.column(name).to_numpy(), float)


def expected(table: pa.Table) -> dict[str, float]:
    """The same figures from raw rows."""
    truth, answer, naive = (
        column(table, name) for name in ("outcome.truth", "prediction", "features.last week")
    )
    lower, upper, scale = (column(table, f"features.{name}") for name in ("lower", "upper", "scale"))
    absolute = np.abs(truth).sum()
    covered = ((lower <= truth) & (truth <= upper)).mean()
    return {
        "wape": np.abs(answer - truth).sum() / absolute,
        "bias_share": (answer - truth).sum() / absolute,
        "mase": float(np.mean(np.abs(answer - truth) / scale)),
        "relative_mae": mean_absolute_error(truth, answer) / mean_absolute_error(truth, naive),
        "interval_coverage": covered,
        "coverage_shortfall": 0.8 - covered,
        "interval_width": (upper - lower).mean(),
        "pinball_loss 0.1": mean_pinball_loss(truth, column(table, "features.q10"), alpha=0.1),
        "pinball_loss 0.9": mean_pinball_loss(truth, column(table, "features.q90"), alpha=0.9),
    }


def test_figures_are_those_of_the_raw_rows_for_all_and_for_each_horizon() -> None:
    table = demand()
    found = measured(profile(table))
    horizon = np.array(table.column("segments.horizon").to_pylist())
    for name, part in (
        ("", table),
        *((one, table.filter(pa.array(horizon == one))) for one in ("1h", "24h")),
    ):
        for metric, value in expected(part).items():
            key = (*metric.split(), *([f"horizon={name}"] if name else []))
            one = found[key]
            assert one.value == pytest.approx(value, rel=1e-9, abs=1e-9), key
            assert one.n == part.num_rows
            assert one.low is not None
            assert one.high is not None
            assert one.low <= one.value <= one.high
    assert found["coverage_shortfall", "horizon=24h"].low > 0.1
    assert not [key for key in found if key[0] == "forecast_set_aside"]


def test_rows_that_cannot_be_used_are_set_aside_with_the_reason_and_change_nothing() -> None:
    table = demand()
    dirty: dict[str, Any] = {
        name: column.to_pylist() for name, column in zip(table.column_names, table, strict=True)
    }
    for place, (name, value) in enumerate(
        [
            ("features.lower", math.nan), ("features.lower", 1e9), ("features.upper", None), ("features.scale", 0.0),
            ("features.scale", -3.0), ("features.q10", math.nan), ("prediction", math.inf), ("features.upper", -1e9),
        ]
    ):  # fmt: skip
        dirty[name][place] = value
    found, rest = measured(profile(pa.table(dirty))), table.slice(8)
    clean = measured(profile(rest))
    reasons = {key[1:]: one.value * one.n for key, one in found.items() if key[0] == "forecast_set_aside"}
    crossed = "the lower bound is above the upper one"
    assert reasons["interval_coverage", crossed] == pytest.approx(2)
    assert reasons["interval_width", crossed] == pytest.approx(2)
    assert reasons["interval_coverage", "features.lower is missing"] == pytest.approx(1)
    assert reasons["interval_coverage", "features.upper is missing"] == pytest.approx(1)
    assert reasons["mase", "the scale is not above 0"] == pytest.approx(2)
    assert found["interval_coverage",].n == 596
    assert found["interval_width",].value == pytest.approx(16.0)
    usable = {"wape": 599, "mase": 597, "pinball_loss": 599}
    for metric, n in usable.items():
        (one,) = [one for key, one in found.items() if key in ((metric,), (metric, "0.1"))]
        assert one.n == n
        assert one.value == pytest.approx(next(v.value for k, v in clean.items() if k[0] == metric), rel=0.05)


def test_a_horizon_with_few_outcomes_or_none_is_not_measured() -> None:
    table = demand(60, horizons=("1h",))
    late = demand(40, seed=1, horizons=("48h",))
    waiting = late.set_column(1, "outcome.truth", pa.array([1.0] * 12 + [None] * 28, pa.float64()))
    found = measured(profile(pa.concat_tables([table, waiting])))
    assert found["wape", "horizon=48h"].value is None
    assert found["wape", "horizon=48h"].reason == "12 outcomes of 30 needed"
    assert found["coverage_shortfall", "horizon=48h"].reason == "12 outcomes of 30 needed"
    assert found["interval_width", "horizon=48h"].value == pytest.approx(16)  # which needs no outcome
    nothing = measured(profile(late.set_column(1, "outcome.truth", pa.array([None] * 40, pa.float64()))))
    assert nothing["mase",].reason == "0 outcomes of 30 needed"


def test_what_cannot_be_divided_by_is_said() -> None:
    table = demand(50)
    zero = table.set_column(1, "outcome.truth", pa.array(np.zeros(50)))
    zero = zero.set_column(8, "features.last week", pa.array(np.zeros(50)))
    found = measured(profile(zero))
    assert found["wape",].reason == "all actual values are 0"
    assert found["relative_mae",].reason == "the naive forecast is always right"


@settings(max_examples=examples(6), deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 80))
def test_parts_add_up_and_names_of_horizons_change_nothing(seed: int, cut: int) -> None:
    table = demand(80, seed)
    whole = profile(table)
    assert (
        merge([profile(table.slice(cut)), profile(table.slice(0, cut))] if 0 < cut < 80 else [whole]) == whole
    )
    renamed = measured(profile(demand(80, seed, horizons=("a \u202e'", "b"))), 1)
    names = {"horizon=1h": "horizon=a \u202e'", "horizon=24h": "horizon=b"}
    for key, one in measured(whole, 1).items():
        other = renamed[tuple(names.get(part, part) for part in key)]
        assert replace(other, labels=()) == replace(one, labels=())


def test_intervals_of_wape_hold_the_true_one_in_most_windows() -> None:
    """The true value is that of many rows."""
    true = expected(demand(200_000, seed=99))["wape"]
    held = 0
    for seed in range(40):
        one = measured(profile(demand(300, seed)))["wape",]
        assert one.low is not None
        assert one.high is not None
        held += one.low <= true <= one.high
    assert held >= 35
