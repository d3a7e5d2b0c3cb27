"""A thin slice of `tests.bench.rollouts`: its vectorised verdicts are those of the daemon, and they are right."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from scipy.special import rel_entr
from scipy.stats import binom

from monitor.rollouts.arms import Arm, Arms
from monitor.rollouts.settings import CanaryTolerances
from monitor.rollouts.verdict import ALPHA, Outcome, canary_verdict
from tests.bench.rollouts import BAD, GOOD, HISTORY, SHARES, Scenario, ours, results, simulated, tuned

ARRAYS = ("answers", "failed", "latency", "wrong", "judged", "numbers", "errors", "confidence")
OTHERS = ("automated", "automated_known", "reviewed", "reviewed_known", "costed", "costs")


def part(arms: Arms, run: int, minutes: int) -> Arms:
    """The first minutes of one rollout."""

    def cut(side: Arm) -> Arm:
        return replace(
            side, **{name: getattr(side, name)[run, : HISTORY + minutes] for name in ARRAYS + OTHERS}
        )

    return replace(arms, canary=cut(arms.canary), stable=cut(arms.stable))


@pytest.mark.parametrize("scenario", [BAD[1], BAD[3], BAD[5]], ids=lambda one: one.name)
def test_the_simulated_minute_of_proof_is_that_of_the_verdict(scenario: Scenario) -> None:
    arms = simulated(replace(scenario, rate=50.0), 2, seed=1)
    for run, minute in enumerate(ours(arms)):
        assert np.isfinite(minute)
        at, before = (canary_verdict("8", "7", part(arms, run, int(minute) - back), 5.0) for back in (0, 1))
        assert at.outcome is Outcome.FAIL, at.reason
        assert before.outcome is not Outcome.FAIL, before.reason


def test_no_good_canary_is_failed_in_a_hundred_rollouts_and_every_slow_one_is() -> None:
    good = results(GOOD[1], 100)["ours"]
    assert not np.isfinite(good).any()
    slow = results(replace(BAD[3], rate=50.0), 10)["ours"]
    assert slow.max() <= 8


def test_tolerating_nothing_ours_is_as_soon_as_a_limit_that_was_tuned_and_never_blames_for_an_outage_of_both() -> (
    None
):
    checks = {"ours": partial(ours, tolerated=CanaryTolerances(failures=1)), "limit": tuned}
    bad, outage = results(BAD[0], 100, checks), results(GOOD[5], 50, checks)
    assert np.median(bad["ours"]) <= np.median(bad["limit"]) + 1
    assert not np.isfinite(outage["ours"]).any()
    assert np.isfinite(outage["limit"]).all()


def information(share: float, other: float) -> float:
    """The Kullback-Leibler divergence of two shares, in nats an answer."""
    return float(rel_entr([share, 1 - share], [other, 1 - other]).sum())


def test_what_the_docs_say_of_how_soon_any_test_could_be() -> None:
    """Wald: a test that is ever wrong with probability a needs ln(1/a) / KL answers on average."""
    bad, tolerated = 0.05, 0.015
    needed = np.log(1 / ALPHA) / information(bad, tolerated)
    assert needed == pytest.approx(178, abs=0.5)
    of_canary = np.cumsum(5 * 60 * SHARES)
    assert np.searchsorted(of_canary, needed) + 1 == 11
    at_flagger = int(of_canary[8])
    least = next(count for count in range(at_flagger) if binom.sf(count - 1, at_flagger, tolerated) <= ALPHA)
    assert binom.sf(least - 1, at_flagger, bad) == pytest.approx(0.5, abs=0.03)
    split, tilted = (worse * 0.05 / (worse * 0.05 + 0.95) for worse in (bad / 0.01, tolerated / 0.01))
    failing = 0.05 * bad + 0.95 * 0.01
    kept = failing * information(split, tilted) / (0.05 * information(bad, tolerated))
    assert kept == pytest.approx(0.86, abs=0.01)


def test_ours_needs_about_twice_the_least_possible_and_never_less() -> None:
    arms = simulated(Scenario("5 %", canary=0.05), 100, 1)
    given = np.cumsum(arms.of_canary(arms.canary.answers), axis=-1)
    minutes = ours(arms)
    assert np.isfinite(minutes).all()
    answers = [given[run, HISTORY + int(minute) - 1] for run, minute in enumerate(minutes)]
    assert 178 < float(np.mean(answers)) < 2.5 * 178
