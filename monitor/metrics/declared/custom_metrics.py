"""Own metrics: figures that the configuration defines by an expression over the columns of records."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from monitor.expressions.expression import UndefinedError
from monitor.metrics import intervals
from monitor.metrics.declared import unusable_rows
from monitor.metrics.intervals import Interval
from monitor.metrics.metric import MetricInfo, Subject
from monitor.records import Better, Labels, Measurement, labels
from monitor.windows.declared.custom_metric import CustomMetric
from monitor.windows.declared.tally_labels import BUCKET, ROWS, middle
from monitor.windows.kernel.tally import MOST, Tally
from monitor.windows.profile import Slice

NAME, REASON = "name", "reason"
OWN_METRIC = MetricInfo(
    "own_metric", "", Better.NONE, "A custom metric, in its unit and direction.", (NAME, "version", "segment"),
    "its expression; interval by the delta method, of a share Wilson's, of a quantile by ranks",
    "`metrics` of the client or model, and the columns that it reads", "Wilson 1927",
)  # fmt: skip
OWN_METRIC_SET_ASIDE = MetricInfo(
    "own_metric_set_aside", "share", Better.LOWER,
    "Share of the rows that a custom metric could not use, by reason.",
    (NAME, REASON), "rows without a value for the expression / rows, Wilson interval",
    "`metrics` of the client or model", "Wilson 1927",
)  # fmt: skip
INFO = (OWN_METRIC, OWN_METRIC_SET_ASIDE)
_FEWEST = 2
"""Rows that an interval needs."""


def measure(subject: Subject) -> Iterator[Measurement]:
    """Each own metric, for the whole window and by version and segment, and how many rows it could not use."""
    for metric in subject.declared.of(subject.window):
        if metric.is_built_in:
            continue
        for where, part, base in subject.scopes():
            yield from _measured(subject, metric, where, part, base)
        yield from _set_aside(subject, metric, subject.profile.overall.tally(metric.tally))


def _measured(
    subject: Subject, metric: CustomMetric, where: Labels, part: Slice, base: Slice | None
) -> Iterator[Measurement]:
    info = replace(OWN_METRIC, unit=metric.unit, better=metric.better)
    tally, named = part.tally(metric.tally), labels(name=metric.name, **dict(where))
    n = tally.get(ROWS, 0.0)
    if n < subject.settings.min_rates:
        if not where:
            yield subject.not_measured(info, _why(metric, tally), n, where=named)
        return
    try:
        value, interval = figure(metric, part)
    except UndefinedError as error:
        yield subject.not_measured(info, str(error), n, where=named)
        return
    yield subject.ok(info, value, n, where=named, interval=interval, baseline=_usual(metric, base))


def figure(metric: CustomMetric, part: Slice) -> tuple[float, Interval | None]:
    """The figure of a slice that has rows, with its interval.

    Raises:
        UndefinedError: it is not defined for these rows.
    """
    if metric.expression.quantile is not None:
        return _quantile(metric.expression.quantile, part.total(metric.total(0)), part.tally(metric.tally))
    places = range(len(metric.expression.terms))
    sums = [part.total(metric.total(place)) for place in places]
    figure = metric.expression.figure(sums)
    if not math.isfinite(figure.value):
        raise UndefinedError("the figure is too large")
    n = part.tally(metric.tally).get(ROWS, 0.0)
    if n < _FEWEST:
        return figure.value, None
    squares = part.total(metric.product(0, 0))
    if metric.expression.is_share and squares > 0:
        effective = sums[0] ** 2 / squares
        return figure.value, intervals.wilson(figure.value * effective, effective)
    products = np.array([[part.total(metric.product(place, other)) for other in places] for place in places])
    slope = np.broadcast_to(figure.slope, (len(places),))
    with np.errstate(all="ignore"):
        variance = float(slope @ products @ slope)
    if not math.isfinite(variance):
        return figure.value, None
    half = intervals.Z * math.sqrt(max(variance, 0.0))
    return figure.value, (figure.value - half, figure.value + half)


def _quantile(share: float, n: float, tally: Tally) -> tuple[float, Interval | None]:
    buckets = sorted(
        (int(label.removeprefix(BUCKET)), weight)
        for label, weight in tally.items()
        if label.startswith(BUCKET)
    )
    if len(tally) >= MOST:
        raise UndefinedError("its values differ too widely for buckets")
    ends = np.cumsum([weight for _, weight in buckets])

    def at(rank: float) -> float:
        return middle(buckets[min(int(np.searchsorted(ends, rank)), len(buckets) - 1)][0])

    low, high = (at(rank) for rank in intervals.rank_interval(n, share))
    return at(share * n), (low, high)


def _usual(metric: CustomMetric, base: Slice | None) -> float | None:
    """The baseline's figure; of a sum there is none, because it grows with the rows."""
    if base is None or not base.tally(metric.tally).get(ROWS, 0.0):
        return None
    try:
        value = figure(metric, base)[0]
        if metric.expression.quantile is None:
            sums = [2 * base.total(metric.total(place)) for place in range(len(metric.expression.terms))]
            if not math.isclose(metric.expression.figure(sums).value, value, rel_tol=1e-9, abs_tol=1e-12):
                return None
    except UndefinedError:
        return None
    return value


def _why(metric: CustomMetric, tally: Tally) -> str:
    if unusable := unusable_rows.by_reason(tally):
        most = min(unusable, key=lambda reason: (-unusable[reason], reason))
        return f"no row could be used: {most}"
    if metric.expression.outcome:
        return f"no outcome with {metric.expression.outcome} in this window"
    return "no rows in this window since it was defined"


def _set_aside(subject: Subject, metric: CustomMetric, tally: Tally) -> Iterator[Measurement]:
    unusable = unusable_rows.by_reason(tally)
    of = tally.get(ROWS, 0.0) + sum(unusable.values())
    if of:
        yield from unusable_rows.shares(subject, OWN_METRIC_SET_ASIDE, metric.name, unusable, of)
