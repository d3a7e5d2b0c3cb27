"""How often the gate is wrong, by simulation: no more often than it says (three standard errors of the simulation)."""

import math

import pytest

from tests.bench.gate import accuracy, at_the_margin, of_groups
from tests.support.thorough import THOROUGH

RUNS = 400 if THOROUGH else 150
long = pytest.mark.skipif(not THOROUGH, reason="a minute of simulation")


def at_most(share: float, runs: int) -> float:
    return share + 3 * math.sqrt(share * (1 - share) / runs)


@pytest.mark.parametrize("n", [200, 1000])
def test_fixed_thresholds_block_by_chance_and_ours_does_not(n: int) -> None:
    same, limit, worse = (accuracy(n, drop, RUNS) for drop in (0.0, 0.02, 0.03))
    assert same.any_drop > 0.4
    assert same.ours_fails <= at_most(0.05, RUNS)
    assert limit.ours_passes <= at_most(0.05, RUNS)
    assert worse.ours_passes <= 0.02
    assert worse.ours_fails > 2 * worse.unpaired or worse.ours_fails > 0.9
    assert worse.ours_fails > (0.28 if n == 200 else 0.85)


@long
def test_bootstrapped_metrics_are_wrong_as_often_as_they_say() -> None:
    for name in ("mae", "latency_p95"):
        passed, failed = at_the_margin(name, 300, 60)
        assert passed <= at_most(0.06, 60), name
        assert failed <= at_most(0.06, 60), name


@long
def test_groups_keep_the_error_that_items_do_not() -> None:
    failed, naive, passed = of_groups(60, 10, 50)
    assert failed <= at_most(0.05, 50)
    assert passed <= at_most(0.06, 50)
    assert naive > failed
