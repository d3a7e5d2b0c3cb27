"""The evidence against a canary: seldom wrong however often one looks, and soon right."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import hypergeom

from monitor.rollouts import evidence
from monitor.rollouts.evidence import ALTERNATIVES, ODDS, Counts
from monitor.rollouts.settings import USUAL

ALPHA = 0.01


def minutes(
    canary: float,
    stable: float,
    *,
    runs: int = 400,
    count: int = 60,
    rows: int = 50,
    share: float = 0.1,
    burst: float = 0.0,
    seed: int = 1,
) -> Counts:
    """So many rollouts at once, each of so many minutes: arrays of shape (runs, minutes)."""
    random = np.random.default_rng(seed)
    shape = (runs, count)
    heat = random.gamma(1 / burst**2, burst**2, shape) if burst else np.ones(shape)
    n, m = np.full(shape, float(rows)), np.full(shape, round(rows * (1 - share) / share), float)
    bad = random.binomial(n.astype(int), np.minimum(canary * heat, 1.0)).astype(float)
    other = random.binomial(m.astype(int), np.minimum(stable * heat, 1.0)).astype(float)
    return Counts(bad, n, other, m)


def ever(path: np.ndarray, limit: float = 1 / ALPHA) -> float:
    """The share of rollouts whose e-value ever reaches the limit."""
    return float((path.max(axis=-1) >= limit).mean())


@given(
    canary=st.integers(1, 60),
    stable=st.integers(1, 60),
    bad=st.integers(0, 120),
    odds=st.sampled_from([*ODDS, 0.5, 0.1, 20.0]),
)
@example(canary=1, stable=1, bad=1, odds=5.0)
@example(canary=60, stable=60, bad=60, odds=5.0)
def test_a_bet_on_a_minute_is_fair_if_both_versions_are_alike(
    canary: int, stable: int, bad: int, odds: float
) -> None:
    """The oracle is the exact distribution of the canary's part of `bad` answers."""
    bad = min(bad, canary + stable)
    parts = np.arange(max(0, bad - stable), min(bad, canary) + 1).astype(float)
    chances = hypergeom(canary + stable, bad, canary).pmf(parts)
    counts = Counts(parts, np.full(parts.size, canary), bad - parts, np.full(parts.size, stable))
    mean = float((np.exp(evidence.conditional_bet(counts, odds)) * chances).sum())
    assert mean <= 1 + 1e-9


@pytest.mark.parametrize("rate", [0.01, 0.04, 0.2, 0.5, 0.99])
def test_a_canary_that_is_as_good_is_hardly_ever_called_worse_though_every_minute_is_looked_at(
    rate: float,
) -> None:
    counts = minutes(rate, rate)
    for path in (evidence.failing_more_often(counts, USUAL.failures), evidence.more_often_bad(counts)):
        assert ever(path) <= ALPHA + 3 * np.sqrt(ALPHA / 400), "within three standard errors"


def test_a_canary_just_as_bad_as_is_tolerated_is_called_worse_no_more_often_than_promised() -> None:
    path = evidence.failing_more_often(
        minutes(0.02 * USUAL.failures, 0.02, count=12, runs=2000), USUAL.failures
    )
    assert ever(path, 20) <= 0.05, "Ville: it ever reaches 20 with a chance of at most a twentieth"


def test_eight_percent_instead_of_one_is_found_within_a_quarter_of_an_hour() -> None:
    assert ever(evidence.failing_more_often(minutes(0.08, 0.01, count=15), USUAL.failures)) >= 0.97


def test_three_points_of_quality_are_found_within_the_hour() -> None:
    assert ever(evidence.more_often_bad(minutes(0.13, 0.10, rows=150, share=0.5))) >= 0.97


@pytest.mark.parametrize("level", [0.3, 0.9])
def test_an_outage_that_hits_both_alike_is_no_evidence_however_bad_it_is(level: float) -> None:
    calm, outage = minutes(0.01, 0.01, rows=500), minutes(level, level, rows=500, seed=2)
    both = np.zeros((1, 60), bool)
    both[0, 20:30] = True
    pairs = ("canary_bad", "canary", "stable_bad", "stable")
    counts = Counts(*(np.where(both, getattr(outage, name), getattr(calm, name)) for name in pairs))
    for path in (
        evidence.failing_more_often(counts, USUAL.failures),
        evidence.more_often_bad(counts),
        evidence.above_limit(counts, 0.05, (0.08, 0.25)),
    ):
        assert ever(path) <= ALPHA + 3 * np.sqrt(ALPHA / 400)


def test_failures_in_bursts_that_hit_both_alike_are_not_held_against_the_canary() -> None:
    assert ever(evidence.failing_more_often(minutes(0.02, 0.02, rows=500, burst=0.5), USUAL.failures)) <= 0.03


def test_burstiness_is_none_for_independent_failures_and_the_squared_variation_for_bursts() -> None:
    calm = minutes(0.05, 0.05, count=200, rows=200, runs=40)
    wild = minutes(0.05, 0.05, count=200, rows=200, runs=40, burst=0.5)
    assert evidence.burstiness_before(calm)[:, -1].mean() < 0.01
    assert evidence.burstiness_before(wild)[:, -1].mean() == pytest.approx(0.25, abs=0.05)
    one = Counts(*(getattr(wild, name)[0] for name in ("canary_bad", "canary", "stable_bad", "stable")))
    failed, rate = one.stable_bad, one.stable_bad.sum() / one.stable.sum()
    expected = rate * one.stable
    by_hand = ((failed - expected) ** 2).sum() - failed.sum() * (1 - rate) * (1 - 1 / 200)
    assert evidence.burstiness(one) == pytest.approx(by_hand / (expected**2).sum())


def test_one_failure_on_either_side_by_hand() -> None:
    """Nine tenths of the traffic is stable; one failure, of the canary, in the sixth minute."""
    bad = np.array([0.0] * 5 + [1.0])
    counts = Counts(bad, np.full(6, 100.0), np.zeros(6), np.full(6, 900.0))

    def theta(worse: float) -> float:
        return worse * 0.1 / (worse * 0.1 + 0.9)

    expected = np.mean([theta(USUAL.failures * worse) / theta(USUAL.failures) for worse in ALTERNATIVES])
    assert evidence.failing_more_often(counts, USUAL.failures)[-1] == pytest.approx(expected)


@pytest.mark.parametrize("gone", ["canary", "stable"])
def test_a_minute_without_one_of_the_versions_is_no_evidence(gone: str) -> None:
    counts = minutes(0.5, 0.01, runs=1, rows=500)
    silent = np.zeros_like(counts.canary)
    fields = {name: getattr(counts, name) for name in ("canary_bad", "canary", "stable_bad", "stable")}
    alone = Counts(**{**fields, gone: silent, f"{gone}_bad": silent})
    assert np.all(evidence.failing_more_often(alone, USUAL.failures) == 1)
    assert np.all(evidence.more_often_bad(alone) == 1)
    assert np.all(evidence.above_limit(alone, 0.05, (0.08,)) == 1)


def test_a_canary_that_answers_alone_is_held_against_the_limit_only() -> None:
    counts = minutes(0.10, 0.01, runs=200, rows=100)
    nothing = np.zeros_like(counts.stable)
    alone = Counts(counts.canary_bad, counts.canary, nothing, nothing)
    assert ever(evidence.alone_above_limit(alone, 0.05, (1.6, 2.5, 5.0))) >= 0.97
    good = minutes(0.05, 0.01, runs=1000, rows=100, seed=5)
    alone = Counts(good.canary_bad, good.canary, np.zeros((1000, 60)), np.zeros((1000, 60)))
    assert ever(evidence.alone_above_limit(alone, 0.05, (1.6, 2.5, 5.0))) <= 0.02
