"""A thin slice of `tests.bench.rollouts`: its vectorised verdicts are those of the daemon, and they are right."""

from dataclasses import replace

import numpy as np
import pytest

from monitor.rollouts.arms import Arm, Arms
from monitor.rollouts.verdict import Outcome, canary_verdict
from tests.bench.rollouts import BAD, GOOD, HISTORY, Scenario, ours, results, simulated

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
