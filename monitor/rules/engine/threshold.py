"""Conditions on one metric: a threshold per instance, a share of instances beyond it, or the metric's absence."""

import math
from dataclasses import dataclass, replace
from statistics import NormalDist

from monitor.metrics.tail_probabilities import beta
from monitor.records import Labels, Measurement, Stream
from monitor.rules.engine.condition import (
    ConditionResult,
    ConditionResults,
    EvaluationContext,
    MeasurementSource,
    unexplained,
    unknown,
)
from monitor.rules.language.level import BASELINE, PAST, Level
from monitor.rules.language.matchers import Matcher, all_match
from monitor.rules.language.wording import bound, figure, span

PROPORTIONS = frozenset(
    (
        "error_rate", "availability", "accuracy", "missing_share", "new_category_share", "out_of_range_share",
        "confidence_low_share", "automation_rate", "review_rate", "correction_rate", "signal_rate",
        "selection_rate", "own_metric_set_aside", "violation_share",
    )
)  # fmt: skip
"""Metrics that are proportions: their bound is exact. Others use the interval they were measured with."""

RATIOS = frozenset(("disparate_impact",))
"""Metrics that are ratios of shares: their interval is scaled as for a normal distribution of the logarithm."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A metric against a level.

    With a `confidence`, the one-sided confidence bound must be beyond the level, not only the value. `clear` is the
    level at which a firing alert recovers. `samples` is the least number of rows.
    """

    metric: str
    seconds: int
    level: Level
    is_above: bool
    clear: Level | None = None
    samples: float = 0
    confidence: float = 0.0
    matchers: tuple[Matcher, ...] = ()
    assume: bool | None = None

    def evaluate(self, context: EvaluationContext) -> ConditionResults:
        """A result per measured instance; one without labels if nothing was measured."""
        results: ConditionResults = {}
        named = self._named(context.by)
        for measurement in context.readings.find(context.stream, self.seconds, self.metric):
            instance = self._instance(measurement.labels, context.by, named)
            if instance is not None:
                results[instance] = self._assess(measurement, context)
        if not results and not context.by:
            results[()] = unknown(self.metric, f"{self.metric} over {span(self.seconds)} was not measured")
        return results

    def lengths(self) -> set[int]:
        """Its one window length."""
        return {self.seconds}

    def metrics(self) -> set[str]:
        """Its one metric."""
        return {self.metric}

    def excludes(self, instance: Labels, /) -> bool:
        """Whether a label of the instance is not among those that it matches."""
        labels = dict(instance)
        return not all_match((matcher for matcher in self.matchers if matcher.name in labels), labels)

    def instance(self, measurement: Measurement, by: tuple[str, ...]) -> Labels | None:
        """The labels that make this measurement an instance, or None if the condition does not apply to it."""
        return self._instance(measurement.labels, by, self._named(by))

    def _named(self, by: tuple[str, ...]) -> set[str]:
        """The labels that an instance may have."""
        return {*by, *(matcher.name for matcher in self.matchers)}

    def _instance(self, its: Labels, by: tuple[str, ...], named: set[str]) -> Labels | None:
        for name, _ in its:
            if name not in named:
                return None
        if self.matchers and not all_match(self.matchers, dict(its)):
            return None
        return tuple([pair for pair in its if pair[0] in by]) if its else ()

    def _assess(self, measurement: Measurement, context: EvaluationContext) -> ConditionResult:
        value = measurement.value
        if not context.explained:
            return unexplained(self._fires(measurement, context))
        if value is None:
            return unknown(self.metric, f"{self.metric}: {measurement.reason or 'was not measured'}")
        if not math.isfinite(value):
            return unknown(self.metric, f"{self.metric} is not a number", is_error=True)
        if measurement.n < self.samples:
            return unknown(self.metric, f"{self.metric}: {measurement.n:g} rows of {self.samples:g} needed")
        reference = self.reference(measurement, context.stream, context.readings)
        limit = self.level.resolve(reference)
        if limit is None:
            return self._assumed(measurement)
        clear = limit if self.clear is None else self.clear.resolve(reference)
        holds = self._beyond(value, limit if clear is None else clear)
        fires = self._beyond(value, limit) and self._is_sure(measurement, limit)
        return ConditionResult(
            fires,
            holds or fires,
            self._reason(measurement, limit, fires),
            self.metric,
            value,
            limit,
            measurement.baseline if reference is None else reference,
            measurement.unit,
            measurement.n,
            measurement.low,
            measurement.high,
            measurement.window,
        )

    def _fires(self, measurement: Measurement, context: EvaluationContext) -> bool | None:
        """Whether `_assess` says that it fires."""
        value = measurement.value
        if value is None or not math.isfinite(value) or measurement.n < self.samples:
            return None
        limit = self.level.resolve(self.reference(measurement, context.stream, context.readings))
        if limit is None:
            return self.assume
        return self._beyond(value, limit) and self._is_sure(measurement, limit)

    def _assumed(self, measurement: Measurement) -> ConditionResult:
        reason = f"{self.metric}: no {self.level.reference} to compare with"
        result = unknown(self.metric, reason)
        if self.assume is None:
            return result
        value, unit = measurement.value, measurement.unit
        return replace(result, fires=self.assume, holds=self.assume, value=value, unit=unit, n=measurement.n)

    def reference(self, measurement: Measurement, stream: Stream, source: MeasurementSource) -> float | None:
        """The reference of the level: the baseline, or the mean at the same hour of an earlier day; None if unknown."""
        if self.level.reference == BASELINE:
            return measurement.baseline
        offset = PAST.get(self.level.reference)
        if offset is None:
            return None
        # The same hour of that day: half an hour to either side of the window's end.
        end = measurement.window.end - offset
        labels = measurement.labels
        return source.past(stream, self.metric, labels, self.seconds, end - 1800, end + 1800)

    def _beyond(self, value: float, limit: float) -> bool:
        return value > limit if self.is_above else value < limit

    def _is_sure(self, measurement: Measurement, limit: float) -> bool:
        if not self.confidence:
            return True
        n, value = measurement.n, measurement.value
        if value is not None and measurement.metric in PROPORTIONS and n > 0:
            return is_significantly_beyond(value * n, n, limit, self.confidence, is_above=self.is_above)
        return self._beyond(edge(measurement, self.confidence, upper=not self.is_above), limit)

    def _reason(self, measurement: Measurement, limit: float, fires: bool) -> str:
        value, limit_text = figure(measurement.value, measurement.unit), bound(limit, measurement.unit)
        direction = "above" if self.is_above else "below"
        relative = f" = {self.level}" if self.level.reference else ""
        period = span(measurement.window.seconds)
        compared = measurement.label("against").replace("_", " ")
        comparison = f" against the {compared}" if compared else ""
        notes = [f"limit: {direction} {limit_text}{relative}"] if limit_text != "-" else []
        notes += [f"n = {measurement.n:g}"] if measurement.n else []
        text = f"{self.metric} is {value} over {period}{comparison}"
        text += f" ({', '.join(notes)})" if notes else ""
        text = f"{measurement.because} ({text})" if measurement.because and fires else text
        is_unsure = not fires and self._beyond(measurement.value or 0.0, limit)
        return f"{text}, beyond the limit but not yet significant" if is_unsure else text


@dataclass(frozen=True, slots=True)
class ShareLimit:
    """A limit on the share of instances (for example features) for which a threshold fires."""

    part: Threshold
    of: str
    above: float
    clear: float

    def evaluate(self, context: EvaluationContext) -> ConditionResults:
        """One result over all instances that could be evaluated."""
        inner = self.part.evaluate(
            EvaluationContext(context.stream, context.readings, (self.of,), context.now, context.explained)
        )
        evaluated = {instance: result for instance, result in inner.items() if result.fires is not None}
        if not evaluated:
            return {(): unknown(self.part.metric, f"{self.part.metric} was not measured for any {self.of}")}
        beyond = sorted(instance[0][1] for instance, result in evaluated.items() if result.fires and instance)
        share, sample = len(beyond) / len(evaluated), next(iter(evaluated.values()))
        names = f" ({', '.join(beyond[:5])}{', ...' if len(beyond) > 5 else ''})" if beyond else ""
        have = "has" if len(beyond) == 1 else "have"
        reason = (
            f"{len(beyond)} of {len(evaluated)} {self.of}s {have} {self.part.metric} beyond its limit{names}"
        )
        result = ConditionResult(
            share > self.above,
            share > self.clear,
            reason,
            self.part.metric,
            share,
            self.above,
            None,
            "share",
            sample.n,
            window=sample.window,
        )
        return {(): result}

    def lengths(self) -> set[int]:
        """Those of its threshold."""
        return self.part.lengths()

    def metrics(self) -> set[str]:
        """Those of its threshold."""
        return self.part.metrics()

    def excludes(self, _instance: Labels, /) -> bool:
        """Never: it is about all instances together."""
        return False


@dataclass(frozen=True, slots=True)
class Absent:
    """Fires while a metric is not measured."""

    metric: str
    seconds: int

    def evaluate(self, context: EvaluationContext) -> ConditionResults:
        """One result, never unknown."""
        measurements = context.readings.find(context.stream, self.seconds, self.metric)
        is_absent = all(measurement.value is None for measurement in measurements)
        words = "was not measured" if is_absent else "was measured"
        reason = f"{self.metric} {words} over {span(self.seconds)}"
        window = measurements[0].window if measurements else None
        return {(): ConditionResult(is_absent, is_absent, reason, self.metric, window=window)}

    def lengths(self) -> set[int]:
        """Its one window length."""
        return {self.seconds}

    def metrics(self) -> set[str]:
        """Its one metric."""
        return {self.metric}

    def excludes(self, _instance: Labels, /) -> bool:
        """Never: it is about the whole stream."""
        return False


def is_significantly_beyond(
    count: float, n: float, limit: float, confidence: float, *, is_above: bool
) -> bool:
    """Whether the exact one-sided bound of the proportion `count` of `n` is above (or below) the limit.

    Clopper and Pearson (1934): if the true proportion is at the limit, the probability of True is at most
    1 - confidence, for any n.
    """
    if is_above:
        return limit < 0 or (count > 0 and beta(count, n - count + 1, limit) < 1 - confidence)
    return limit > 1 or (count < n and beta(count + 1, n - count, limit) > confidence)


def edge(measurement: Measurement, confidence: float, *, upper: bool) -> float:
    """The upper or lower confidence bound, from the measured 95 % interval scaled as for a normal distribution.

    Without an interval it is the value.
    """
    value, end = measurement.value, measurement.high if upper else measurement.low
    assert value is not None
    if end is None:
        return value
    times = NormalDist().inv_cdf(confidence) / NormalDist().inv_cdf(0.975)
    if measurement.metric not in RATIOS:
        return value + (end - value) * times
    if (
        value <= 0 or end <= 0
    ):  # no hit: Wilson's limit of a share of none grows with the square of the deviate
        return end * times * times if upper else 0.0
    return value * math.exp(math.log(end / value) * times)
