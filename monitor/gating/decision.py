"""Decides each metric, and then the gate. Pure.

A metric passes if its lower bound of the candidate's gain lies above minus the margin (non-inferior). It fails if the
candidate is proven to be worse (after Holm's correction over all metrics) and the loss is larger than the margin. All
else is inconclusive. The gate fails if one metric fails, and passes if all pass, so neither error grows with the
number of metrics: false blocks are kept below alpha by Holm, and a candidate that is worse than its margin in one
metric passes that metric with probability alpha at most.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from monitor.gating import exact_tests
from monitor.gating.figures import GateFigure
from monitor.gating.records import MetricResult, RuleResult, TargetResult
from monitor.gating.resampling import Units, samples
from monitor.records import Better
from monitor.releases.margins import Margin
from monitor.rollouts.verdict import Outcome
from monitor.visible import counted

FEWEST = 30
"""Fewer items, or groups, are no basis for a decision."""
_POWER = 0.8
_MOST_TIMES = 1000
"""More than this many times the items is no advice."""
_NORMAL = NormalDist()


_UNDECIDABLE = "; the loss is about as large as the margin, so that more items would hardly decide"


@dataclass(frozen=True, slots=True)
class _Gain:
    """How much better the candidate is (negative: worse), its bounds, the p-value of not being worse, and the lower
    bound of gain + margin.
    """

    value: float
    low: float
    high: float
    slack: float
    p_worse: float
    error: float
    test: str


def compare(figure: GateFigure, units: Units, margin: Margin, alpha: float, *, grouped: bool) -> MetricResult:
    """One metric on both sides, before the correction for several metrics: `p_adjusted` is None."""
    info = figure.info
    empty = MetricResult(
        info.name, info.unit, str(info.better), figure.n, Outcome.INCONCLUSIVE, figure.reason
    )
    if figure.values is None:
        return replace(empty, reason=f"not measured: {figure.reason}")
    sides = [
        float(value(part.sum(axis=0)[None])[0])
        for value, part in zip(figure.values, (figure.candidate, figure.baseline), strict=True)
    ]
    if not all(map(math.isfinite, sides)):
        return replace(empty, reason="not measured: it is not defined for these items")
    candidate, baseline = sides
    sign = -1.0 if info.better is Better.LOWER else 1.0
    shown = replace(
        empty,
        candidate=candidate,
        baseline=baseline,
        difference=candidate - baseline,
        margin=margin.at(baseline),
        relative_margin=margin.size if margin.is_relative else None,
    )
    what = "groups" if grouped else "items"
    present = _groups_used(figure) if grouped else figure.n
    if present < FEWEST:
        return replace(shown, reason=f"{present} {what}, and at least {FEWEST} are needed", needed=FEWEST)
    is_exact = figure.pairs is not None and not grouped
    gain = _of_pairs(figure, margin, alpha) if is_exact else _of_draws(figure, units, margin, alpha, sign)
    if gain is None:
        return replace(shown, reason="not measured: it is not defined for too many of the bootstrap's draws")
    ends = sorted((sign * gain.low, sign * gain.high))
    counted = replace(shown, low=ends[0], high=ends[1], p_worse=gain.p_worse, test=gain.test)
    return _with_need(counted, gain, alpha)


def _groups_used(figure: GateFigure) -> int:
    """The groups that have a compared item."""
    if figure.pairs is not None:
        return int(np.unique(figure.pairs.codes).size)
    return int(np.count_nonzero(figure.candidate.any(axis=1)))


def _of_pairs(figure: GateFigure, margin: Margin, alpha: float) -> _Gain | None:
    """Exact McNemar for items that are right or wrong, with Tango's interval."""
    assert figure.pairs is not None
    won = int(np.count_nonzero(figure.pairs.candidate & ~figure.pairs.baseline))
    lost = int(np.count_nonzero(figure.pairs.baseline & ~figure.pairs.candidate))
    n = figure.n
    counts = np.array([lost, won, n], np.float64)[:, None]
    ends = exact_tests.tango(counts[0], counts[1], counts[2], _NORMAL.inv_cdf(1 - alpha))
    low, high = (float(end[0]) for end in ends)
    value = (won - lost) / n
    error = math.sqrt(max(won + lost - (won - lost) ** 2 / n, 1.0)) / n
    p_worse = exact_tests.mcnemar(lost, won)
    return _Gain(value, low, high, low + margin.size, p_worse, error, "exact McNemar")


def _of_draws(figure: GateFigure, units: Units, margin: Margin, alpha: float, sign: float) -> _Gain | None:
    """The paired bootstrap (BCa). A relative margin is drawn with the baseline that it is a share of."""
    assert figure.values is not None
    parts = np.concatenate([figure.candidate, figure.baseline], axis=1)
    width = figure.candidate.shape[1]
    mine, theirs = figure.values

    def gain_of(sums: np.ndarray) -> np.ndarray:
        return sign * (mine(sums[..., :width]) - theirs(sums[..., width:]))

    def slack_of(sums: np.ndarray) -> np.ndarray:
        return gain_of(sums) + margin.size * np.abs(theirs(sums[..., width:]))

    wanted = [gain_of, *([slack_of] if margin.is_relative else [])]
    drawn = [one for one in samples(units, parts, wanted, is_smooth=figure.is_smooth) if one is not None]
    if len(drawn) < len(wanted):
        return None
    gain, slack = drawn[0], drawn[-1]
    low, high = gain.bound(alpha), gain.bound(1 - alpha)
    spare = slack.bound(alpha) if margin.is_relative else low + margin.size
    p_worse, test = gain.p_below(), "paired bootstrap"
    if figure.pairs is not None:
        p_worse, test = _signs(figure, units), "exact test of signs of groups, bootstrap by group"
    return _Gain(gain.observed, low, high, spare, p_worse, gain.deviation, test)


def _signs(figure: GateFigure, units: Units) -> float:
    pairs = figure.pairs
    assert pairs is not None
    each = pairs.candidate.astype(np.float64) - pairs.baseline
    return exact_tests.signs(np.rint(np.bincount(pairs.codes, each, units.count)).astype(np.int64))


def _with_need(result: MetricResult, gain: _Gain, alpha: float) -> MetricResult:
    """The outcome as far as one metric can tell: pass, or not; and how many items would decide it."""
    assert result.margin is not None
    if gain.slack >= 0:
        return replace(result, outcome=Outcome.PASS)
    reach = (_NORMAL.inv_cdf(1 - alpha) + _NORMAL.inv_cdf(_POWER)) * gain.error * math.sqrt(result.n)
    # If the candidate is as good as the baseline, or as it was measured: whichever takes more.
    room = min(result.margin, result.margin + gain.value)
    distance = room if room > 0 else abs(gain.value)
    if distance * math.sqrt(_MOST_TIMES * result.n) <= reach:
        return result
    return replace(result, needed=max(math.ceil((reach / distance) ** 2), result.n + 1))


def decide_metrics(results: Sequence[MetricResult], alpha: float) -> tuple[MetricResult, ...]:
    """The metrics with their outcome and reason, after Holm's correction."""
    p_values = [result.p_worse for result in results]
    adjusted = iter(holm([p for p in p_values if p is not None]))
    return tuple(
        result if result.p_worse is None else _decided(replace(result, p_adjusted=next(adjusted)), alpha)
        for result in results
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for several tests (Holm 1979), in the same order."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    adjusted, largest = [1.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, p_values[place] * (len(p_values) - rank)))
        adjusted[place] = largest
    return adjusted


def _decided(one: MetricResult, alpha: float) -> MetricResult:
    assert one.p_adjusted is not None
    assert one.difference is not None
    assert one.margin is not None
    loss = one.difference if one.better == Better.LOWER else -one.difference
    is_worse = one.p_adjusted <= alpha
    if one.outcome is Outcome.PASS:
        words = "worse, but within the margin" if is_worse else "not worse than the margin allows"
        return replace(one, reason=words, needed=None)
    if is_worse and loss > one.margin:
        return replace(one, outcome=Outcome.FAIL, reason="proven worse, by more than the margin", needed=None)
    words = "proven worse, but perhaps within the margin" if is_worse else "neither proven worse nor no worse"
    enough = f"; about {counted(one.needed, 'item')} would decide" if one.needed is not None else _UNDECIDABLE
    return replace(one, outcome=Outcome.INCONCLUSIVE, reason=f"{words}{enough}")


def decide(
    metrics: Sequence[MetricResult], targets: Sequence[TargetResult], rules: Sequence[RuleResult]
) -> tuple[Outcome, str]:
    """The verdict and its reason in one sentence."""
    failed = [f"{metric.metric} is {metric.reason}" for metric in metrics if metric.outcome is Outcome.FAIL]
    failed += [f"the agreed target of {target.metric} is missed" for target in targets if target.blocks]
    blocking = sorted({f"{rule.rule} ({rule.severity})" for rule in rules if rule.blocks})
    failed += [f"in production it would fire {', '.join(blocking)}"] if blocking else []
    if failed:
        return Outcome.FAIL, "; ".join(failed)
    open_ = [
        *_undecided(metrics),
        *(f"{target.metric}: {target.reason}" for target in targets if target.is_open),
    ]
    if open_:
        return Outcome.INCONCLUSIVE, "; ".join(open_)
    if not metrics:
        return Outcome.INCONCLUSIVE, "there is nothing to compare: no truth, error, cost or latency is known"
    names = ", ".join(metric.metric for metric in metrics)
    return Outcome.PASS, f"no worse than the margin allows in {names}"


def _undecided(metrics: Sequence[MetricResult]) -> list[str]:
    """The metrics that are not decided, those that were not measured by themselves."""
    open_ = [metric for metric in metrics if metric.outcome is Outcome.INCONCLUSIVE]
    without = [f"{one.metric}: {one.reason}" for one in open_ if one.p_worse is None]
    named = [one.metric for one in open_ if one.p_worse is not None]
    if not named:
        return without
    most = max((one.needed or 0 for one in open_ if one.p_worse is not None), default=0)
    enough = f"; about {most:,} items would" if most else ""
    return [f"there is no proof for {', '.join(named)}{enough}", *without]
