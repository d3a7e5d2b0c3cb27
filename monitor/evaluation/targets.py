"""Evaluates the agreed targets of a stream from its measurements over several windows. Pure.

A target is agreed over a day. A short window counts only if it alone proves that the target is missed, with a
confidence at which a model that just meets its target raises no alarm for years.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence

from monitor.config.units import DAY, HOUR, WEEK
from monitor.expressions.expression import Expression, UndefinedError
from monitor.health import targets, wording
from monitor.health.settings import ModelView
from monitor.health.targets import Standing
from monitor.health.wording import ESTIMATES
from monitor.measurement_table import MeasurementSequence
from monitor.metrics import METRICS, Family, families_of, with_families
from monitor.metrics.business.target import TARGET_SHORTFALL
from monitor.metrics.declared.custom_metrics import NAME, OWN_METRIC
from monitor.metrics.declared.ranked_scores import PRECISION_AT_TOP
from monitor.metrics.recommendation import shown_items
from monitor.metrics.system.daemon import AVAILABILITY
from monitor.records import Better, Measurement, Stream, Window, labels
from monitor.rules.engine.threshold import PROPORTIONS, edge, is_significantly_beyond
from monitor.store.targets import TargetFigure, TargetPeriod

SHARP: Mapping[int, float] = {300: 0.999999, HOUR: 0.99999}
"""The confidence at which a short window alone proves a missed target, by length in seconds."""
LENGTHS = (*SHARP, DAY, WEEK)
_OF_A_DAY = frozenset(
    info.name for info in (PRECISION_AT_TOP, shown_items.SHOWN, shown_items.COVERAGE, shown_items.GINI)
)
"""Figures that change with the number of rows: of few rows, the highest scores are most of them, and few items are
shown. What was agreed of a day is not known in another window. So it is with sums of one's own.
"""
_BETTER = {info.name: info.better for info in METRICS}
_UNITS = {info.name: info.unit for info in METRICS}
MeasurementsByLength = Mapping[int, Sequence[Measurement]]
"""The measurements of a stream, by length of window in seconds."""


class TargetJudge:
    """Evaluates the agreed targets of streams; `view_of` gives the configuration of a stream's model."""

    def __init__(self, view_of: Callable[[Stream], ModelView] = lambda _: ModelView()) -> None:
        self._view_of = view_of

    def metrics(self, stream: Stream) -> frozenset[str]:
        """The metrics that a stream's targets need over `LENGTHS`, including their estimates."""
        view = self._view_of(stream)
        names = set(view.limits)
        if view.target is not None and not view.quality:
            names |= set(targets.quality_metrics(view))
        if names & view.metrics.keys():
            names.add(OWN_METRIC.name)
        return frozenset(names | {ESTIMATES[name] for name in names if name in ESTIMATES})

    def judge(self, stream: Stream, measured: MeasurementsByLength) -> list[TargetFigure]:
        """The result for each target of a stream."""
        plain = {length: _plain(measured.get(length, ()), self.metrics(stream)) for length in LENGTHS}
        view = self._view_of(stream)
        limits = targets.limits_of(view, _for_quality(view, {**plain[WEEK], **plain[DAY]}))
        own = {name: one.better for name, one in view.metrics.items()}
        of_a_day = _OF_A_DAY | {name for name, one in view.metrics.items() if _grows(one.compiled)}
        of_day_only = {length: plain[length] if length == DAY else {} for length in LENGTHS}
        return [
            _judge(metric, limit, of_day_only if metric in of_a_day else plain, {**_BETTER, **own})
            for metric, limit in sorted(limits.items())
        ]


def _grows(expression: Expression) -> bool:
    """Whether a figure of twice the rows is another one, although they are alike: a sum or a number of rows is."""
    if expression.quantile is not None:
        return False
    sums = [2.0 + place for place in range(len(expression.terms))]
    try:
        once, twice = (expression.figure([times * one for one in sums]).value for times in (1, 2))
    except UndefinedError:
        return False
    return not math.isclose(once, twice, rel_tol=1e-9, abs_tol=1e-12)


def _for_quality(view: ModelView, latest: Mapping[str, Measurement]) -> list[str]:
    """The metrics that a target without a metric may apply to: those with a value or an estimate.

    Without any, the likeliest one, so that such a target is shown as not known, not as if nothing were agreed.
    """
    with_value = {name for name, one in latest.items() if one.value is not None}
    names = targets.quality_metrics(view)
    measured = [name for name in names if name in with_value or ESTIMATES.get(name) in with_value]
    possible = [name for name in names if (view.target or 0.0) <= 1.0 or not wording.is_share(name)]
    expected = [name for name in possible if name in latest and latest[name].n] or possible
    return measured or expected[:1]


def shortfalls(stream: Stream, judged: Sequence[TargetFigure], now: float) -> list[Measurement]:
    """`target_shortfall` of each target, for rules."""
    results = []
    for one in judged:
        window = Window(int(now) - (one.seconds or DAY), int(now))
        where, unit = labels(target=one.metric), _UNITS.get(one.metric) or _unit_of(one.metric)
        missed, info = targets.shortfall(one), TARGET_SHORTFALL
        if missed is None:
            reason = one.reason
            results.append(
                Measurement(stream, window, info.name, None, unit, info.better, one.n, where, reason=reason)
            )
            continue
        value, low, high = missed
        because = f"{one.metric} is {targets.for_engineers(one)}" if value > 0 else ""
        results.append(
            Measurement(
                stream, window, info.name, value, unit, info.better, one.n, where, low, high, because=because
            )
        )
    return results


def _unit_of(metric: str) -> str:
    return "share" if wording.is_share(metric) else ""


def advance(
    known: Mapping[Stream, Sequence[TargetPeriod]],
    judged: Mapping[Stream, Sequence[TargetFigure]],
    now: float,
) -> list[TargetPeriod]:
    """The periods that changed; unchanged ones are left out."""
    changed: list[TargetPeriod] = []
    for stream, figures in judged.items():
        before = {one.metric: one for one in known.get(stream, ())}
        for figure in figures:
            old = before.pop(figure.metric, None)
            after = targets.advance(old, stream, figure, now)
            if len(after) > 1 or old is None or _is_news(old, after[0]):
                changed += after
        changed += [targets.ended(one, now) for one in before.values()]
    return changed


def _is_news(old: TargetPeriod, new: TargetPeriod) -> bool:
    figures = [
        (one.value, one.low, one.high, one.n, one.seconds, one.reason, one.estimated) for one in (old, new)
    ]
    return figures[0] != figures[1]


def _judge(
    metric: str,
    limit: float,
    plain: Mapping[int, Mapping[str, Measurement]],
    better: Mapping[str, Better],
) -> TargetFigure:
    least = better.get(metric, Better.HIGHER) is not Better.LOWER
    if metric not in better:
        return TargetFigure(metric, limit, least, reason=f"there is no metric {metric}")
    for seconds, confidence in SHARP.items():
        one = plain[seconds].get(metric)
        if one is not None and _proves(one, limit, confidence, least=least):
            return _judged(one, limit, seconds, metric, least=least)
    for estimated in (False, True):
        name = ESTIMATES.get(metric, "") if estimated else metric
        for seconds in (DAY, WEEK):
            one = plain[seconds].get(name)
            if one is not None and one.value is not None and one.n >= _least(metric):
                return _judged(one, limit, seconds, metric, least=least, estimated=estimated)
    return TargetFigure(metric, limit, least, n=_rows(plain, metric), seconds=DAY, reason=_why(plain, metric))


def _judged(
    one: Measurement, limit: float, seconds: int, metric: str, *, least: bool, estimated: bool = False
) -> TargetFigure:
    return TargetFigure(metric, limit, least, one.value, one.low, one.high, one.n, seconds, estimated)


def _least(metric: str) -> int:
    """Minimum number of rows. Probes of a health endpoint are few, so each counts."""
    return 10 if metric == AVAILABILITY.name else targets.FEWEST


def _proves(one: Measurement, limit: float, confidence: float, *, least: bool) -> bool:
    """Whether a short window alone is proof: by the exact bound of a share, or the scaled interval of
    another metric.
    """
    if one.value is None or one.n < targets.FEWEST:
        return False
    if targets.standing(one.value, one.low, one.high, limit, least=least) is not Standing.MISSED:
        return False
    if one.metric in PROPORTIONS:
        return is_significantly_beyond(one.value * one.n, one.n, limit, confidence, is_above=not least)
    return targets.is_short(edge(one, confidence, upper=least), limit, least=least)


def _plain(measured: Sequence[Measurement], metrics: frozenset[str]) -> dict[str, Measurement]:
    """The measurements of some metrics without labels, by metric; of an own metric, by its name."""
    if isinstance(measured, MeasurementSequence):
        listed = [one for metric in metrics for one in measured.of(metric)]
    else:
        listed = [one for one in measured if one.metric in metrics]
    named = {one.label(NAME): one for one in listed if one.metric == OWN_METRIC.name and len(one.labels) == 1}
    return {**named, **{one.metric: one for one in listed if not one.labels}}


def _rows(plain: Mapping[int, Mapping[str, Measurement]], metric: str) -> float:
    return max((plain[seconds][metric].n for seconds in (DAY, WEEK) if metric in plain[seconds]), default=0.0)


def _why(plain: Mapping[int, Mapping[str, Measurement]], metric: str) -> str:
    """Why there is no value over a week or a day."""
    for seconds in (WEEK, DAY):
        one = plain[seconds].get(metric)
        if one is not None:
            few = f"{one.n:.0f} of {_least(metric)} rows needed"
            return one.reason or few
    if metric == AVAILABILITY.name:
        return "no health endpoint is configured (`probe`)"
    return f"{metric} was not measured yet"


def with_targets(
    wanted: Mapping[int, Sequence[Family]], agreed: Collection[str]
) -> Mapping[int, Sequence[Family]]:
    """The families to measure by length of window: those that rules read, and those of a stream's agreed targets."""
    of_targets = families_of(agreed)
    if not agreed:
        return wanted
    return {
        length: with_families(wanted.get(length, ()), of_targets if length in LENGTHS else ())
        for length in sorted({*wanted, *LENGTHS})
    }
