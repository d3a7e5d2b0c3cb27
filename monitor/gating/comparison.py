"""The whole comparison of joined items: metrics, targets, rules and segments, and the verdict."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from monitor.errors import InputError
from monitor.gating import agreement, decision, production_rules, segments
from monitor.gating.answers import PairedAnswers, evaluate
from monitor.gating.figures import FIGURES, GateFigure, usual
from monitor.gating.pairing import Items
from monitor.gating.records import MetricResult, RuleResult, TargetResult
from monitor.gating.resampling import DRAWS, Units, units_of
from monitor.gating.result import GateResult
from monitor.health.settings import ModelView
from monitor.health.targets import limits_of
from monitor.metrics import MetricSettings
from monitor.metrics.quality.task import Task
from monitor.records import Better, Stream
from monitor.releases.margins import Margin, margin_of
from monitor.rules.rule import RuleSet

_FEW_CLASSES = 100
_MOST_SEGMENTS = 100
"""Segments of a result, which has to stay small enough to be stored with an approval."""


@dataclass(frozen=True, slots=True)
class Criteria:
    """What a candidate is judged by. Empty `metrics` are those that the items have; `task` is as in the configuration.

    `alpha` is the probability of failing a candidate that is not worse, and of passing a metric that is worse than its
    margin. `rules` are those of production. `view` is what the configuration says of the model: its agreed targets are
    added to `targets`.
    """

    stream: Stream = field(default_factory=lambda: Stream("gate", "candidate"))
    task: str = ""
    metrics: Sequence[str] = ()
    margins: Mapping[str, Margin] = field(default_factory=dict)
    targets: Mapping[str, float] = field(default_factory=dict)
    view: ModelView | None = None
    rules: RuleSet = field(default_factory=RuleSet)
    settings: MetricSettings = field(default_factory=MetricSettings)
    alpha: float = 0.05
    draws: int = DRAWS
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Names:
    """What is compared, for reports."""

    title: str = ""
    candidate: str = "candidate"
    baseline: str = "baseline"


def judge(items: Items, criteria: Criteria, names: Names) -> GateResult:
    """Compare both sides of the items.

    Raises:
        InputError: a named metric is not one that a gate compares.
    """
    if unknown := [name for name in criteria.metrics if name not in FIGURES]:
        raise InputError(f"a gate does not compare {unknown[0]!r}", hint=f"it compares {', '.join(FIGURES)}")
    data = evaluate(items, criteria.stream, criteria.settings, criteria.task)
    units = units_of(items.n, items.groups, criteria.seed, criteria.draws)
    chosen = criteria.metrics or usual(data)
    criteria = replace(criteria, targets={**_agreed(criteria.view, chosen), **criteria.targets})
    figures = _figures([*chosen, *criteria.targets], data, units, criteria)
    compared = {name: _compared(figure, units, criteria, items) for name, figure in figures.items()}
    # A metric that nobody named and that cannot be measured on these items must not block for ever.
    lacking = [] if criteria.metrics else [name for name in chosen if figures[name].values is None]
    measured = [name for name in chosen if name not in lacking]
    metrics = decision.decide_metrics([compared[name] for name in measured], criteria.alpha)
    targets = agreement.judge(figures, compared, units, criteria.targets)
    fired = _rules(data, targets, compared, criteria)
    judged, small = segments.compare(data, items.segments, items.groups, criteria.alpha)
    worst = [one for one in judged if _loses(one.difference, one.metric)]
    outcome, reason = decision.decide(metrics, targets, fired)
    return GateResult(
        outcome,
        reason,
        names.title or names.candidate,
        names.candidate,
        names.baseline,
        items.n,
        None if items.groups is None else items.group_count,
        metrics,
        targets,
        fired,
        tuple(worst[:_MOST_SEGMENTS]),
        small,
        (
            *items.notes,
            *(f"{name} is not compared: {figures[name].reason}" for name in lacking),
            *_notes(data, criteria, len(worst)),
        ),
        criteria.alpha,
        criteria.seed,
    )


def _agreed(view: ModelView | None, chosen: Sequence[str]) -> Mapping[str, float]:
    return {} if view is None else limits_of(view, chosen)


def _figures(
    names: Sequence[str], data: PairedAnswers, units: Units, criteria: Criteria
) -> dict[str, GateFigure]:
    """Each figure once."""
    figures = {}
    for name in dict.fromkeys(names):
        if name in FIGURES:
            info, make = FIGURES[name]
            figures[name] = make(data, units, info, criteria.settings.calibration_bins)
    return figures


def _compared(figure: GateFigure, units: Units, criteria: Criteria, items: Items) -> MetricResult:
    baseline = 0.0
    if figure.values is not None:
        baseline = float(figure.values[1](figure.baseline.sum(axis=0)[None])[0])
    margin = margin_of(figure.info.name, criteria.margins, criteria.targets, baseline)
    return decision.compare(figure, units, margin, criteria.alpha, grouped=items.groups is not None)


def _rules(
    data: PairedAnswers,
    targets: tuple[TargetResult, ...],
    compared: Mapping[str, MetricResult],
    criteria: Criteria,
) -> tuple[RuleResult, ...]:
    mine = [target for target in targets if not target.is_no_news]
    n = max((compared[one.metric].n for one in mine), default=0)
    shortfalls = agreement.shortfalls(tuple(mine), n, criteria.stream)
    return production_rules.evaluate(criteria.rules, *data.subjects, (shortfalls, ()))


def _notes(data: PairedAnswers, criteria: Criteria, lost: int) -> Iterator[str]:
    """What a reader might not expect."""
    if lost > _MOST_SEGMENTS:
        yield f"{lost - _MOST_SEGMENTS:,} more segments lost less, and are not listed"
    if others := [name for name in criteria.targets if name not in FIGURES]:
        yield f"a gate does not measure {', '.join(others)}, for which a target is agreed"
    known = data.truth_numbers[np.isfinite(data.truth_numbers)]
    is_regression = data.task is Task.REGRESSION and not criteria.task
    if (
        is_regression
        and known.size
        and (known == np.rint(known)).all()
        and np.unique(known).size <= _FEW_CLASSES
    ):
        yield "answers are compared as numbers; if they are classes, say so: --task multiclass"


def _loses(difference: float, metric: str) -> bool:
    info, _ = FIGURES[metric]
    return difference > 0 if info.better is Better.LOWER else difference < 0
