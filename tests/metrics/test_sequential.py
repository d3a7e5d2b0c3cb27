"""Sequential evidence: it keeps its budget on stationary streams, and finds sudden falls within the promised time."""

import math

import numpy as np
import pytest

from monitor.evaluation.declines import LIMIT, STEP
from monitor.metrics.sequential import LogEvidence, Reference, step

A_DAY = 86400 // STEP


def run(rates: np.ndarray, n: int, reference: Reference, seed: int) -> np.ndarray:
    """The evidence after each step, as multiples of the limit."""
    chance = np.random.default_rng(seed)
    good = chance.binomial(n, rates)
    evidence, found = LogEvidence(), []
    for count in good.tolist():
        evidence = step(evidence, reference, count, n, LIMIT)
        found.append(evidence.beyond(LIMIT))
    return np.array(found)


def alarms(found: np.ndarray) -> int:
    """How often an alert would begin: above 1, after it was below a tenth."""
    begun, is_open = 0, False
    for value in found.tolist():
        begun += value >= 1 and not is_open
        is_open = value >= 1 or (is_open and value > 0.1)
    return begun


@pytest.mark.parametrize(("rate", "n"), [(0.95, 120), (0.8, 2), (0.6, 1)])
def test_a_stationary_stream_raises_no_alarm(rate: float, n: int) -> None:
    """Ten days of each: the budget for one figure is one alarm in 180 days."""
    assert alarms(run(np.full(10 * A_DAY, rate), n, Reference(rate, 0.02), seed=3)) == 0


def test_a_daily_rhythm_within_its_margin_raises_no_alarm() -> None:
    times = np.arange(10 * A_DAY)
    rates = 0.95 + 0.02 * np.sin(2 * math.pi * times / A_DAY)
    wander = 0.02 / math.sqrt(2)
    assert alarms(run(rates, 120, Reference(0.95, 2 * wander), seed=4)) == 0


@pytest.mark.parametrize(("fall", "margin", "seconds"), [(0.2, 0.03, 105), (0.05, 0.02, 1800)])
def test_a_fall_at_four_outcomes_a_second_is_found_in_time(fall: float, margin: float, seconds: int) -> None:
    for seed in range(20):
        rates = np.concatenate([np.full(100, 0.95), np.full(100, 0.95 - fall)])
        found = run(rates, 4 * STEP, Reference(0.95, margin), seed)
        assert found[:100].max() < 1
        assert (int(np.argmax(found >= 1)) - 99) * STEP <= seconds


def test_a_mean_that_falls_is_found_as_well() -> None:
    """Feedback of 1 to 5, ten a step, which loses a fifth of a point."""
    chance = np.random.default_rng(0)
    evidence = LogEvidence()
    reference = Reference(4.2, 0.1, 1.0, is_share=False)
    steps = 0
    while evidence.beyond(LIMIT) < 1:
        evidence = step(evidence, reference, float(chance.normal(3.6, 1.0, 10).sum()), 10, LIMIT)
        steps += 1
    assert steps < 40


def test_one_batch_of_one_kind_is_no_proof() -> None:
    evidence = step(LogEvidence(), Reference(0.95, 0.02), 0, 100_000, LIMIT)
    assert evidence.beyond(LIMIT) < 0.01


def test_evidence_is_gone_soon_after_the_figure_is_back() -> None:
    reference = Reference(0.95, 0.02)
    evidence = LogEvidence()
    for _ in range(1000):
        evidence = step(evidence, reference, 40, 120, LIMIT)
    assert evidence.beyond(LIMIT) >= 1
    for _ in range(20):
        evidence = step(evidence, reference, 114, 120, LIMIT)
    assert evidence.beyond(LIMIT) < 0.1
