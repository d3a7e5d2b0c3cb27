"""Scores that order rows: alerts and the highest scores of an anomaly detector, concordance of a survival model."""

from collections.abc import Iterator

import numpy as np

from monitor.expressions.expression import UndefinedError
from monitor.metrics import intervals
from monitor.metrics.declared.custom_metrics import figure
from monitor.metrics.metric import MetricInfo, Subject, too_few
from monitor.metrics.quality.ranking import hanley_mcneil
from monitor.records import Better, Labels, Measurement, labels
from monitor.windows.declared import score_definitions as definitions
from monitor.windows.declared.custom_metric import CustomMetric
from monitor.windows.declared.tally_labels import BUCKET, ROWS
from monitor.windows.kernel.tally import MOST
from monitor.windows.profile import Slice

_WHERE = ("version", "segment")
_NEEDS = "`anomaly` of the model with `threshold`; numbers"
ALERT_RATE = MetricInfo(
    "alert_rate", "share", Better.NONE, "Share of the rows whose score is an alert.", _WHERE,
    "rows with a score of at least `threshold` / rows, Wilson interval", _NEEDS, "Wilson 1927",
)  # fmt: skip
ALERT_PRECISION = MetricInfo(
    "alert_precision", "share", Better.HIGHER, "Share of the alerts that were anomalies.", _WHERE,
    "alerts that were anomalies / alerts with an outcome, Wilson interval",
    _NEEDS + ", outcomes with `truth`", "Wilson 1927",
)  # fmt: skip
PRECISION_AT_TOP = MetricInfo(
    "precision_at_top_k", "share", Better.HIGHER, "Share of anomalies among the k rows with the highest scores.",
    _WHERE, "anomalies among the k highest / k; Wilson interval that holds every order within 2 % of a score",
    _NEEDS + ", outcomes with `truth`", "Wilson 1927",
)  # fmt: skip
CONCORDANCE = MetricInfo(
    "concordance_at_horizon", "", Better.HIGHER,
    "Probability that who had the event by the horizon has a higher risk than who had not; 0.5 is chance.",
    ("horizon", *_WHERE), "pairs in right order + ties / 2, risks within 2 % are ties; without those censored before",
    "`survival` of the model with `horizons`, outcomes with `truth`; numbers",
    "Hanley and McNeil 1982; Heagerty, Lumley and Pepe 2000",
)  # fmt: skip
INFO = (ALERT_RATE, ALERT_PRECISION, PRECISION_AT_TOP, CONCORDANCE)
_TOO_WIDE = "scores differ too widely to be kept in buckets"


def measure(subject: Subject) -> Iterator[Measurement]:
    """The figures of scores. A model without the settings has none."""
    of_name = {metric.name: metric for metric in subject.declared.of(subject.window)}
    for where, part, base in subject.scopes():
        for name, info in ((definitions.ALERTS, ALERT_RATE), (definitions.PRECISION, ALERT_PRECISION)):
            if name in of_name:
                yield _share(subject, of_name[name], info, where, part, base)
        if definitions.SCORES in of_name and definitions.TRUE_SCORES in of_name:
            pair = of_name[definitions.SCORES], of_name[definitions.TRUE_SCORES]
            yield _at_top(subject, *pair, where, part, base)
        for name in [one for one in of_name if one.startswith(definitions.EVENTS)]:
            horizon = name.removeprefix(definitions.EVENTS)
            others = of_name.get(f"{definitions.SURVIVORS}{horizon}")
            if others is not None:
                of_horizon = labels(horizon=horizon, **dict(where))
                yield _concordance(subject, of_name[name], others, of_horizon, part, base)


def _share(
    subject: Subject, metric: CustomMetric, info: MetricInfo, where: Labels, part: Slice, base: Slice | None
) -> Measurement:
    needed = subject.settings.min_rates if info is ALERT_RATE else subject.settings.min_outcomes
    n = part.tally(metric.tally).get(ROWS, 0.0)
    if info is ALERT_PRECISION:
        n = part.total(metric.total(2))
    if n < max(needed, 1):
        what = "rows" if info is ALERT_RATE else "alerts with an outcome"
        return subject.not_measured(info, too_few(n, max(needed, 1), what), n, where=where)
    try:
        value, interval = figure(metric, part)
    except UndefinedError as error:
        return subject.not_measured(info, str(error), n, where=where)
    if info is ALERT_PRECISION:  # of alerts, which may be weighted
        effective = n * n / part.total(metric.product(2, 2))
        interval = intervals.wilson(value * effective, effective)
    usual = None
    if base is not None and base.tally(metric.tally).get(ROWS, 0.0) >= needed:
        try:
            usual = figure(metric, base)[0]
        except UndefinedError:
            usual = None
    return subject.ok(info, value, n, where=where, interval=interval, baseline=usual)


def _buckets(metric: CustomMetric, part: Slice) -> dict[int, float] | None:
    """Rows by bucket of their score; None if they are not all known."""
    tally = part.tally(metric.tally)
    if len(tally) >= MOST:
        return None
    return {
        int(label.removeprefix(BUCKET)): n for label, n in tally.items() if label.startswith(BUCKET) and n > 0
    }


def _at_top(
    subject: Subject, every: CustomMetric, true: CustomMetric, where: Labels, part: Slice, base: Slice | None
) -> Measurement:
    anomaly = subject.settings.anomalies.get((subject.stream.client, subject.stream.model))
    k = definitions.Anomaly().k if anomaly is None else anomaly.k
    buckets = _buckets(every, part), _buckets(true, part)
    n = 0.0 if buckets[0] is None else sum(buckets[0].values())
    if buckets[0] is None or buckets[1] is None:
        return subject.not_measured(PRECISION_AT_TOP, _TOO_WIDE, n, where=where)
    if n < k:
        return subject.not_measured(PRECISION_AT_TOP, too_few(n, k, "outcomes"), n, where=where)
    value, least, most = _top(buckets[0], buckets[1], k)
    usual = None
    if base is not None:
        before = _buckets(every, base), _buckets(true, base)
        if before[0] is not None and before[1] is not None and sum(before[0].values()) >= k:
            usual = _top(before[0], before[1], k)[0]
    low, high = intervals.wilson(least * k, k)[0], intervals.wilson(most * k, k)[1]
    return subject.ok(PRECISION_AT_TOP, value, n, where=where, interval=(low, high), baseline=usual)


def _top(every: dict[int, float], true: dict[int, float], k: int) -> tuple[float, float, float]:
    """The share of true ones among the k highest, and the least and most that an order within a bucket gives."""
    left, sure = float(k), 0.0
    for bucket in sorted(every, reverse=True):
        rows, anomalies = every[bucket], true.get(bucket, 0.0)
        if rows > left:
            least, most = max(0.0, left - (rows - anomalies)), min(left, anomalies)
            return (sure + anomalies * left / rows) / k, (sure + least) / k, (sure + most) / k
        sure, left = sure + anomalies, left - rows
        if left <= 0:
            break
    return sure / k, sure / k, sure / k


_Known = tuple[float, float, float]
"""A concordance, its standard error, and the rows behind it."""


def concordances(
    subject: Subject, part: Slice, base: Slice
) -> Iterator[tuple[str, _Known | None, _Known | None]]:
    """Of each horizon, the concordance now and in the baseline, where they are known."""
    of_name = {metric.name: metric for metric in subject.declared.of(subject.window)}
    for name, events in of_name.items():
        others = of_name.get(f"{definitions.SURVIVORS}{name.removeprefix(definitions.EVENTS)}")
        if name.startswith(definitions.EVENTS) and others is not None:
            horizon = name.removeprefix(definitions.EVENTS)
            yield horizon, _known(events, others, part), _known(events, others, base)


def _known(events: CustomMetric, survivors: CustomMetric, part: Slice) -> _Known | None:
    buckets = _buckets(events, part), _buckets(survivors, part)
    if not buckets[0] or not buckets[1]:
        return None
    p, q = sum(buckets[0].values()), sum(buckets[1].values())
    area, ties = _area(buckets[0], buckets[1])
    return area, hanley_mcneil(area, p, q) + ties / 2 / intervals.Z, p + q


def _concordance(
    subject: Subject,
    events: CustomMetric,
    survivors: CustomMetric,
    where: Labels,
    part: Slice,
    base: Slice | None,
) -> Measurement:
    buckets = _buckets(events, part), _buckets(survivors, part)
    if buckets[0] is None or buckets[1] is None:
        return subject.not_measured(CONCORDANCE, _TOO_WIDE, 0, where=where)
    p, q, needed = sum(buckets[0].values()), sum(buckets[1].values()), subject.settings.min_outcomes
    if min(p, q) < 1 or p + q < needed:
        reason = too_few(p + q, needed, "outcomes that are known at the horizon")
        if p + q >= needed:
            reason = f"{'nobody' if p < 1 else 'everybody'} had the event by the horizon"
        return subject.not_measured(CONCORDANCE, reason, p + q, where=where)
    area, ties = _area(buckets[0], buckets[1])
    half = intervals.Z * hanley_mcneil(area, p, q)
    interval = (
        max(0.0, min(area - half, area - ties / 2)),
        min(1.0, max(area + half, area + ties / 2)),
    )
    usual = None
    if base is not None:
        before = _buckets(events, base), _buckets(survivors, base)
        if before[0] and before[1] and sum(before[0].values()) + sum(before[1].values()) >= needed:
            usual = _area(before[0], before[1])[0]
    return subject.ok(CONCORDANCE, area, p + q, where=where, interval=interval, baseline=usual)


def _area(events: dict[int, float], survivors: dict[int, float]) -> tuple[float, float]:
    """The share of pairs in right order, ties as half; and the share of ties."""
    order = sorted({*events, *survivors})
    p, q = (np.array([one.get(bucket, 0.0) for bucket in order]) for one in (events, survivors))
    pairs = p.sum() * q.sum()
    lower = np.cumsum(q) - q
    return float((p * (lower + q / 2)).sum() / pairs), float((p * q).sum() / pairs)
