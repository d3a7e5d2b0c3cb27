"""Conditions as recording rules over the series of `exposed`, or the reason why a condition has no PromQL form.

Each condition becomes two recorded series with the value 1 or 0, or none if it cannot be evaluated: whether it fires,
and whether it still holds while firing. Those of its parts precede it, distinguished by the label `term`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from monitor.metrics import METRICS
from monitor.rules.engine.burn_rate import Burn
from monitor.rules.engine.condition import All, Any, Condition
from monitor.rules.engine.threshold import Absent, ShareLimit, Threshold
from monitor.rules.exports.exposed import BASELINE, EARLIER, LOWER, ROWS, UPPER, VALUE, confidence, window
from monitor.rules.language.level import BASELINE as OF_BASELINE
from monitor.rules.language.level import Level
from monitor.rules.language.matchers import Matcher

BASE = ("client", "environment", "model")
FIRES, HOLDS = "watchkeeper:term:fires", "watchkeeper:term:holds"
_LABELS = {metric.name: tuple(metric.labels) for metric in METRICS}
Record = dict[str, object]


class NotExposedError(Exception):
    """A condition that Prometheus cannot evaluate from the exposed series; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The numbers of a condition, each as PromQL; None if it has no such number."""

    value: str
    limit: str | None = None
    baseline: str | None = None
    rows: str | None = None


@dataclass(slots=True)
class Terms:
    """The recording rules of one condition, in the order of evaluation."""

    rule: str
    by: tuple[str, ...]
    also: frozenset[str]
    """Labels that series of the same metrics have because other rules use them."""
    records: list[Record] = field(default_factory=list)

    def __post_init__(self) -> None:
        if {"rule", "term"} & set(self.by):
            raise NotExposedError(
                "its alerts use the labels `rule` or `term`, which the exported rules need themselves"
            )

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of its alerts, without those that the rule adds."""
        return (*BASE, *self.by)

    def add(self, condition: Condition, term: str = "1", needs_all: bool = False) -> Figures:
        """Record a condition and its parts. With `needs_all`, a combination is unknown unless all its parts are known.

        Raises:
            NotExposedError: it has no PromQL form.
        """
        if isinstance(condition, Burn):
            pairs = tuple(All(condition.thresholds(*pair)) for pair in condition.pairs)
            return self._several(Any(pairs), term, needs_all=True)
        if isinstance(condition, (All, Any)):
            return self._several(condition, term, needs_all)
        if isinstance(condition, ShareLimit):
            return self._share(condition, term)
        if isinstance(condition, Absent):
            return self._absent(condition, term)
        if isinstance(condition, Threshold):
            return self._threshold(condition, term, self.by)
        raise NotExposedError(f"{type(condition).__name__.lower()} conditions have no PromQL form")

    def recorded(self, name: str, term: str, by: Sequence[str] | None = None) -> str:
        """The recorded series of a term, without the labels that identify the term."""
        labels = ", ".join(self.labels if by is None else (*BASE, *by))
        return f"max by ({labels}) ({name}{{rule={quoted(self.rule)},term={quoted(term)}}})"

    def put(self, name: str, expression: str, **labels: str) -> None:
        """Add a recording rule."""
        self.records.append({"record": name, "expr": expression, "labels": {"rule": self.rule, **labels}})

    def _several(self, condition: All | Any, term: str, needs_all: bool) -> Figures:
        if len({_instances(part, self.by) for part in condition.parts}) > 1:
            raise NotExposedError("it combines metrics of single inputs with metrics of the whole model")
        terms = [f"{term}_{index}" for index in range(1, len(condition.parts) + 1)]
        figures = [
            self.add(part, part_term, needs_all)
            for part, part_term in zip(condition.parts, terms, strict=True)
        ]
        by = ", ".join(self.labels)
        for name in (FIRES, HOLDS):
            parts = f"{name}{{rule={quoted(self.rule)},term=~{quoted('|'.join(terms))}}}"
            function, decided = ("min", 0) if isinstance(condition, All) else ("max", 1)
            aggregate = f"{function} by ({by}) ({parts})"
            is_known = f"({aggregate} and count by ({by}) ({parts}) == {len(terms)})"
            # One deciding part is enough; otherwise all must be known.
            decides = "" if needs_all and isinstance(condition, All) else f"({aggregate} == {decided}) or "
            self.put(name, decides + is_known, term=term)
        return figures[0] if isinstance(condition, All) else self._first(figures, terms)

    def _first(self, figures_of_parts: Sequence[Figures], terms: Sequence[str]) -> Figures:
        """The numbers of the first part that fires, else of the first that holds."""

        def joined(numbers: Sequence[str | None]) -> str | None:
            if len(set(numbers)) == 1:
                return numbers[0]
            expressions = [
                f"(({figure}) and {self.recorded(name, one)} == 1)"
                for name in (FIRES, HOLDS)
                for figure, one in zip(numbers, terms, strict=True)
                if figure is not None
            ]
            return " or ".join(expressions)

        value = joined([one.value for one in figures_of_parts])
        assert value is not None
        limit, baseline, rows = (
            joined([getattr(one, name) for one in figures_of_parts]) for name in ("limit", "baseline", "rows")
        )
        return Figures(value, limit, baseline, rows)

    def _threshold(self, threshold: Threshold, term: str, by: tuple[str, ...]) -> Figures:
        value, rows = self._series(VALUE, threshold, by), self._series(ROWS, threshold, by)
        reference = self._reference(threshold, by)
        limit = _resolved(threshold.level, reference)
        operator = ">" if threshold.is_above else "<"
        enough = f" and {rows} >= {number(threshold.samples)}" if threshold.samples else ""
        fires = f"({value} {operator} bool {limit})"
        if threshold.confidence:
            surely = self._series(
                LOWER if threshold.is_above else UPPER,
                threshold,
                by,
                f"confidence={quoted(confidence(threshold))}",
            )
            fires = f"{fires} * ({surely} {operator} bool {limit})"
        holds = fires
        clear = (
            limit
            if threshold.clear is None or (threshold.clear.reference and not reference)
            else _resolved(threshold.clear, reference)
        )
        if threshold.confidence or clear != limit:
            holds = f"({value} {operator} bool {clear}) + {fires} > bool 0"
        assumed = ""
        if threshold.assume is not None and reference:
            assumed = f" or ((0 * {value} + {int(threshold.assume)}{enough}) unless {reference})"
        for name, expression in ((FIRES, fires), (HOLDS, holds)):
            self.put(name, f"({expression}{enough}){assumed}", term=term)
        baseline = reference or self._series(BASELINE, threshold, by)
        return Figures(value, limit if reference else f"0 * {value} + {limit}", baseline, rows)

    def _share(self, share: ShareLimit, term: str) -> Figures:
        inner = f"{term}_each"
        rows = self._threshold(share.part, inner, (share.of,)).rows
        beyond = f"avg by ({', '.join(self.labels)}) ({self.recorded(FIRES, inner, (share.of,))})"
        self.put(FIRES, f"{beyond} > bool {number(share.above)}", term=term)
        self.put(HOLDS, f"{beyond} > bool {number(share.clear)}", term=term)
        return Figures(
            beyond, f"0 * {beyond} + {number(share.above)}", None, f"max by ({', '.join(BASE)}) ({rows})"
        )

    def _absent(self, absent: Absent, term: str) -> Figures:
        chosen = f"metric={quoted(absent.metric)},window={quoted(window(absent.seconds))}"
        by = ", ".join(BASE)
        known = f"max by ({by}) (watchkeeper_model_state)"
        expression = f"(0 * max by ({by}) ({VALUE}{{{chosen}}})) or (0 * {known} + 1)"
        for name in (FIRES, HOLDS):
            self.put(name, expression, term=term)
        return Figures(f"0 * {known}")

    def _series(self, name: str, threshold: Threshold, by: tuple[str, ...], *more: str) -> str:
        """One of the series of a threshold: one per instance."""
        chosen = [f"metric={quoted(threshold.metric)}", f"window={quoted(window(threshold.seconds))}"]
        chosen += [matcher(one_matcher) for one_matcher in threshold.matchers]
        pinned = {one_matcher.name for one_matcher in threshold.matchers}
        carried = {*_LABELS.get(threshold.metric, ()), "against", "segment", "version"} & self.also
        chosen += [f'{label}=""' for label in sorted(carried - {*by, *pinned, *BASE})]
        return f"max by ({', '.join((*BASE, *by))}) ({name}{{{','.join((*chosen, *more))}}})"

    def _reference(self, threshold: Threshold, by: tuple[str, ...]) -> str:
        if not threshold.level.reference:
            return ""
        if threshold.level.reference == OF_BASELINE:
            return self._series(BASELINE, threshold, by)
        return self._series(EARLIER, threshold, by, f"reference={quoted(threshold.level.reference)}")


def thresholds(condition: Condition) -> Iterator[Threshold]:
    """Every threshold of a condition, including those of shares."""
    if isinstance(condition, Threshold):
        yield condition
    elif isinstance(condition, ShareLimit):
        yield condition.part
    elif isinstance(condition, Burn):
        for pair in condition.pairs:
            yield from condition.thresholds(*pair)
    elif isinstance(condition, (All, Any)):
        for part in condition.parts:
            yield from thresholds(part)


def number(value: float) -> str:
    """A number in PromQL, exactly equal."""
    short = f"{value:.10g}"
    return short if float(short) == value else repr(float(value))


def quoted(text: str) -> str:
    """A text as a PromQL string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def matcher(one: Matcher) -> str:
    """A matcher in PromQL."""
    return f"{one.name}{one.operator}{quoted(one.value)}"


def _instances(condition: Condition, by: tuple[str, ...]) -> frozenset[str]:
    """The labels that the results of a condition can have."""
    if isinstance(condition, (All, Any)):
        return frozenset().union(*(_instances(part, by) for part in condition.parts))
    if isinstance(condition, Threshold):
        carried = {*_LABELS.get(condition.metric, ()), *(one.name for one in condition.matchers)}
        return frozenset(carried & set(by))
    return frozenset()


def _resolved(level: Level, reference: str) -> str:
    if not level.reference:
        return f"{number(level.offset)}"
    offset = f" + {number(level.offset)}" if level.offset else ""
    return f"({number(level.factor)} * {reference}{offset})"
