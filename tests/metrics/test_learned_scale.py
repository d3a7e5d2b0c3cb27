"""MASE with a scale that is learned from the baseline, beside plain pandas; own metrics of baselines from files."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from monitor.config.root import Config
from monitor.metrics import MetricSettings, Subject
from monitor.metrics.declared import custom_metrics, forecasts
from monitor.records import Measurement, Stream, Window
from monitor.windows.baseline import Baseline
from monitor.windows.baseline_from_table import conform, from_table
from monitor.windows.declared import custom_counts
from monitor.windows.declared.baseline_definitions import DeclaredBaseline
from monitor.windows.declared.custom_metric import CustomMetric
from monitor.windows.declared.declared import Declared
from monitor.windows.declared.forecast import Forecast, definitions
from monitor.windows.kernel.count_rows import count
from monitor.windows.layout.layout import Layout
from monitor.windows.outcome_counts import count_outcomes
from monitor.windows.profile import Profile, merge

STREAM, DAY, SECONDS = Stream("acme", "demand"), Window(0, 86400), 86400
ONE = Forecast(season=7.0 * SECONDS)
SHOPS = Forecast("horizon", season=7.0 * SECONDS, series="shop")


def history(
    seed: int = 0, days: int = 120, shops: tuple[float, ...] = (1.0,), horizons: int = 1
) -> pd.DataFrame:
    """Daily demand with a weekly season, forecast once or several times; some days are missing, all are late."""
    chance = np.random.default_rng(seed)
    made = []
    for shop, size in enumerate(shops):
        day = np.arange(days)
        truth = size * (50 + 10 * np.sin(day * 2 * np.pi / 7) + chance.normal(0, 4, days))
        for horizon in range(horizons):
            at = 1_790_000_000 + day * SECONDS + chance.uniform(0, 900, days)
            answer = truth + size * chance.normal(0, 3 + horizon, days)
            made.append(
                pd.DataFrame(
                    {
                        "timestamp": pd.to_datetime((at * 1e6).astype("int64"), unit="us", utc=True),
                        "day": day,
                        "shop": f"s{shop}",
                        "horizon": f"{horizon}d",
                        "truth": truth,
                        "prediction": answer,
                    }
                )
            )
    return pd.concat(made).sample(frac=0.9, random_state=seed)


def table(frame: pd.DataFrame) -> pa.Table:
    named = {"truth": "outcome.truth", "shop": "segments.shop", "horizon": "segments.horizon"}
    return pa.Table.from_pandas(frame.drop(columns="day").rename(columns=named), preserve_index=False)


def on_the_day(frame: pd.DataFrame) -> pd.DataFrame:
    """The same at the begin of each day."""
    return frame.assign(timestamp=frame["timestamp"].dt.floor("D"))


def naive_error(frame: pd.DataFrame) -> float:
    """The mean of |y(t) - y(t - 7 days)| by pandas."""
    errors = []
    for _, one in frame.groupby(["shop", "horizon"]):
        by_day = one.set_index("day")["truth"].reindex(range(200))
        errors.append((by_day - by_day.shift(7)).abs().dropna())
    return float(pd.concat(errors).mean())


def counted(rows: pa.Table, layout: Layout, defined: list[CustomMetric]) -> Profile:
    (batch,) = conform(rows).combine_chunks().to_batches()
    own = [custom_counts.count(batch, layout, 50, defined, are_joined=joined) for joined in (False, True)]
    parts = [count(batch, layout), count_outcomes(batch, layout), *(one for one in own if one is not None)]
    return merge(parts)


def mase(
    now: pd.DataFrame, before: pd.DataFrame | None, forecast: Forecast
) -> dict[tuple[str, ...], Measurement]:
    defined = definitions(forecast)
    base: Baseline | None = None
    if before is not None:
        base = from_table(STREAM, table(before), 0.0, declared=DeclaredBaseline.of(defined, forecast.learned))
    layout = from_table(STREAM, table(now), 0.0).layout if base is None else base.layout
    options = MetricSettings(forecasts={(STREAM.client, STREAM.model): forecast})
    declared = Declared({one.name: [(0, one)] for one in defined})
    subject = Subject(STREAM, DAY, counted(table(now), layout, defined), base, options, declared=declared)
    assert not list(custom_metrics.measure(subject))
    found = [one for one in forecasts.measure(subject) if one.metric == "mase"]
    return {tuple(value for _, value in one.labels): one for one in found}


def test_the_scale_of_one_series_is_that_of_pandas() -> None:
    before, now = history(1), history(2)
    one = mase(now, before, ONE)[()]
    error = (now["prediction"] - now["truth"]).abs().mean()
    assert one.value == pytest.approx(error / naive_error(before))
    usual = (before["prediction"] - before["truth"]).abs().mean() / naive_error(before)
    assert one.baseline == pytest.approx(usual)
    assert one.low is not None
    assert one.high is not None
    assert one.low < one.value < one.high


def test_each_series_has_its_scale_and_all_rows_the_mean_of_theirs() -> None:
    sizes = (1.0, 30.0, 0.01)
    before, now = history(1, shops=sizes, horizons=2), history(2, shops=sizes, horizons=2)
    found = mase(now, before, SHOPS)
    scaled = pd.Series(0.0, index=range(len(now)))
    place = 0
    for shop, rows in now.groupby("shop"):
        errors = (rows["prediction"] - rows["truth"]).abs() / naive_error(before[before["shop"] == shop])
        assert found[f"shop={shop}",].value == pytest.approx(errors.mean())
        assert found[f"shop={shop}",].baseline is not None
        scaled.iloc[place : place + len(errors)] = errors.to_numpy()
        place += len(errors)
    whole = found[()]
    assert whole.value == pytest.approx(scaled.mean())
    assert whole.high is not None
    half = 1.959964 * scaled.std() / len(scaled) ** 0.5
    assert whole.high - whole.value == pytest.approx(half, rel=0.05)
    assert "each shop has its own scale" in found["horizon=1d",].reason


@pytest.mark.parametrize(
    ("now", "before", "forecast", "reason"),
    [
        (history(1), None, ONE, "no baseline to learn the scale from"),
        (history(1), history(2, days=20), ONE, "of 30 needed"),
        (history(1), on_the_day(history(2, shops=(1.0, 2.0))), ONE, "several truths at one time"),
        (history(1), history(2).assign(truth=5.0), ONE, "always right in the baseline"),
        (history(1, shops=(1.0, 1.0)), history(2), SHOPS, "of the rows belong to a shop with a scale"),
        (history(1, days=20), history(2), ONE, "outcomes of 30 needed"),
    ],
)  # fmt: skip
def test_without_a_scale_the_reason_is_told(
    now: pd.DataFrame, before: pd.DataFrame | None, forecast: Forecast, reason: str
) -> None:
    one = mase(now, before, forecast)[()]
    assert one.value is None
    assert reason in one.reason


@pytest.mark.parametrize(
    ("forecast", "says"),
    [
        ({"season": "7d", "scale": 2}, "cannot be combined"),
        ({"series": "shop", "level": None}, "series need a season"),
        ({"season": "7d", "series": "segments.shop"}, "write shop instead of segments.shop"),
    ],
)
def test_a_section_that_cannot_be_meant_is_refused(forecast: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Config.model_validate({"clients": {"acme": {"models": {"demand": {"forecast": forecast}}}}})


def test_a_baseline_from_a_table_has_the_usual_values_of_own_metrics() -> None:
    config = Config.model_validate(
        {
            "clients": {
                "acme": {
                    "models": {
                        "demand": {
                            "metrics": {"dear": "share(features.price > 3)", "off": "mean(abs(prediction - truth))"}
                        }
                    }
                }
            }
        }
    )  # fmt: skip
    rows = table(history(1)).append_column("features.price", pa.array(np.arange(108) % 5, pa.float64()))
    declared = config.declared_of(STREAM)
    base = from_table(STREAM, rows, 0.0, declared=declared)
    defined = config.custom_metrics([])["acme", "demand"]
    subject = Subject(
        STREAM, DAY, counted(rows.slice(0, 60), base.layout, defined), base, MetricSettings(),
        declared=Declared({one.name: [(0, one)] for one in defined}),
    )  # fmt: skip
    usual = {
        dict(one.labels)["name"]: one.baseline
        for one in custom_metrics.measure(subject)
        if len(one.labels) == 1 and one.metric == "own_metric"
    }
    off = np.abs(rows["prediction"].to_numpy() - rows["outcome.truth"].to_numpy()).mean()
    assert usual == {"dear": pytest.approx(21 / 108), "off": pytest.approx(off)}
    assert declared.digest
    assert config.declared_of(Stream("acme", "other")).digest == ""
