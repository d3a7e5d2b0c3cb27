"""The verdict: which signal fails a canary, what is inconclusive, and what is said about it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from monitor.rollouts.arms import Arms
from monitor.rollouts.signals import SIGNALS
from monitor.rollouts.signals.signal import SignalState
from monitor.rollouts.verdict import Gate, Outcome, Verdict, canary_verdict
from tests.support.rollouts import EDGES, arm, arms

HISTORY = 30


def latencies(rng: np.random.Generator, n: np.ndarray, median: float) -> np.ndarray:
    """A histogram per minute of log-normal latencies."""
    return np.array(
        [
            np.histogram(median * np.exp(rng.normal(0, 0.5, int(one))), bins=np.append(EDGES, np.inf))[0]
            for one in n
        ],
        float,
    )


def rollout(
    minutes: int = 20,
    canary: float = 0.01,
    stable: float = 0.01,
    *,
    rows: int = 100,
    seed: int = 1,
    **of: Any,
) -> Arms:
    """Half an hour of the stable version, then both: shares of bad answers as given for the canary by `of`."""
    rng = np.random.default_rng(seed)
    total = HISTORY + minutes
    n = np.where(np.arange(total) >= HISTORY, rows, 0.0)
    m = np.full(total, 9.0 * rows)
    sides = []
    for answers, failing, place in ((n, canary, 0), (m, stable, 1)):
        fields: dict[str, Any] = {"failed": rng.binomial(answers.astype(int), failing).astype(float)}
        for name, (bad, known) in {
            "wrong": ("wrong", "judged"),
            "automated": ("automated", "automated_known"),
            "reviewed": ("reviewed", "reviewed_known"),
        }.items():
            if name in of:
                fields[known] = answers
                fields[bad] = rng.binomial(answers.astype(int), of[name][place]).astype(float)
        if "latency" in of:
            fields["latency"] = latencies(rng, answers, of["latency"][place])
        for field in ("outputs", "inputs"):
            if field in of:
                yes = rng.binomial(answers.astype(int), of[field][place]).astype(float)
                fields[field] = {"features.country": np.stack([yes * 0, yes, answers - yes], axis=1)}
        if "cost" in of:
            each = of["cost"][place]
            fields |= {
                "costed": answers,
                "costs": np.stack([each * answers, 1.25 * each**2 * answers], axis=1),
            }
        sides.append(arm(answers, **fields))
    return arms(*sides)


def judged(made: Arms, gate: Gate = Gate.GUARD, age: float | None = 10.0) -> Verdict:
    return canary_verdict("8", "7", made, age, gate)


def states(verdict: Verdict) -> dict[str, SignalState]:
    return {signal.name: signal.state for signal in verdict.signals}


def test_the_weights_of_the_common_budget_add_up_to_one() -> None:
    assert sum(weight for _, weight in SIGNALS) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("name", "of", "told"),
    [
        ("failures", {"canary": 0.08}, "of 1,900 fail"),
        ("latency", {"latency": (84.0, 40.0)}, "latency: median"),
        ("quality", {"wrong": (0.2, 0.1)}, "quality: "),
        ("automation", {"automated": (0.7, 0.8)}, "automation: "),
        ("reviews", {"reviewed": (0.2, 0.1)}, "reviews: "),
        ("cost", {"cost": (2.0, 1.0)}, "cost: mean cost 2, 1 of the stable version's"),
        ("outputs", {"outputs": (0.4, 0.1)}, "outputs: "),
    ],
)
def test_each_signal_fails_a_canary_that_is_worse_in_it_alone(
    name: str, of: dict[str, Any], told: str
) -> None:
    found = judged(rollout(**of))
    assert found.outcome is Outcome.FAIL, found.reason
    assert told in found.reason
    assert "e-value" in found.reason
    assert states(found)[name] is SignalState.FAIL
    failed = {signal for signal, state in states(found).items() if state is SignalState.FAIL}
    assert failed <= {name, "failure_limit"}
    figures = {signal.name: (signal.canary, signal.stable) for signal in found.signals}
    assert figures["failure_limit"] == pytest.approx(figures["failures"])


ALIKE: dict[str, Any] = {
    "wrong": (0.1, 0.1),
    "automated": (0.8, 0.8),
    "reviewed": (0.1, 0.1),
    "latency": (40.0, 40.0),
    "cost": (1.0, 1.0),
    "outputs": (0.1, 0.1),
    "inputs": (0.5, 0.5),
}


def test_a_canary_that_is_alike_in_everything_passes_and_says_what_was_not_measured() -> None:
    found = judged(rollout(**ALIKE))
    assert found.outcome is Outcome.PASS
    assert found.reason.endswith("; not measured: estimated quality")
    told = {signal.name: signal.reason for signal in found.signals}
    assert told["estimated_quality"] == "no baseline with `truth` and `confidence`"
    bare = {signal.name: signal.reason for signal in judged(rollout()).signals}
    assert bare["quality"] == "nothing was sent with `truth`"
    assert bare["latency"] == "nothing was sent with `latency_ms`"


@pytest.mark.parametrize(
    "better",
    [
        {"canary": 0.001},
        {"latency": (20.0, 40.0)},
        {"wrong": (0.02, 0.1)},
        {"automated": (0.95, 0.8)},
        {"reviewed": (0.02, 0.1)},
        {"cost": (0.5, 1.0)},
    ],
)
def test_a_better_canary_is_not_failed_for_being_different(better: dict[str, Any]) -> None:
    assert judged(rollout(**better)).outcome is Outcome.PASS


def test_a_difference_that_is_proven_but_small_stops_nobody() -> None:
    found = judged(rollout(minutes=60, rows=20_000, wrong=(0.108, 0.1)))
    assert found.outcome is Outcome.PASS
    quality = next(signal for signal in found.signals if signal.name == "quality")
    assert quality.e_value > 1_000
    assert not quality.is_relevant


def test_a_canary_half_as_slow_again_is_tolerated_and_one_of_twice_is_not() -> None:
    assert judged(rollout(minutes=60, latency=(56.0, 40.0))).outcome is Outcome.PASS
    assert judged(rollout(minutes=8, latency=(80.0, 40.0))).outcome is Outcome.FAIL


def test_one_answer_that_takes_an_hour_is_no_slow_canary_although_its_mean_is() -> None:
    made = rollout(latency=(40.0, 40.0))
    slow = made.canary.latency.copy()
    slow[HISTORY + 1 :: 4, -1] += 1
    found = judged(replace(made, canary=replace(made.canary, latency=slow)))
    assert found.outcome is Outcome.PASS


def test_a_slow_first_minute_is_the_caches_and_not_the_canary() -> None:
    made = rollout(latency=(40.0, 40.0))
    cold = made.canary.latency.copy()
    cold[HISTORY] = latencies(np.random.default_rng(3), np.array([100.0]), 4_000.0)[0]
    assert judged(replace(made, canary=replace(made.canary, latency=cold))).outcome is Outcome.PASS


def test_an_outage_of_both_is_not_the_canary_s_fault() -> None:
    found = judged(rollout(canary=0.5, stable=0.5, latency=(900.0, 900.0)))
    assert found.outcome is Outcome.PASS
    assert found.e_value < 100


def test_different_inputs_make_every_comparison_but_that_of_failures_inconclusive() -> None:
    found = judged(rollout(inputs=(0.9, 0.5), wrong=(0.3, 0.1)))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "the versions receive different requests" in found.reason
    assert "country" in found.reason
    failing = judged(rollout(canary=0.2, inputs=(0.9, 0.5)))
    assert failing.outcome is Outcome.FAIL
    assert "the versions receive different requests" in failing.reason


def test_failures_in_wild_bursts_are_left_to_a_person() -> None:
    made = rollout(canary=0.3, minutes=30)
    bursts = np.where(np.arange(HISTORY + 30) % 6 == 0, 300.0, 0.0)
    found = judged(replace(made, stable=replace(made.stable, failed=bursts)))
    assert found.outcome is not Outcome.FAIL or "failure limit" in found.reason
    assert states(found)["failures"] is SignalState.INCONCLUSIVE


def test_proof_stays_proof_when_later_minutes_are_good() -> None:
    made = rollout(minutes=60)
    failed = made.canary.failed.copy()
    failed[HISTORY : HISTORY + 20] = 20.0
    assert judged(replace(made, canary=replace(made.canary, failed=failed))).outcome is Outcome.FAIL


def test_too_little_is_inconclusive_never_a_pass_and_never_a_fail() -> None:
    assert judged(rollout(minutes=5)).outcome is Outcome.INCONCLUSIVE
    assert judged(rollout(rows=3)).outcome is Outcome.INCONCLUSIVE
    assert judged(rollout(canary=1.0), age=600.0).outcome is Outcome.INCONCLUSIVE
    assert judged(rollout(canary=0.9, rows=20, minutes=3)).outcome is Outcome.INCONCLUSIVE


def test_a_canary_that_fails_hard_is_called_so_within_two_minutes() -> None:
    found = judged(rollout(canary=0.5, minutes=2))
    assert found.outcome is Outcome.FAIL
    assert "failure limit: " in found.reason
    assert "5% is the limit" in found.reason


def test_to_promote_takes_the_whole_time() -> None:
    assert judged(rollout(minutes=20)).outcome is Outcome.PASS
    assert judged(rollout(minutes=20), Gate.FINAL).outcome is Outcome.INCONCLUSIVE
    assert judged(rollout(minutes=32), Gate.FINAL).outcome is Outcome.PASS


def test_after_a_switch_the_canary_answers_alone_and_is_held_against_the_minutes_before() -> None:
    def switched(failing: float, slow: float) -> Verdict:
        made = rollout(minutes=20, canary=failing, rows=900, latency=(slow, 40.0))
        before = np.arange(HISTORY + 20) < HISTORY
        stable = replace(
            made.stable,
            answers=made.stable.answers * before,
            failed=made.stable.failed * before,
            latency=made.stable.latency * before[:, None],
        )
        return judged(replace(made, stable=stable))

    assert switched(0.01, 40.0).outcome is Outcome.PASS
    assert "failure limit" in switched(0.1, 40.0).reason
    slow = switched(0.01, 90.0)
    assert slow.outcome is Outcome.FAIL, slow.reason
    assert "latency" in slow.reason


@pytest.mark.parametrize(
    ("made", "age", "gate", "told"),
    [
        (rollout(), None, Gate.GUARD, "no answers of version '8' have been received"),
        (rollout(), 600.0, Gate.GUARD, "the last answer of version '8' is 10m old; at most 3m is allowed"),
        (
            rollout(minutes=3, rows=9),
            5.0,
            Gate.GUARD,
            "18 answers in 2 minutes; at least 100 answers and 6 minutes",
        ),
        (rollout(minutes=10), 5.0, Gate.FINAL, "9 of 30 minutes needed to promote"),
    ],
)
def test_an_inconclusive_verdict_says_why(made: Arms, age: float | None, gate: Gate, told: str) -> None:
    found = judged(made, gate, age)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert told in found.reason


def test_without_a_stable_version_there_is_nothing_to_compare_with() -> None:
    made = rollout()
    nobody = arm(np.zeros_like(made.stable.answers))
    found = canary_verdict("8", "", replace(made, stable=nobody), 5.0)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert found.reason == "no answers of another version in this time to compare with"
