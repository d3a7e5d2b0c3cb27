"""Forecasts: errors relative to the actual values and to naive forecasts, prediction intervals, quantiles.

Measured of all rows, by version and by segment; the horizon is a segment.
"""

from collections.abc import Iterator

from monitor.expressions.expression import UndefinedError
from monitor.metrics import intervals
from monitor.metrics.declared import learned_scale, unusable_rows
from monitor.metrics.declared.custom_metrics import figure
from monitor.metrics.intervals import Interval
from monitor.metrics.metric import MetricInfo, Subject, too_few
from monitor.records import Better, Labels, Measurement, labels
from monitor.windows.declared.custom_metric import CustomMetric
from monitor.windows.declared.forecast import PREFIX, QUANTILE, is_forecast
from monitor.windows.declared.seasonal_naive import SeasonLength
from monitor.windows.declared.tally_labels import ROWS
from monitor.windows.profile import Slice

_WHERE = ("version", "segment")
_NEEDS = "`forecast` of the model, outcomes with `truth`; numbers"
_BOUNDS = "`forecast` of the model with `lower`, `upper` and `level`, "
WAPE = MetricInfo(
    "wape", "share", Better.LOWER, "Weighted absolute percentage error: all errors, relative to all actual values.",
    _WHERE, "sum |answer - truth| / sum |truth|; interval by the delta method", _NEEDS, "Kolassa and Schütz 2007",
)  # fmt: skip
BIAS_SHARE = MetricInfo(
    "bias_share", "share", Better.NONE, "Sum of the errors, relative to all actual values; above 0 is too high.",
    _WHERE, "sum (answer - truth) / sum |truth|; interval by the delta method", _NEEDS,
)  # fmt: skip
MASE = MetricInfo(
    "mase", "", Better.LOWER,
    "Mean absolute scaled error: below 1 is better than the seasonal naive forecast in the training data.",
    _WHERE, "mean (|answer - truth| / scale)", _NEEDS + ", `scale`, or `season` and a baseline with truths",
    "Hyndman and Koehler 2006",
)  # fmt: skip
RELATIVE_MAE = MetricInfo(
    "relative_mae", "", Better.LOWER,
    "Mean absolute error, relative to that of the naive forecast for the same rows; below 1 is better than it.",
    _WHERE, "sum |answer - truth| / sum |naive - truth|; interval by the delta method", _NEEDS + ", `naive`",
    "Hyndman and Koehler 2006",
)  # fmt: skip
COVERAGE = MetricInfo(
    "interval_coverage", "share", Better.NONE, "Share of the actual values that lie in their prediction interval.",
    _WHERE, "rows with lower <= truth <= upper / rows, Wilson interval", _BOUNDS + "outcomes with `truth`; numbers",
    "Wilson 1927",
)  # fmt: skip
SHORTFALL = MetricInfo(
    "coverage_shortfall", "share", Better.LOWER,
    "Nominal coverage of the prediction intervals minus the measured one: above 0 they are too narrow.",
    _WHERE, "level - interval_coverage, Wilson interval", _BOUNDS + "outcomes with `truth`; numbers", "Wilson 1927",
)  # fmt: skip
WIDTH = MetricInfo(
    "interval_width", "", Better.NONE, "Mean width of the prediction intervals, in the unit of the predictions.",
    _WHERE, "mean (upper - lower)", _BOUNDS + "numbers",
)  # fmt: skip
PINBALL = MetricInfo(
    "pinball_loss", "", Better.LOWER, "Mean pinball loss of a predicted quantile, in the unit of the predictions.",
    ("quantile", *_WHERE), "mean max(q (truth - value), (1 - q) (value - truth))",
    "`forecast` of the model with `quantiles`, outcomes with `truth`; numbers", "Koenker and Bassett 1978",
)  # fmt: skip
SET_ASIDE = MetricInfo(
    "forecast_set_aside", "share", Better.LOWER, "Share of the rows that a figure could not use, by reason.",
    ("name", "reason"), "rows without a usable value / rows, Wilson interval", "`forecast` of the model", "Wilson 1927",
)  # fmt: skip
INFO = (WAPE, BIAS_SHARE, MASE, RELATIVE_MAE, COVERAGE, SHORTFALL, WIDTH, PINBALL, SET_ASIDE)
_BY_NAME = {info.name: info for info in INFO}
_CROSSED = "the lower bound is above the upper one"
_ZERO = "division by zero"
_WITHIN, _USABLE = 1, 2
"""Places of the sums of intervals: what is summed, and the rows whose bounds are in order."""


def measure(subject: Subject) -> Iterator[Measurement]:
    """The figures of a forecaster. A model without the setting has none."""
    for metric in subject.declared.of(subject.window):
        if not is_forecast(metric):
            continue
        if (season := _learned(subject, metric)) is not None:
            yield from learned_scale.measure(subject, metric, MASE, season)
            continue
        for where, part, base in subject.scopes():
            yield from _measured(subject, metric, where, part, base)
        yield from _set_aside(subject, metric)


def _measured(
    subject: Subject, metric: CustomMetric, where: Labels, part: Slice, base: Slice | None
) -> Iterator[Measurement]:
    info, named = _info_of(metric)
    where = labels(**named, **dict(where))
    n, needed = _rows(metric, info, part), subject.settings.min_outcomes
    if n < needed:
        what = "outcomes" if metric.expression.outcome else "rows"
        yield from _not_measured(subject, info, too_few(n, needed, what), n, where)
        return
    try:
        value, interval = _figure(metric, info, part)
    except UndefinedError as error:
        yield from _not_measured(subject, info, _why(info, str(error)), n, where)
        return
    usual = _usual(metric, info, base, needed)
    yield subject.ok(info, value, n, where=where, interval=interval, baseline=usual)
    if info is COVERAGE:
        yield _shortfall(subject, value, interval, n, where)


def _learned(subject: Subject, metric: CustomMetric) -> SeasonLength | None:
    """The season by which the scale of a metric is learned; None if it is not."""
    forecast = subject.settings.forecasts.get((subject.stream.client, subject.stream.model))
    return forecast.learned if forecast is not None and metric.name == f"{PREFIX}{MASE.name}" else None


def _info_of(metric: CustomMetric) -> tuple[MetricInfo, dict[str, str]]:
    name = metric.name.removeprefix(PREFIX)
    if name.startswith(QUANTILE):
        return PINBALL, {"quantile": name.removeprefix(QUANTILE)}
    return _BY_NAME[name], {}


def _rows(metric: CustomMetric, info: MetricInfo, part: Slice) -> float:
    """The rows that count; of intervals, without those whose bounds are crossed."""
    n = part.tally(metric.tally).get(ROWS, 0.0)
    if info not in (COVERAGE, WIDTH):
        return n
    return n if _share_in_order(metric, part) >= 1 else n * _share_in_order(metric, part)


def _share_in_order(metric: CustomMetric, part: Slice) -> float:
    total = part.total(metric.total(0))
    return part.total(metric.total(_USABLE)) / total if total else 0.0


def _figure(metric: CustomMetric, info: MetricInfo, part: Slice) -> tuple[float, Interval | None]:
    value, interval = figure(metric, part)
    if info is COVERAGE:
        weight, squares = (
            part.total(metric.total(_USABLE)),
            part.total(metric.product(_USABLE, _USABLE)),
        )
        effective = weight * weight / squares
        return value, intervals.wilson(value * effective, effective)
    if interval is not None and info is not BIAS_SHARE:
        return value, (max(0.0, interval[0]), interval[1])
    return value, interval


def _shortfall(
    subject: Subject, coverage: float, interval: Interval | None, n: float, where: Labels
) -> Measurement:
    forecast = subject.settings.forecasts.get((subject.stream.client, subject.stream.model))
    if forecast is None or forecast.level is None or interval is None:
        return subject.not_measured(SHORTFALL, "no `level` is configured", n, where=where)
    low, high = forecast.level - interval[1], forecast.level - interval[0]
    return subject.ok(SHORTFALL, forecast.level - coverage, n, where=where, interval=(low, high))


def _not_measured(
    subject: Subject, info: MetricInfo, reason: str, n: float, where: Labels
) -> Iterator[Measurement]:
    for one in (info, SHORTFALL) if info is COVERAGE else (info,):
        yield subject.not_measured(one, reason, n, where=where)


def _why(info: MetricInfo, reason: str) -> str:
    if info in (WAPE, BIAS_SHARE):
        return "all actual values are 0"
    return "the naive forecast is always right" if info is RELATIVE_MAE else reason


def _usual(metric: CustomMetric, info: MetricInfo, base: Slice | None, needed: int) -> float | None:
    if base is None or _rows(metric, info, base) < needed:
        return None
    try:
        return figure(metric, base)[0]
    except UndefinedError:
        return None


def _set_aside(subject: Subject, metric: CustomMetric) -> Iterator[Measurement]:
    part = subject.profile.overall
    tally = part.tally(metric.tally)
    unusable = unusable_rows.by_reason(tally)
    info, _ = _info_of(metric)
    of = tally.get(ROWS, 0.0) + sum(unusable.values())
    if info in (COVERAGE, WIDTH) and tally.get(ROWS, 0.0):
        crossed = tally[ROWS] - _rows(metric, info, part)
        unusable |= {_CROSSED: crossed} if crossed > 0 else {}
    if info is MASE and _ZERO in unusable:  # nothing else is divided by
        unusable["the scale is not above 0"] = unusable.pop(_ZERO)
    name = metric.name.removeprefix(PREFIX)
    yield from unusable_rows.shares(subject, SET_ASIDE, name, unusable, of)
