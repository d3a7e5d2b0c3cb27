"""What is counted of a forecaster: errors relative to the actual values, to a naive forecast, and to its own bounds.

Each figure is a ratio of sums over rows, counted as own metrics are. Its name begins with a prefix that no own metric
can have.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from monitor.expressions.expression import compile_expression
from monitor.records import Better
from monitor.windows.declared.custom_metric import CustomMetric
from monitor.windows.declared.seasonal_naive import SeasonLength

PREFIX = "forecast."
QUANTILE = "pinball_loss:"
"""Behind the prefix: the pinball loss of the quantile that follows."""
_ERROR, _TRUTH = "abs(prediction - truth)", "abs(truth)"


@dataclass(frozen=True, slots=True)
class Forecast:
    """See `monitor.health.declared.forecast_settings`, which describes each setting. All names are of features, except
    `horizon` and `series`, which are segments. `season` is in seconds. `quantiles` are levels by feature.
    """

    horizon: str = ""
    lower: str = ""
    upper: str = ""
    level: float | None = None
    quantiles: Mapping[str, float] = field(default_factory=dict)
    scale: float | str | None = None
    naive: str = ""
    season: float | None = None
    series: str = ""

    @property
    def learned(self) -> SeasonLength | None:
        """By which season the scale of MASE is learned from the baseline; None if it is not."""
        if self.season is None or self.scale is not None:
            return None
        return SeasonLength(self.season, self.series, self.horizon)


def is_forecast(metric: CustomMetric) -> bool:
    """Whether a definition belongs to a forecaster and is no metric of one's own."""
    return metric.name.startswith(PREFIX)


def definitions(forecast: Forecast) -> list[CustomMetric]:
    """The figures to count."""
    return [
        CustomMetric(f"{PREFIX}{name}", compile_expression(text), "", Better.NONE)
        for name, text in _expressions(forecast)
    ]


def _expressions(forecast: Forecast) -> Iterator[tuple[str, str]]:
    yield "wape", f"sum({_ERROR}) / sum({_TRUTH})"
    yield "bias_share", f"sum(prediction - truth) / sum({_TRUTH})"
    if forecast.scale is not None:
        scale = forecast.scale
        # A scale that is not positive divides by zero, which sets the row aside.
        by = f"({_of(scale)} if {_of(scale)} > 0 else 0)" if isinstance(scale, str) else repr(float(scale))
        yield "mase", f"mean({_ERROR} / {by})"
    elif forecast.season is not None:
        yield "mase", f"mean({_ERROR})"  # which is divided by the baseline's scale when it is measured
    if forecast.naive:
        yield "relative_mae", f"sum({_ERROR}) / sum(abs(truth - {_of(forecast.naive)}))"
    if forecast.level is not None:
        lower, upper = _of(forecast.lower), _of(forecast.upper)
        # Rows whose lower bound is above the upper one are in neither sum.
        yield "interval_coverage", f"count({lower} <= truth and truth <= {upper}) / count({lower} <= {upper})"
        yield (
            "interval_width",
            f"sum({upper} - {lower}, where={lower} <= {upper}) / count({lower} <= {upper})",
        )
    for name, level in forecast.quantiles.items():
        q, above, below = _of(name), repr(float(level)), repr(1 - float(level))
        loss = f"(truth - {q}) * {above} if truth >= {q} else ({q} - truth) * {below}"
        yield f"{QUANTILE}{level:g}", f"mean({loss})"


def _of(feature: str) -> str:
    return f"features[{feature!r}]"
