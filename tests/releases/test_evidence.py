"""The evidence against a canary: seldom wrong however often one looks, and soon right."""

import math

import numpy as np
import pytest

from monitor.releases.evidence import TOLERATED, Minute, burstiness, evidence
from monitor.releases.verdict import ALPHA, Gate, Outcome, canary_verdict


def minutes(
    seed: int, canary: float, stable: float, *, count: int = 60, rows: int = 50, burst: float = 0.0
) -> list[Minute]:
    """So many minutes of both versions, the stable one with nine times the traffic."""
    random = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        heat = random.gamma(1 / burst**2, burst**2) if burst else 1.0
        failed = random.binomial([rows, 9 * rows], np.minimum([canary * heat, stable * heat], 1.0))
        made.append(Minute(rows, float(failed[0]), 9 * rows, float(failed[1])))
    return made


def outcome(made: list[Minute], gate: Gate = Gate.GUARD) -> Outcome:
    return canary_verdict("8", "7", made, 10.0, gate).outcome


@pytest.mark.parametrize("rate", [0.01, 0.04, 0.2])
def test_a_canary_that_is_as_good_is_hardly_ever_called_worse_though_every_minute_is_looked_at(
    rate: float,
) -> None:
    wrong = sum(evidence(minutes(seed, rate, rate)).value >= 1 / ALPHA for seed in range(400))
    assert wrong <= 4 + 3 * math.sqrt(4), "one in a hundred at most, within three standard errors"


def test_a_canary_just_as_bad_as_is_tolerated_is_called_worse_no_more_often_than_promised() -> None:
    last = [evidence(minutes(seed, 0.02 * TOLERATED, 0.02, count=12)).value >= 20 for seed in range(600)]
    assert sum(last) / 600 <= 0.05, "Ville: it ever reaches 20 with a chance of at most a twentieth"


def test_eight_percent_instead_of_one_is_found_within_a_quarter_of_an_hour() -> None:
    found = [evidence(minutes(seed, 0.08, 0.01, count=15)).value >= 1 / ALPHA for seed in range(100)]
    assert sum(found) >= 97


def test_failures_in_bursts_that_hit_both_alike_are_not_held_against_the_canary() -> None:
    wrong = sum(
        outcome(minutes(seed, 0.02, 0.02, rows=500, burst=0.5)) is Outcome.FAIL for seed in range(200)
    )
    assert wrong <= 6


def test_burstiness_is_none_for_independent_failures_and_the_squared_variation_for_bursts() -> None:
    calm = [burstiness(minutes(seed, 0.05, 0.05, count=200, rows=200)) for seed in range(20)]
    wild = [burstiness(minutes(seed, 0.05, 0.05, count=200, rows=200, burst=0.5)) for seed in range(20)]
    assert np.mean(calm) < 0.01
    assert np.mean(wild) == pytest.approx(0.25, abs=0.05)


def test_proof_stays_proof_when_later_minutes_are_good() -> None:
    bad = minutes(1, 0.2, 0.01, count=20)
    assert outcome([*bad, *minutes(2, 0.0, 0.01, count=40)]) is Outcome.FAIL


def test_one_failure_on_either_side_by_hand() -> None:
    """Nine tenths of the traffic is stable; one failure, of the canary, in the sixth minute."""
    quiet = [Minute(100, 0, 900, 0)] * 5
    found = evidence([*quiet, Minute(100, 1, 900, 0)])

    def theta(worse: float) -> float:
        return worse * 0.1 / (worse * 0.1 + 0.9)

    expected = np.mean([theta(1.5 * r) / theta(1.5) for r in (1.5, 2, 3, 5, 8)])
    assert found.value == pytest.approx(expected)


def test_too_little_is_inconclusive_never_a_pass_and_never_a_fail() -> None:
    assert canary_verdict("8", "7", [], None).outcome is Outcome.INCONCLUSIVE
    assert outcome(minutes(1, 0.01, 0.01, count=5)) is Outcome.INCONCLUSIVE
    assert outcome(minutes(1, 0.01, 0.01, count=20, rows=3)) is Outcome.INCONCLUSIVE
    assert canary_verdict("8", "7", minutes(1, 0.01, 0.01), 600.0).outcome is Outcome.INCONCLUSIVE
    assert outcome([Minute(50, 0, 0, 0)] * 20) is Outcome.INCONCLUSIVE


def test_a_canary_that_fails_hard_is_called_so_before_there_is_proof_by_comparison() -> None:
    found = canary_verdict("8", "7", [Minute(60, 30, 540, 270)] * 3, 5.0)
    assert found.outcome is Outcome.FAIL
    assert "50.0% of the last 180 answers fail" in found.reason


def test_to_promote_takes_the_whole_time() -> None:
    assert outcome(minutes(3, 0.01, 0.01, count=20)) is Outcome.PASS
    assert outcome(minutes(3, 0.01, 0.01, count=20), Gate.FINAL) is Outcome.INCONCLUSIVE
    assert outcome(minutes(3, 0.01, 0.01, count=31), Gate.FINAL) is Outcome.PASS


@pytest.mark.parametrize(
    ("made", "age", "gate", "told"),
    [
        ([], None, Gate.GUARD, "no answers of version '8' have been received"),
        ([], 600.0, Gate.GUARD, "the last answer of version '8' is 10m old; at most 3m is allowed"),
        (
            [Minute(200, 0, 0, 0)] * 9,
            5.0,
            Gate.GUARD,
            "no answers of version '7' in this time to compare with",
        ),
        (
            [Minute(9, 0, 9, 0)] * 3,
            5.0,
            Gate.GUARD,
            "27 answers in 3 minutes; at least 100 answers and 6 minutes",
        ),
        ([Minute(60, 0, 60, 0)] * 9, 5.0, Gate.FINAL, "9 of 30 minutes needed to promote"),
    ],
)
def test_an_inconclusive_verdict_says_why(
    made: list[Minute], age: float | None, gate: Gate, told: str
) -> None:
    found = canary_verdict("8", "7", made, age, gate)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert told in found.reason
