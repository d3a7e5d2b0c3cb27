"""How often a good canary is failed, and how soon a bad one: ours beside the checks of Argo's and Flagger's manuals.

    python -m tests.bench.rollouts [--runs 1000]

Rollouts of an hour (5, 10, 25 and 50 % of the traffic), one look a minute, all on the same streams. Argo's manual
aborts at the fourth of the 5-minute success rates below 95 %, Flagger's at the fifth minute with a success rate below
99 % or a p99 above 500 ms. Neither checks quality. The last table tolerates less, beside a fixed limit that was tuned
to the service.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from monitor.rollouts import evidence
from monitor.rollouts.arms import Arm, Arms
from monitor.rollouts.evidence import Counts
from monitor.rollouts.settings import USUAL, CanaryTolerances
from monitor.rollouts.signals import SIGNALS, latency
from monitor.rollouts.signals.failures import shares_above
from monitor.rollouts.signals.signal import LEAST_ANSWERS
from monitor.rollouts.verdict import ALPHA, LEAST_MINUTES_TO_FAIL
from tests.support.rollouts import EDGES, arm

HISTORY, MINUTES = 30, 60
SHARES = np.repeat([0.05, 0.10, 0.25, 0.50], [10, 10, 10, 30])
WEIGHTS = {signal.__name__: weight for signal, weight in SIGNALS}
CHUNK = 100
MEDIAN, SPREAD = 120.0, 0.5
NEVER = np.inf
TUNED = 0.06
"""The lowest limit, in half percents, at which five failing minutes are wrong in at most 1 of 100 canaries as good as a
stable version of which 1 % fail, at 5 requests a second."""
TOLERATED = (1.5, 1.2, 1.0)


@dataclass(frozen=True)
class Scenario:
    """Two versions: requests a second of both together, shares of failures and of wrong answers, and how many times as
    slow the canary is. `burst` is the variation of the failures from minute to minute, which hits both alike; `outage`
    the share of failures of both in minutes 20 to 25.
    """

    name: str
    rate: float = 5.0
    canary: float = 0.01
    stable: float = 0.01
    wrong: tuple[float, float] = (0.10, 0.10)
    slower: float = 1.0
    burst: float = 0.0
    outage: float = 0.0


GOOD = (
    Scenario("as good, 0.2 % fail", canary=0.002, stable=0.002),
    Scenario("as good, 1 % fail"),
    Scenario("as good, 4 % fail", canary=0.04, stable=0.04),
    Scenario("as bad, 8 % fail", canary=0.08, stable=0.08),
    Scenario("1 %, bursts that hit both", burst=0.5),
    Scenario("1 %, outage of both for 5 minutes", outage=0.4),
    Scenario("1.2 times as slow, 0.2 % fail", canary=0.002, stable=0.002, slower=1.2),
)
BAD = (
    Scenario("5 % fail instead of 1 %", canary=0.05),
    Scenario("8 % fail instead of 1 %", canary=0.08),
    Scenario("5 % fail instead of 0.2 %", canary=0.05, stable=0.002),
    Scenario("twice as slow", canary=0.002, stable=0.002, slower=2.0),
    Scenario("13 % wrong instead of 10 %", canary=0.002, stable=0.002, wrong=(0.13, 0.10)),
    Scenario("5 % wrong instead of 2 %", canary=0.002, stable=0.002, wrong=(0.05, 0.02)),
)


def simulated(scenario: Scenario, runs: int, seed: int) -> Arms:
    """So many rollouts: arrays of shape (runs, minutes), after half an hour of the stable version alone."""
    rng = np.random.default_rng(seed)
    minutes = HISTORY + MINUTES
    share = np.concatenate([np.zeros(HISTORY), SHARES])
    shape = (runs, minutes)
    heat = rng.gamma(1 / scenario.burst**2, scenario.burst**2, shape) if scenario.burst else np.ones(shape)
    level = np.zeros(minutes)
    level[HISTORY + 20 : HISTORY + 25] = scenario.outage
    sides = (
        (share, scenario.canary, scenario.wrong[0], scenario.slower),
        (1 - share, scenario.stable, scenario.wrong[1], 1.0),
    )
    canary, stable = (
        _side(rng, scenario.rate * 60 * part, shape, heat, level, failing, wrong, slower)
        for part, failing, wrong, slower in sides
    )
    return Arms(60, canary, stable, EDGES)


def _side(
    rng: np.random.Generator,
    expected: np.ndarray,
    shape: tuple[int, int],
    heat: np.ndarray,
    level: np.ndarray,
    failing: float,
    wrong: float,
    slower: float,
) -> Arm:
    n = rng.poisson(np.broadcast_to(expected, shape))
    chance = np.minimum(np.maximum(failing * heat, level), 1.0)
    limits = np.log(np.append(EDGES[1:], np.inf) / (MEDIAN * slower)) / SPREAD
    below = np.concatenate([[0.0], _normal(limits)])
    return arm(
        n.astype(float),
        rng.binomial(n, chance).astype(float),
        latency=rng.multinomial(n, np.diff(below)).astype(np.float64),
        wrong=rng.binomial(n, wrong).astype(float),
        judged=n.astype(float),
    )


def _normal(z: np.ndarray) -> np.ndarray:
    """The normal distribution function (Abramowitz and Stegun 7.1.26, exact to 1e-7)."""
    t = 1 / (1 + 0.3275911 * np.abs(z) / np.sqrt(2))
    powers = sum(
        a * t ** (place + 1)
        for place, a in enumerate((0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429))
    )
    tail = np.where(np.isinf(z), 0.0, powers * np.exp(-np.minimum(z * z, 700) / 2)) / 2
    return np.asarray(np.where(z > 0, 1 - tail, tail))


def ours(arms: Arms, tolerated: CanaryTolerances = USUAL) -> np.ndarray:
    """The minute of each rollout in which our verdict is `fail`, from 1; infinite if never."""
    counts, judged = arms.counts("failed", "answers"), arms.counts("wrong", "judged")
    limit = tolerated.failure_limit
    paths = {
        "failures": evidence.failing_more_often(counts, tolerated.failures),
        "failure_limit": 2 / 3 * evidence.above_limit(counts, limit, shares_above(limit)) + 1 / 3,
        "latency": latency.path(arms),
        "quality": np.where(_loss(judged) >= tolerated.quality, evidence.more_often_bad(judged), 0.0),
    }
    others = sum(weight for name, weight in WEIGHTS.items() if name not in paths)
    total = others + sum(WEIGHTS[name] * path for name, path in paths.items())
    enough = np.cumsum(arms.watched, axis=-1) >= LEAST_MINUTES_TO_FAIL
    enough &= np.cumsum(arms.of_canary(arms.canary.answers), axis=-1) >= LEAST_ANSWERS
    return first(np.maximum.accumulate(total, axis=-1) * enough >= 1 / ALPHA)


def _loss(counts: Counts) -> np.ndarray:
    """By how much more often the canary was wrong so far, on the same minutes."""
    expected = counts.stable_bad / np.maximum(counts.stable, 1.0) * counts.canary
    n = np.maximum(np.cumsum(counts.canary, axis=-1), 1.0)
    return np.asarray((np.cumsum(counts.canary_bad, axis=-1) - np.cumsum(expected, axis=-1)) / n)


def argo(arms: Arms) -> np.ndarray:
    """The minute in which the check of Argo's manual aborts: more than 3 of the 5-minute rates are below 95 %."""
    bad, n = (_per(array, 5) for array in (arms.canary.failed, arms.canary.answers))
    return first(np.cumsum(bad > 0.05 * n, axis=-1) > 3, 5)


def flagger(arms: Arms) -> np.ndarray:
    """The minute of the fifth check that fails: success rate below 99 %, or p99 above 500 ms."""
    slow = arms.canary.latency[..., EDGES >= 500].sum(axis=-1)
    bad = (arms.canary.failed > 0.01 * arms.canary.answers) | (slow > 0.01 * arms.canary.answers)
    return first(np.cumsum(bad & (arms.canary.answers > 0), axis=-1) >= 5)


def tuned(arms: Arms) -> np.ndarray:
    """The minute of the fifth check with more failures than `TUNED`, set by somebody who knows the service."""
    bad = arms.canary.failed > TUNED * arms.canary.answers
    return first(np.cumsum(bad, axis=-1) >= 5)


def first(is_failed: np.ndarray, step: int = 1) -> np.ndarray:
    """The first minute of the canary in which it is failed."""
    since = is_failed[..., HISTORY // step :]
    return np.where(since.any(axis=-1), (since.argmax(axis=-1) + 1.0) * step, NEVER)


def _per(array: np.ndarray, minutes: int) -> np.ndarray:
    return np.asarray(array.reshape(*array.shape[:-1], -1, minutes).sum(axis=-1))


CHECKS: Mapping[str, Callable[[Arms], np.ndarray]] = {"ours": ours, "Argo": argo, "Flagger": flagger}


def results(
    scenario: Scenario, runs: int, checks: Mapping[str, Callable[[Arms], np.ndarray]] = CHECKS
) -> dict[str, np.ndarray]:
    """The minute in which each check fails each rollout."""
    parts = list(_parts(scenario, runs, checks))
    return {name: np.concatenate([part[name] for part in parts]) for name in checks}


def _parts(
    scenario: Scenario, runs: int, checks: Mapping[str, Callable[[Arms], np.ndarray]]
) -> Iterator[dict[str, np.ndarray]]:
    for seed, done in enumerate(range(0, runs, CHUNK)):
        arms = simulated(scenario, min(CHUNK, runs - done), seed)
        yield {name: check(arms) for name, check in checks.items()}


def tolerating() -> dict[str, Callable[[Arms], np.ndarray]]:
    """Checks of failures: ours, by how many times as often a canary may fail, and the tuned limit."""
    by_times = {
        f"ours, `failures: {times:g}`": partial(ours, tolerated=CanaryTolerances(failures=times))
        for times in TOLERATED
    }
    return {**by_times, f"a limit of {TUNED:.0%} in five minutes": tuned}


def _told(minutes: np.ndarray, *, is_bad: bool) -> str:
    share = float(np.isfinite(minutes).mean())
    if not is_bad:
        return f"{share:.1%}"
    if share < 0.5:
        return f"{share:.0%} found"
    half, most = np.quantile(minutes, [0.5, 0.9], method="higher")
    return f"{half:.0f} ({most:.0f})" if np.isfinite(most) else f"{half:.0f} ({share:.0%} found)"


def main() -> None:
    """Print both tables as Markdown."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=1000)
    runs = parser.parse_args().runs
    for title, scenarios, is_bad in (
        ("wrongly failed", GOOD, False),
        ("minutes until failed: median (90 %)", BAD, True),
    ):
        print(f"\n| {title} | requests/s | {' | '.join(CHECKS)} |\n|---|---|{'---|' * len(CHECKS)}")
        for scenario in scenarios:
            for rate in (5.0, 50.0):
                found = results(replace(scenario, rate=rate), runs)
                cells = " | ".join(_told(found[name], is_bad=is_bad) for name in CHECKS)
                print(f"| {scenario.name} | {rate:.0f} | {cells} |", flush=True)
    _tolerances(runs)


def _tolerances(runs: int) -> None:
    """How soon failures are found by what is tolerated, and how often a good canary is failed."""
    shown = (GOOD[1], GOOD[5], BAD[0], BAD[1])
    found = [results(scenario, runs, tolerating()) for scenario in shown]
    print(f"\n| 5 requests/s | {' | '.join(one.name for one in shown)} |\n|---|{'---|' * len(shown)}")
    for name in tolerating():
        cells = [_told(one[name], is_bad=scenario in BAD) for scenario, one in zip(shown, found, strict=True)]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
