"""Attribution drift: what each feature contributes to the answers, and whether the order of features is as before."""

from collections.abc import Iterator
from statistics import NormalDist

import numpy as np

from monitor.metrics import intervals
from monitor.metrics.attributions.rank_agreement import agreement
from monitor.metrics.metric import MetricInfo, Subject, too_few
from monitor.records import Better, Labels, Measurement, labels
from monitor.windows.kernel.attribution_counts import MOST_FEATURES, Attributions, attributions_of

_NEEDS = "`attributions`"
_WITH_BASELINE = "`attributions`, a baseline with `attributions`"
MEAN_ABSOLUTE_ATTRIBUTION = MetricInfo(
    "mean_absolute_attribution", "", Better.NONE, "Mean absolute attribution of a feature.", ("feature",),
    "sum of absolute attributions / rows with attributions, normal interval", _NEEDS, "Lundberg and Lee 2017",
)  # fmt: skip
ATTRIBUTION_SHARE = MetricInfo(
    "attribution_share", "share", Better.NONE, "Share of a feature in the attributions of all features.",
    ("feature",),
    "sum of absolute attributions of the feature / of all features; interval by the delta method", _NEEDS,
)  # fmt: skip
ATTRIBUTION_SHARE_CHANGE = MetricInfo(
    "attribution_share_change", "", Better.NONE,
    "Share of a feature in the attributions of all features, minus that of the baseline.", ("feature",),
    "attribution share - the baseline's; normal interval of a difference, two-sided p-value", _WITH_BASELINE,
)  # fmt: skip
ATTRIBUTION_NDCG = MetricInfo(
    "attribution_ndcg", "", Better.HIGHER,
    "Agreement of the order of features, by mean absolute attribution, with the baseline's: 1 is the same order.",
    ("version",),
    "DCG of the live order / DCG of the baseline's order, where DCG is the sum of the baseline's attributions / "
    "log2(place + 1); interval: all orders that simultaneous 99.99 % intervals of the attributions allow",
    _WITH_BASELINE, "Järvelin and Kekäläinen 2002; Amazon SageMaker Clarify",
)  # fmt: skip
INFO = (MEAN_ABSOLUTE_ATTRIBUTION, ATTRIBUTION_SHARE, ATTRIBUTION_SHARE_CHANGE, ATTRIBUTION_NDCG)
CONFIDENCE = 0.9999
"""Of the intervals of all attributions together, that decide which orders are possible."""
_OLD = "the baseline has no attributions: set another baseline"


def measure(subject: Subject) -> Iterator[Measurement]:
    """The attributions of each feature, and the agreement of their order. A model without attributions has none."""
    base = subject.baseline.profile.overall if subject.baseline is not None else None
    now, usual = attributions_of(subject.profile.overall), attributions_of(base) if base is not None else None
    if now is None and usual is None:
        return
    yield from _features(subject, now, usual)
    yield _rank(subject, now, usual, ())
    versions = subject.profile.versions
    if len(versions) > 1:
        for version, part in versions.items():
            yield _rank(subject, attributions_of(part), usual, labels(version=version))


def _features(
    subject: Subject, now: Attributions | None, usual: Attributions | None
) -> Iterator[Measurement]:
    names = sorted({*(now.features if now else ()), *(usual.features if usual else ())})
    usual = _usable(usual, subject)
    reason = _why_not(subject, now)
    for name in names:
        where = labels(feature=name)
        before = usual.place(name) if usual is not None else None
        share = float(usual.shares[before]) if usual is not None and before is not None else None
        size = float(usual.sizes[before]) if usual is not None and before is not None else None
        place = now.place(name) if now is not None else None
        if reason or now is None or place is None:
            why = reason or "no record attributes it"
            n = now.rows if now is not None else 0.0
            yield subject.not_measured(MEAN_ABSOLUTE_ATTRIBUTION, why, n, where=where, baseline=size)
            yield subject.not_measured(ATTRIBUTION_SHARE, why, n, where=where, baseline=share)
            yield subject.not_measured(ATTRIBUTION_SHARE_CHANGE, why, n, where=where)
            continue
        n, value = now.rows, float(now.sizes[place])
        low, high = intervals.of_mean(value, float(now.variances[place]), n)
        yield subject.ok(
            MEAN_ABSOLUTE_ATTRIBUTION, value, n, where=where, interval=(max(low, 0.0), high), baseline=size
        )
        yield from _share(subject, now, place, usual, where)


def _share(
    subject: Subject, now: Attributions, place: int, usual: Attributions | None, where: Labels
) -> Iterator[Measurement]:
    name, n, value = now.features[place], now.rows, float(now.shares[place])
    variance = float(now.share_variances[place])
    low, high = intervals.of_mean(value, variance, n)
    before = usual.place(name) if usual is not None else None
    known = float(usual.shares[before]) if usual is not None and before is not None else None
    ends = max(low, 0.0), min(high, 1.0)
    yield subject.ok(ATTRIBUTION_SHARE, value, n, where=where, interval=ends, baseline=known)
    if usual is None:
        yield subject.not_measured(ATTRIBUTION_SHARE_CHANGE, _OLD, n, where=where)
        return
    change = value - (known or 0.0)
    error = (
        variance / n + (float(usual.share_variances[before]) / usual.rows if before is not None else 0.0)
    ) ** 0.5
    half = intervals.Z * error
    p_value = intervals.two_sided(change / error) if error > 0 else (1.0 if change == 0 else 0.0)
    yield subject.ok(
        ATTRIBUTION_SHARE_CHANGE,
        change,
        n,
        where=where,
        interval=(change - half, change + half),
        p_value=p_value,
    )


def _rank(
    subject: Subject, now: Attributions | None, usual: Attributions | None, where: Labels
) -> Measurement:
    n = now.rows if now is not None else 0.0
    reason = _why_not(subject, now)
    usual = _usable(usual, subject)
    if usual is None and not reason:
        reason = _OLD
    if reason or now is None or usual is None:
        return subject.not_measured(ATTRIBUTION_NDCG, reason, n, where=where)
    names = sorted({*now.features, *usual.features})
    if len(names) < 2:
        return subject.not_measured(ATTRIBUTION_NDCG, "an order needs two features", n, where=where)
    live, live_error = now.over(names)
    relevance, error = usual.over(names)
    z = NormalDist().inv_cdf(1 - (1 - CONFIDENCE) / 2 / len(names))
    # A feature that the baseline does not know exactly may have been in another place there.
    half = z * np.hypot(live_error, error * (live.sum() / relevance.sum()))
    ndcg = agreement(relevance, live, np.asarray(half))
    return subject.ok(ATTRIBUTION_NDCG, ndcg.value, n, where=where, interval=ndcg.interval, baseline=1.0)


def _usable(usual: Attributions | None, subject: Subject) -> Attributions | None:
    """The baseline's attributions, if they are enough to compare with."""
    is_enough = usual is not None and usual.rows >= subject.settings.min_rows and usual.sizes.any()
    return usual if is_enough else None


def _why_not(subject: Subject, now: Attributions | None) -> str:
    """Why the attributions of a window are not measured; empty if they are."""
    if now is None:
        return "no record with attributions"
    if now.too_wide:
        return f"records attribute more than {MOST_FEATURES} features: send the largest attributions"
    if now.rows < subject.settings.min_rows:
        note = f", {now.set_aside:.0f} set aside because a value is too large" if now.set_aside else ""
        return f"{too_few(now.rows, subject.settings.min_rows, 'rows with attributions')}{note}"
    return "" if now.sizes.any() else "all attributions are zero"
