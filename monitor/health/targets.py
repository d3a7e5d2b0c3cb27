"""Agreed targets: whether each is met, since when, and in words. Pure.

Everything that mentions a target (the state of a model, its figures, history, digest, API, `status`, the rule
TargetMissed) uses the result of `standing`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from enum import StrEnum

from monitor.config.units import DAY, HOUR, MINUTE, WEEK
from monitor.health import wording
from monitor.health.settings import ModelView
from monitor.records import Stream
from monitor.store.targets import TargetFigure, TargetPeriod

FEWEST = 30
"""Fewer rows say nothing about a target."""
RULE = "TargetMissed"
"""The shipped rule that fires for missed targets."""
_Z = 1.959963984540054
_LOWER_IS_BETTER = frozenset(
    (
        "access_ratio", "agent_set_aside", "brier_score", "chi_square", "confidence_low_share", "correction_rate",
        "cost", "cost_per_prediction", "coverage_shortfall", "cpu_throttled_share", "decline_evidence",
        "domain_classifier_auc", "drift_evidence", "drifted_share", "empty_list_share", "error_rate",
        "expected_calibration_error", "forecast_set_aside", "gauge_failing_seconds", "gpu_faults",
        "hellinger", "jensen_shannon", "kolmogorov_smirnov", "label_delay", "latency_mean", "latency_p50",
        "latency_p90", "latency_p95", "latency_p99", "log_loss", "loop_rate", "mae", "mape", "mase", "missing_share",
        "new_category_share", "out_of_memory_kills", "out_of_range_share",
        "output_mae", "output_rmse", "pinball_loss", "psi",
        "queue_age_seconds", "queue_backlog", "queue_depth", "ranking_decline", "ranking_loss",
        "reconstruction_shift",
        "relative_mae", "repeated_item_share",
        "release_contradictions", "resource_used_share", "review_rate", "rmse", "rollback_drill_age",
        "rollback_drill_due", "rollback_failed", "rolled_back", "rollout_failed", "rollout_frozen",
        "schema_changes", "server_error_rate", "server_latency_seconds", "silence_ratio",
        "site_missing_bundles", "site_silence", "task_decline", "own_metric_set_aside", "expectation_failed",
        "violation_share", "signal_rate", "silence_seconds", "tool_error_rate", "total_variation", "unreadable_share",
        "unrecorded_version", "wape", "wasserstein", "worst_segment_gap",
    )
)  # fmt: skip


class Standing(StrEnum):
    """Whether a target is met, best first."""

    KEPT = "kept"
    UNKNOWN = "unknown"
    AT_RISK = "at_risk"
    MISSED = "missed"

    @property
    def words(self) -> str:
        """Icon and words, for a figure on a page."""
        return {
            "kept": "✔ met", "unknown": "? not known", "at_risk": "◆ may be missed", "missed": "✖ missed",
        }[self.value]  # fmt: skip


def is_least(metric: str) -> bool:
    """Whether a metric must be at least its target; False if it must be at most."""
    return metric.removeprefix("estimated_") not in _LOWER_IS_BETTER


def standing(
    value: float | None, low: float | None, high: float | None, target: float, *, least: bool
) -> Standing:
    """Missed if the whole 95 % interval is on the wrong side, at risk if only the value is."""
    if value is None:
        return Standing.UNKNOWN
    if not is_short(value, target, least=least):
        return Standing.KEPT
    edge = high if least else low
    is_sure = edge is not None and is_short(edge, target, least=least)
    return Standing.MISSED if is_sure else Standing.AT_RISK


def is_short(value: float, target: float, *, least: bool) -> bool:
    """Whether a figure is on the wrong side of its target."""
    return value < target if least else value > target


def standing_of(judged: TargetFigure) -> Standing:
    """The standing of a target with this figure. An estimate never proves that a target is missed."""
    result = standing(judged.value, judged.low, judged.high, judged.target, least=judged.is_least)
    return Standing.AT_RISK if judged.estimated and result is Standing.MISSED else result


def shortfall(judged: TargetFigure) -> tuple[float, float | None, float | None] | None:
    """How far the value is on the wrong side (negative: it is on the right side), with its interval; None if not
    measured.
    """
    if judged.value is None:
        return None
    sign = 1 if judged.is_least else -1
    ends = [None if end is None else sign * (judged.target - end) for end in (judged.low, judged.high)]
    low, high = reversed(ends) if judged.is_least else ends
    if judged.estimated and low is not None:
        low = min(low, 0.0)
    return sign * (judged.target - judged.value), low, high


def advance(
    before: TargetPeriod | None, stream: Stream, judged: TargetFigure, now: float
) -> tuple[TargetPeriod, ...]:
    """The periods after a judgement: the current one, preceded by the one that it ends, if any.

    A missed target stays missed until its value is on the right side again, so that a value around the limit does not
    start and end a period at each tick. While it cannot be measured, nothing changes: missing data ends no alert
    either.
    """
    new_standing = standing_of(judged)
    goes_on = before is not None and (before.target, before.is_least) == (judged.target, judged.is_least)
    if (
        goes_on
        and before is not None
        and before.standing == Standing.MISSED
        and new_standing is Standing.AT_RISK
    ):
        new_standing = Standing.MISSED
    if (
        goes_on
        and before is not None
        and before.standing == Standing.MISSED
        and new_standing is Standing.UNKNOWN
    ):
        return (replace(before, reason=judged.reason, judged_at=now),)
    if goes_on and before is not None and before.standing == new_standing:
        worst = _worse(before.worst, judged.value, least=judged.is_least)
        return (replace(_period(stream, judged, new_standing, before.since, now), worst=worst),)
    fresh = _period(
        stream, judged, new_standing, now if before is None else max(now, before.since + 0.001), now
    )
    return (fresh,) if before is None else (replace(before, until=fresh.since), fresh)


def of_missed_day(
    stream: Stream, metric: str, value: float | None, view: ModelView, start: float, end: float
) -> TargetPeriod:
    """A past day whose quality missed today's target, as a period that is over."""
    target = limits_of(view, (metric,))[metric]
    seconds = round(end - start)
    return TargetPeriod(
        metric, target, is_least(metric), value, None, None, 0.0, seconds,
        stream=stream, since=start, until=end, standing=Standing.MISSED.value, worst=value,
    )  # fmt: skip


def joined(before: TargetPeriod, after: TargetPeriod) -> TargetPeriod:
    """Two periods in a row as one, with the worse value."""
    worst = _worse(before.worst, after.worst, least=before.is_least)
    return replace(before, until=after.until, worst=worst)


def ended(before: TargetPeriod, now: float) -> TargetPeriod:
    """A period whose target is no longer agreed."""
    return replace(before, until=max(now, before.since))


def _period(
    stream: Stream, judged: TargetFigure, new_standing: Standing, since: float, now: float
) -> TargetPeriod:
    figure = {field.name: getattr(judged, field.name) for field in fields(TargetFigure)}
    return TargetPeriod(
        **figure,
        stream=stream,
        since=since,
        until=None,
        standing=new_standing.value,
        worst=judged.value,
        judged_at=now,
    )


def _worse(before: float | None, value: float | None, *, least: bool) -> float | None:
    known = [one for one in (before, value) if one is not None]
    return None if not known else min(known) if least else max(known)


def agreed(metric: str, target: float, *, least: bool) -> str:
    """`at least 75 %`, `at most 300 ms`."""
    return f"{'at least' if least else 'at most'} {wording.figure(metric, target)}"


def for_engineers(judged: TargetFigure) -> str:
    """`76 % over the last 24 hours (between 74 % and 78 %), agreed: at least 90 %`, for engineers."""
    between = interval(judged)
    notes = f" ({between})" if between else ""
    bound = agreed(judged.metric, judged.target, least=judged.is_least)
    return f"{shown(judged)} over the {over(judged.seconds)}{notes}, agreed: {bound}"


def summary(period: TargetPeriod) -> str:
    """`missed: accuracy is 76 % over the last 24 hours (...), agreed: at least 90 %`, for engineers."""
    state = Standing(period.standing).value.replace("_", " ")
    if period.value is None:
        bound = agreed(period.metric, period.target, least=period.is_least)
        return f"not known: {period.metric}: {period.reason} (agreed: {bound})"
    return f"{state}: {period.metric} is {for_engineers(period)}"


def shown(period: TargetFigure) -> str:
    """The figure, with digits enough to tell it from its target: `89.7 %` where 90 % was agreed."""
    return (
        "not measured" if period.value is None else wording.beside(period.metric, period.value, period.target)
    )


def interval(period: TargetFigure) -> str:
    """`between 74 % and 78 %`, or empty."""
    if period.low is None or period.high is None:
        return ""
    low, high = (wording.beside(period.metric, end, period.target) for end in (period.low, period.high))
    return f"between {low} and {high}" if low != high else ""


def over(seconds: int) -> str:
    """`last 24 hours`."""
    names = {5 * MINUTE: "last 5 minutes", HOUR: "last hour", DAY: "last 24 hours", WEEK: "last 7 days"}
    return names.get(seconds, f"last {wording.span(seconds)}")


def sentence(period: TargetPeriod, title: str) -> str:
    """How a target stands, for the client: the figure with its interval and what was agreed."""
    bound = agreed(period.metric, period.target, least=period.is_least)
    if period.value is None:
        name = wording.name(period.metric).lower()
        return f"{title}: it is not yet known whether {name} is {bound}, as agreed ({period.reason})."
    stale = f"as last measured: {period.reason}" if period.reason else ""
    notes = ", ".join(filter(None, ("estimated" if period.estimated else "", interval(period), stale)))
    clause = wording.says_as(period.metric, shown(period))
    text = f"{title} {clause} over the {over(period.seconds)}{f' ({notes})' if notes else ''}; {bound} was agreed"
    return f"{text} and may be missed." if period.standing == Standing.AT_RISK else f"{text}."


def past_sentence(period: TargetPeriod, title: str) -> str:
    """A past time in which a target was missed, with its worst value."""
    bound = agreed(period.metric, period.target, least=period.is_least)
    worst = "" if period.worst is None else wording.beside(period.metric, period.worst, period.target)
    at_worst = f": {worst} at its worst" if worst else ""
    return f"{title} missed the target agreed for {wording.name(period.metric).lower()}{at_worst}; {bound} was agreed."


def by_urgency(periods: Iterable[TargetPeriod]) -> list[TargetPeriod]:
    """Missed targets first, then those at risk, then those not known."""
    order = [Standing.MISSED, Standing.AT_RISK, Standing.UNKNOWN, Standing.KEPT]
    return sorted(periods, key=lambda one: (order.index(Standing(one.standing)), one.since, one.metric))


def quality_metrics(view: ModelView) -> tuple[str, ...]:
    """The metrics that can stand for the quality of a model, in order of preference.

    A configured one stands alone. Otherwise, those with an agreed target come first, so that all pages speak of what
    was agreed; then those of the declared task.
    """
    if view.quality:
        return (view.quality,)
    agreed = [metric for metric in wording.QUALITY if metric in view.limits]
    alerts = ["precision_at_top_k", "alert_precision"] if view.anomaly.threshold is not None else []
    goals = ["goal_rate"] if view.agent.goal else []
    return tuple(dict.fromkeys([*agreed, *alerts, *goals, *wording.QUALITY]))


def limits_of(view: ModelView, measured: Iterable[str] = ()) -> Mapping[str, float]:
    """The agreed targets by metric. A target without a metric applies to the first quality metric that is measured."""
    targets = dict(view.limits)
    if view.target is not None and not view.quality:
        names = set(measured)
        first = next((metric for metric in quality_metrics(view) if metric in names), "")
        if first:
            targets.setdefault(first, view.target)
    return targets


def of_day(
    metric: str, value: float | None, n: float, view: ModelView, *, estimated: bool
) -> Standing | None:
    """The standing of a past day's quality against today's target; None without a target or a value."""
    limits = limits_of(view, (metric,))
    if value is None or metric not in limits or n < FEWEST:
        return None
    half = None
    if wording.is_share(metric):
        half = _Z * math.sqrt(max(value * (1 - value), 1 / n) / n)
    least = is_least(metric)
    low, high = (None, None) if half is None else (value - half, value + half)
    result = standing(value, low, high, limits[metric], least=least)
    return Standing.AT_RISK if estimated and result is Standing.MISSED else result


def named(periods: Sequence[TargetPeriod], metric: str) -> TargetPeriod | None:
    """The period of one metric, or of its estimate if that replaces it."""
    return next((one for one in periods if one.metric == metric), None)
