"""Conditions on a figure: above or below a level, for one, for each, or for a share of the instances."""

import math
from dataclasses import dataclass, replace
from statistics import NormalDist

from monitor.metrics.tails import beta
from monitor.records import Labels, Measurement
from monitor.rules.condition import Finding, Findings, Question, unknown
from monitor.rules.level import BASELINE, PAST, Level
from monitor.rules.matchers import Matcher, all_match
from monitor.rules.wording import bound, figure, span

PROPORTIONS = frozenset(
    (
        "error_rate", "availability", "accuracy", "missing_share", "new_category_share", "out_of_range_share",
        "confidence_low_share", "automation_rate", "review_rate", "correction_rate",
    )
)  # fmt: skip
"""Metrics that are k of n: their bound is exact. Others use the interval they were measured with."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A metric against a level.

    With a `confidence` the one-sided bound of the value, not the value itself, must be beyond the level: with
    few rows a figure can be anything. `clear` is where a firing alert lets go. `samples` is how many rows the
    figure must rest on.
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

    def judge(self, question: Question) -> Findings:
        """A finding for each measured instance; one without labels where nothing was measured."""
        findings: Findings = {}
        for measurement in question.readings.find(question.stream, self.seconds, self.metric):
            instance = self._instance(measurement, question.by)
            if instance is not None:
                findings[instance] = self._assess(measurement, question)
        if not findings and not question.by:
            findings[()] = unknown(self.metric, f"{self.metric} over {span(self.seconds)} was not measured")
        return findings

    def lengths(self) -> set[int]:
        """Its one window length."""
        return {self.seconds}

    def metrics(self) -> set[str]:
        """Its one metric."""
        return {self.metric}

    def _instance(self, measurement: Measurement, by: tuple[str, ...]) -> Labels | None:
        """The labels that make this measurement an instance, or None where it is not asked about."""
        if not measurement.labels:
            return None if self.matchers and not all_match(self.matchers, {}) else ()
        if self.matchers and not all_match(self.matchers, dict(measurement.labels)):
            return None
        pinned = {matcher.name for matcher in self.matchers}
        if any(name not in by and name not in pinned for name, _ in measurement.labels):
            return None
        return tuple(pair for pair in measurement.labels if pair[0] in by)

    def _assess(self, measurement: Measurement, question: Question) -> Finding:
        value = measurement.value
        if value is None:
            return unknown(self.metric, f"{self.metric}: {measurement.reason or 'was not measured'}")
        if not math.isfinite(value):
            return unknown(self.metric, f"{self.metric} is not a number", is_error=True)
        if measurement.n < self.samples:
            return unknown(self.metric, f"{self.metric}: {measurement.n:g} rows of {self.samples:g} needed")
        reference = self._reference(measurement, question)
        limit = self.level.resolve(reference)
        if limit is None:
            return self._assumed(measurement)
        clear = limit if self.clear is None else self.clear.resolve(reference)
        holds = self._beyond(value, limit if clear is None else clear)
        fires = self._beyond(value, limit) and self._is_sure(measurement, limit)
        return Finding(
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

    def _assumed(self, measurement: Measurement) -> Finding:
        reason = f"{self.metric}: no {self.level.reference} to hold it against"
        finding = unknown(self.metric, reason)
        if self.assume is None:
            return finding
        value, unit = measurement.value, measurement.unit
        return replace(finding, fires=self.assume, holds=self.assume, value=value, unit=unit, n=measurement.n)

    def _reference(self, measurement: Measurement, question: Question) -> float | None:
        if self.level.reference == BASELINE:
            return measurement.baseline
        back = PAST.get(self.level.reference)
        if back is None:
            return None
        # The same hour of that day: half an hour to either side of the window's end.
        end = measurement.window.end - back
        return question.readings.past(
            question.stream, self.metric, measurement.labels, self.seconds, end - 1800, end + 1800
        )

    def _beyond(self, value: float, limit: float) -> bool:
        return value > limit if self.is_above else value < limit

    def _is_sure(self, measurement: Measurement, limit: float) -> bool:
        if not self.confidence:
            return True
        n, value = measurement.n, measurement.value
        if value is not None and measurement.metric in PROPORTIONS and n > 0:
            return is_surely_beyond(value * n, n, limit, self.confidence, is_above=self.is_above)
        return self._beyond(_edge(measurement, self.confidence, upper=not self.is_above), limit)

    def _reason(self, measurement: Measurement, limit: float, fires: bool) -> str:
        value, bar = figure(measurement.value, measurement.unit), bound(limit, measurement.unit)
        side = "above" if self.is_above else "below"
        relative = f" = {self.level}" if self.level.reference else ""
        over = span(measurement.window.seconds)
        compared = measurement.label("against").replace("_", " ")
        beside = f" against the {compared}" if compared else ""
        notes = [f"limit: {side} {bar}{relative}"] if bar != "-" else []
        notes += [f"n = {measurement.n:g}"] if measurement.n else []
        text = f"{self.metric} is {value} over {over}{beside}"
        text += f" ({', '.join(notes)})" if notes else ""
        text = f"{measurement.because} ({text})" if measurement.because and fires else text
        is_unsure = not fires and self._beyond(measurement.value or 0.0, limit)
        return f"{text}, beyond it but not surely" if is_unsure else text


@dataclass(frozen=True, slots=True)
class Share:
    """The share of instances (of features, say) for which a threshold fires, against a level of its own."""

    part: Threshold
    of: str
    above: float
    clear: float

    def judge(self, question: Question) -> Findings:
        """One finding over all instances that could be judged."""
        inner = self.part.judge(Question(question.stream, question.readings, (self.of,), question.now))
        judged = {instance: finding for instance, finding in inner.items() if finding.fires is not None}
        if not judged:
            return {(): unknown(self.part.metric, f"{self.part.metric} was not measured for any {self.of}")}
        beyond = sorted(instance[0][1] for instance, finding in judged.items() if finding.fires and instance)
        share, sample = len(beyond) / len(judged), next(iter(judged.values()))
        names = f" ({', '.join(beyond[:5])}{', ...' if len(beyond) > 5 else ''})" if beyond else ""
        reason = f"{len(beyond)} of {len(judged)} {self.of}s have {self.part.metric} beyond its limit{names}"
        finding = Finding(
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
        return {(): finding}

    def lengths(self) -> set[int]:
        """Those of its threshold."""
        return self.part.lengths()

    def metrics(self) -> set[str]:
        """Those of its threshold."""
        return self.part.metrics()


@dataclass(frozen=True, slots=True)
class Absent:
    """Fires while nothing is measured of a metric."""

    metric: str
    seconds: int

    def judge(self, question: Question) -> Findings:
        """One finding; it can always be made."""
        found = question.readings.find(question.stream, self.seconds, self.metric)
        is_absent = all(measurement.value is None for measurement in found)
        words = "was not measured" if is_absent else "was measured"
        reason = f"{self.metric} {words} over {span(self.seconds)}"
        window = found[0].window if found else None
        return {(): Finding(is_absent, is_absent, reason, self.metric, window=window)}

    def lengths(self) -> set[int]:
        """Its one window length."""
        return {self.seconds}

    def metrics(self) -> set[str]:
        """Its one metric."""
        return {self.metric}


def is_surely_beyond(count: float, n: float, limit: float, confidence: float, *, is_above: bool) -> bool:
    """Is the exact one-sided bound of the proportion behind `count` of `n` rows above (or below) the limit?

    At the limit itself the answer is wrong with a chance of at most 1 - confidence, however few the rows (Clopper and
    Pearson 1934).
    """
    if is_above:
        return limit < 0 or (count > 0 and beta(count, n - count + 1, limit) < 1 - confidence)
    return limit > 1 or (count < n and beta(count + 1, n - count, limit) > confidence)


def _edge(measurement: Measurement, confidence: float, *, upper: bool) -> float:
    """The end of the 95 % interval that a figure was measured with, widened like a normal one; without an interval,
    the value itself.
    """
    value, edge = measurement.value, measurement.high if upper else measurement.low
    assert value is not None
    z = NormalDist().inv_cdf(confidence)
    return value if edge is None else value + (edge - value) * z / NormalDist().inv_cdf(0.975)
