"""The rules on groups keep to the false-alarm budget: groups that are treated alike practically never fire."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from monitor.metrics import METRICS, intervals
from monitor.metrics.fairness.disparity import DISPARATE_IMPACT, EQUAL_OPPORTUNITY_DIFFERENCE
from monitor.metrics.metric import MetricInfo
from monitor.records import Measurement, Stream, Window
from monitor.rules import load
from monitor.rules.engine.condition import Any
from monitor.rules.engine.threshold import Threshold, edge

STREAM, DAY = Stream("acme", "credit"), Window(0, 86400)
PACKS = [Path(__file__).parents[2] / "rules" / f"{name}.yaml" for name in ("warning", "info")]
RULES = {rule.name: rule for rule in load(PACKS, METRICS).rules}
LEAST = 100
LOOKS_A_DAY = 288
DAYS = 30
SHARES = (0.01, 0.03, 0.2, 0.5, 0.9)
"""Selection rates, or true positive rates."""
Measure = Callable[[float, float, float, float], Measurement]


def thresholds(name: str) -> list[Threshold]:
    condition = RULES[name].condition
    assert isinstance(condition, Any)
    return [part for part in condition.parts if isinstance(part, Threshold)]


def ratio(hits: float, n: float, others: float, m: float) -> Measurement:
    ends = intervals.ratio_of_shares(hits, n, others, m)
    return measurement(DISPARATE_IMPACT, hits / n / (others / m), n, ends)


def difference(hits: float, n: float, others: float, m: float) -> Measurement:
    ends = intervals.difference_of_shares(hits, n, others, m)
    return measurement(EQUAL_OPPORTUNITY_DIFFERENCE, hits / n - others / m, n, ends)


def measurement(info: MetricInfo, value: float, n: float, ends: tuple[float, float]) -> Measurement:
    return Measurement(STREAM, DAY, info.name, value, info.unit, info.better, n, (), *ends)


def fires(rule: str, one: Measurement) -> bool:
    """As the engine does: the value and its confidence bound beyond the limit, on either side."""
    assert one.value is not None
    for part in thresholds(rule):
        limit = part.level.resolve(None)
        assert limit is not None
        bound = edge(one, part.confidence, upper=not part.is_above)
        if (bound > limit) if part.is_above else (bound < limit):
            return True
    return False


def rolling_days(rng: np.random.Generator, rows: float, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Hits and rows of the last day, at each look within 30 days."""
    n = rng.poisson(rows / LOOKS_A_DAY, LOOKS_A_DAY * (DAYS + 1))
    hits = rng.binomial(n, share)
    sums = [np.cumsum(np.concatenate([[0], some])) for some in (hits, n)]
    return tuple(some[LOOKS_A_DAY:] - some[:-LOOKS_A_DAY] for some in sums)  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("rule", "measure"), [("DisparateImpact", ratio), ("UnequalOpportunity", difference)]
)
def test_groups_that_are_treated_alike_fire_less_than_once_in_30_days(rule: str, measure: Measure) -> None:
    """Looked at every five minutes, with 17 small groups beside the reference group, some hardly ever selected."""
    rng, pages = np.random.default_rng(11), 0
    for share in SHARES:
        others, m = rolling_days(rng, 2000, share)
        for rows in (105, 120, 150, 300) * 4 + (1500,):
            hits, n = rolling_days(rng, rows, share)
            is_usable = (n >= LEAST) & (others > 0)
            is_usable &= np.abs(np.log((hits + 0.5) / n / (others / m))) > 0.4  # nearer ones cannot fire
            counts = np.unique(np.stack([hits, n, others, m])[:, is_usable].T, axis=0)
            pages += any(fires(rule, measure(*map(float, one))) for one in counts)
    assert pages < len(SHARES)  # as many months of a model with 17 groups


@pytest.mark.parametrize(
    ("rule", "measure", "share", "limit"),
    [
        ("DisparateImpact", ratio, 0.5, lambda share: share * 0.8),
        ("DisparateImpact", ratio, 0.1, lambda share: share * 0.8),
        ("DisparateImpact", ratio, 0.02, lambda share: share * 0.8),
        ("UnequalOpportunity", difference, 0.7, lambda share: share - 0.1),
        ("UnequalOpportunity", difference, 0.15, lambda share: share - 0.1),
    ],
)
def test_at_the_limit_itself_one_window_fires_less_than_once_in_a_thousand(
    rule: str, measure: Measure, share: float, limit: Callable[[float], float]
) -> None:
    """Exactly: over all counts that 100 rows of the group and 600 of the reference group may give."""
    n, m = 100, 600
    of_group = stats.binom.pmf(np.arange(n + 1), n, limit(share))
    of_others = stats.binom.pmf(np.arange(m + 1), m, share)
    found = sum(
        of_group[a] * of_others[b]
        for a in np.flatnonzero(of_group > 1e-9)
        for b in np.flatnonzero(of_others > 1e-7)
        if b and fires(rule, measure(float(a), n, float(b), m))
    )
    assert found < 0.0005


def test_a_group_that_is_selected_half_as_often_is_told_within_a_day() -> None:
    assert fires("DisparateImpact", ratio(100, 400, 1000, 2000))
    assert fires("DisparateImpact", ratio(1000, 2000, 100, 400))  # the reference group is the one with less
    assert not fires("DisparateImpact", ratio(30, 100, 1000, 2000))
