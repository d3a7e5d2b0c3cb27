"""What must hold of every comparison: swapped sides, permuted rows, doubled items."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from monitor.gating import GateResult, Outcome
from monitor.gating.decision import holm
from tests.gating.items import classified, compared, regressed
from tests.support.thorough import examples

SEEDS = st.integers(0, 10**6)
_few = settings(max_examples=examples(4), deadline=None, phases=(Phase.explicit, Phase.generate))


def figures(result: GateResult) -> dict[str, tuple[float | None, ...]]:
    return {one.metric: (one.difference, one.low, one.high, one.p_worse) for one in result.metrics}


@_few
@given(SEEDS)
def test_swapping_the_sides_flips_the_sign(seed: int) -> None:
    candidate, baseline, truth = classified(200, seed=seed)
    margins = {"latency_p50": 0.01, "latency_p95": 0.01, "cost_per_prediction": 0.1, "log_loss": 0.1}
    there = compared(candidate, baseline, truth=truth, margins=margins)
    back = compared(baseline, candidate, truth=truth, margins=margins)
    for one in there.metrics:
        other = back.metric(one.metric)
        assert other is not None
        assert one.difference == pytest.approx(-other.difference)
        # Draws that equal a percentile's value are counted half, but the ends of its interval are draws themselves.
        coarse = 0.2 * (one.high - one.low) if one.metric.startswith("latency") else 1e-9
        assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=coarse), one.metric
        assert not (one.outcome is Outcome.FAIL and other.outcome is Outcome.FAIL)


@_few
@given(SEEDS)
def test_the_order_of_rows_changes_nothing(seed: int) -> None:
    candidate, baseline, truth = classified(120, seed=seed)
    candidate["segments.country"] = np.where(np.arange(120) % 2, "de", "fr")
    plain = compared(candidate, baseline, truth=truth, segments=["country"])
    shuffled = compared(
        candidate.sample(frac=1, random_state=seed),
        baseline.sample(frac=1, random_state=seed + 1),
        truth=truth.sample(frac=1, random_state=seed + 2),
        segments=["country"],
    )
    assert shuffled.to_json() == plain.to_json()


@_few
@given(SEEDS, st.integers(2, 4))
def test_repeating_the_items_of_groups_changes_nothing(seed: int, times: int) -> None:
    candidate, baseline, truth = classified(160, seed=seed)
    groups = np.random.default_rng(seed).integers(0, 50, 160)
    results = []
    for count in (1, times):
        sides = []
        for side in (candidate.assign(user=groups), baseline, truth):
            copies = [side.assign(id=side["id"] + f"#{copy}") for copy in range(count)]
            sides.append(pd.concat(copies))
        results.append(compared(sides[0], sides[1], truth=sides[2], group="user"))
    one, other = (figures(result) for result in results)
    assert one.keys() == other.keys()
    for name, values in one.items():
        # The thresholds of a percentile are closer together where there are more items.
        close = 0.05 if name.startswith("latency") else 1e-6
        assert values == pytest.approx(other[name], rel=close, abs=close / 1000), name
    assert [m.outcome for m in results[0].metrics] == [m.outcome for m in results[1].metrics]


def test_repeating_items_without_groups_is_what_makes_intervals_too_short() -> None:
    candidate, baseline = regressed(60)
    repeated = [
        pd.concat([side.assign(id=side["id"] + f"#{n}") for n in range(9)]) for side in (candidate, baseline)
    ]
    users = [side.assign(user=side["id"].str.partition("#")[0]) for side in repeated]
    once, naive, grouped = compared(candidate, baseline), compared(*repeated), compared(*users, group="user")
    widths = [m.high - m.low for m in (one.metric("mae") for one in (once, naive, grouped)) if m is not None]
    assert widths[1] < widths[0] / 2
    assert widths[2] == pytest.approx(widths[0], rel=0.05)
    assert grouped.groups == 60


def test_the_same_predictions_are_no_worse_and_prove_nothing_on_few_items() -> None:
    candidate, _, truth = classified(500)
    assert compared(candidate, candidate, truth=truth).outcome is Outcome.PASS
    few = compared(candidate.head(100), candidate, truth=truth)
    assert few.outcome is Outcome.INCONCLUSIVE
    assert (few.metric("accuracy").needed or 0) in range(101, 200)  # type: ignore[union-attr]


@settings(max_examples=examples(50))
@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_is_the_step_down_of_bonferroni(p_values: list[float]) -> None:
    """Rejected are those that the procedure rejects: from the smallest on, until one is larger than alpha / rest."""
    adjusted = holm(p_values)
    for alpha in (0.01, 0.05, 0.3):
        rejected, rest = set(), len(p_values)
        for p, place in sorted((p, place) for place, p in enumerate(p_values)):
            if p * rest > alpha:
                break
            rejected.add(place)
            rest -= 1
        assert {place for place, p in enumerate(adjusted) if p <= alpha} == rejected
