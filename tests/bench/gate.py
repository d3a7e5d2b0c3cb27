"""How often gates block a candidate that is as good, and let one pass that is not.

    python -m tests.bench.gate            # the whole table: two minutes
    python -m tests.bench.gate --runs 200

Accuracy: 90 % of the baseline's answers are right, and 6 % of the items change their verdict between the versions. The
peers' gates have fixed thresholds: a test that fails on any drop (Evidently's and deepchecks' thresholds set to the
baseline), one with a tolerance of a point (MLflow's `min_absolute_change`), and a z-test that ignores the pairs.
Others: whole gates over several metrics at once, of which none is worse, or one is worse by its margin.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from monitor.gating import Outcome
from monitor.gating.answers import PairedAnswers, SideAnswers
from monitor.gating.decision import compare, decide_metrics
from monitor.gating.figures import FIGURES, GateFigure, Pairs
from monitor.gating.resampling import Units, units_of
from monitor.metrics.quality.classification import ACCURACY
from monitor.metrics.quality.task import Task
from monitor.releases.margins import DEFAULTS, Margin

SHARE_RIGHT, CHANGED, ALPHA = 0.9, 0.06, 0.05
SIZES, DROPS = (200, 500, 1000, 2000, 5000), (0.0, 0.01, 0.02, 0.03)
MARGIN = Margin(0.02)


@dataclass(frozen=True, slots=True)
class Rates:
    """The shares of runs in which each gate blocked, and in which ours passed."""

    n: int
    drop: float
    any_drop: float
    one_point: float
    unpaired: float
    ours_fails: float
    ours_passes: float


def accuracy(n: int, drop: float, runs: int, seed: int = 1) -> Rates:
    """All gates on the same runs."""
    rng = np.random.default_rng(seed)
    lost, won, _ = rng.multinomial(n, [(CHANGED + drop) / 2, (CHANGED - drop) / 2, 1 - CHANGED], size=runs).T
    difference = (won - lost) / n
    after = np.clip(SHARE_RIGHT + difference, 0, 1)
    error = np.sqrt((SHARE_RIGHT * (1 - SHARE_RIGHT) + after * (1 - after)) / n)
    ours = [_ours(int(a), int(b), n) for a, b in zip(lost, won, strict=True)]
    return Rates(
        n,
        drop,
        float((difference < 0).mean()),
        float((difference < -0.01).mean()),
        float((difference / error < -1.645).mean()),
        ours.count(Outcome.FAIL) / runs,
        ours.count(Outcome.PASS) / runs,
    )


@lru_cache(maxsize=100_000)
def _ours(lost: int, won: int, n: int) -> Outcome:
    """The gate's own decision on items of which so many changed."""
    baseline = np.arange(n) < lost + round(SHARE_RIGHT * (n - lost - won))
    candidate = baseline.copy()
    candidate[:lost], candidate[n - won :] = False, True
    units = Units(np.arange(n), np.ones((1, 1), np.float32))
    sums = [np.array([[side.sum(), n]], np.float64) for side in (candidate, baseline)]
    mean = FIGURES["accuracy"][0], lambda parts: parts[..., 0] / parts[..., 1]
    figure = GateFigure(
        ACCURACY, n, sums[0], sums[1], (mean[1], mean[1]), pairs=Pairs(candidate, baseline, units.codes)
    )
    result = compare(figure, units, MARGIN, ALPHA, grouped=False)
    return decide_metrics([result], ALPHA)[0].outcome


def evaluation(n: int, rng: np.random.Generator, task: Task, worse: float = 0.0) -> PairedAnswers:
    """Items whose two sides have the same distribution, except that the candidate's errors are larger by a share."""
    truth = (rng.random(n) < 0.3).astype(np.int64)
    numbers = rng.normal(0, 3, n)
    shared = rng.normal(0, 1, n)
    sides = [_side(truth, numbers, shared, rng, 1.0 + extra) for extra in (worse, 0.0)]
    return PairedAnswers(task, ("0", "1"), truth, numbers, sides[0], sides[1], np.array([0, 1]), None)  # type: ignore[arg-type]


def _side(
    truth: np.ndarray, numbers: np.ndarray, shared: np.ndarray, rng: np.random.Generator, scale: float
) -> SideAnswers:
    n = truth.size
    noise = shared + rng.normal(0, 0.5, n)
    share = 1 / (1 + np.exp(-(2.5 * (truth - 0.5) + 1.2 * noise)))
    codes = (share > 0.5).astype(np.int64)
    return SideAnswers(
        codes,
        numbers + scale * (shared + rng.normal(0, 0.5, n)),
        np.zeros(n, bool),
        np.maximum(share, 1 - share),
        scale * np.exp(rng.normal(-3, 0.4, n) + 0.2 * shared),
        scale * rng.gamma(2, 1, n),
        np.full(n, np.nan),
        np.stack([1 - share, share], axis=1),
        False,
    )


WORSE_BY_SCALE = ("mae", "rmse", "cost_per_prediction", "latency_p50", "latency_p95", "latency_mean")
"""Metrics that grow with the scale of the candidate's errors, so that a scale of 1 + margin is just at the margin."""
CLASSES = (
    "accuracy",
    "f1",
    "roc_auc",
    "log_loss",
    "expected_calibration_error",
    "cost_per_prediction",
    "latency_p95",
)


def at_the_margin(name: str, n: int, runs: int) -> tuple[float, float]:
    """How often a metric passes that is worse by exactly its margin, and how often one fails that is not worse."""
    margin = DEFAULTS[name]
    passed = failed = 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        for worse in (margin.size, 0.0):
            data = evaluation(n, rng, Task.REGRESSION, worse)
            units = units_of(n, None, seed)
            info, make = FIGURES[name]
            (result,) = decide_metrics(
                [compare(make(data, units, info, 10), units, margin, ALPHA, grouped=False)], ALPHA
            )
            passed += bool(worse) and result.outcome is Outcome.PASS
            failed += not worse and result.outcome is Outcome.FAIL
    return passed / runs, failed / runs


def false_blocks(n: int, runs: int) -> tuple[float, float]:
    """How often a gate over seven metrics fails a candidate that is as good, and how often it passes it."""
    outcomes = []
    for seed in range(runs):
        data = evaluation(n, np.random.default_rng(seed), Task.CLASSIFICATION)
        units = units_of(n, None, seed)
        results = [
            compare(make(data, units, info, 10), units, DEFAULTS[name], ALPHA, grouped=False)
            for name in CLASSES
            for info, make in (FIGURES[name],)
        ]
        found = {one.outcome for one in decide_metrics(results, ALPHA)}
        outcomes.append(Outcome.FAIL if Outcome.FAIL in found else Outcome.PASS if len(found) == 1 else None)
    return outcomes.count(Outcome.FAIL) / runs, outcomes.count(Outcome.PASS) / runs


def of_groups(count: int, size: int, runs: int) -> tuple[float, float, float]:
    """Groups of items that change their verdict together. How often accuracy fails at a margin of zero without a true
    difference, by groups and by items; and how often it passes by groups with a loss of exactly the margin.
    """
    failed = naive = passed = 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        for drop in (0.0, 0.05):
            data, groups = _grouped(count, size, drop, rng)
            margin = Margin(drop * 0.7 * SHARE_RIGHT)
            results = []
            for members in (groups, None):
                units = units_of(data.n, members, seed, 1000)
                figure = FIGURES["accuracy"][1](data, units, ACCURACY, 10)
                compared = compare(figure, units, margin, ALPHA, grouped=members is not None)
                results.append(decide_metrics([compared], ALPHA)[0].outcome)
            failed += not drop and results[0] is Outcome.FAIL
            naive += not drop and results[1] is Outcome.FAIL
            passed += bool(drop) and results[0] is Outcome.PASS
    return failed / runs, naive / runs, passed / runs


def _grouped(
    count: int, size: int, drop: float, rng: np.random.Generator
) -> tuple[PairedAnswers, np.ndarray]:
    """Seven of ten items of the groups that a side gets wrong; each side has such groups, the candidate more."""
    groups = np.repeat(np.arange(count), size)
    right, is_hard = rng.random(groups.size) < SHARE_RIGHT, rng.random(groups.size) < 0.7
    nothing = np.full(groups.size, np.nan)
    sides = []
    for share in (0.03 + drop / 2, 0.03 - drop / 2):
        wrong = (rng.random(count) < share)[groups] & is_hard
        codes = np.where(right & ~wrong, 0, 1)
        sides.append(
            SideAnswers(
                codes, nothing, np.zeros(groups.size, bool), nothing, nothing, nothing, nothing, None, False
            )
        )
    truth = np.zeros(groups.size, np.int64)
    none: Any = None
    return PairedAnswers(
        Task.CLASSIFICATION, ("0", "1"), truth, nothing, sides[0], sides[1], np.array([0, 1]), none
    ), groups


def _lines(runs: int) -> Iterator[str]:
    yield f"Accuracy {SHARE_RIGHT:.0%}, {CHANGED:.0%} of items change, margin 2 points, {runs} runs"
    yield "| n | true drop | any drop blocks | > 1 pt blocks | unpaired z blocks | ours fails | ours passes |"
    yield "|---|---|---|---|---|---|---|"
    for n in SIZES:
        for drop in DROPS:
            rates = accuracy(n, drop, runs)
            figures = (rates.any_drop, rates.one_point, rates.unpaired, rates.ours_fails, rates.ours_passes)
            yield f"| {n} | {drop:.0%} | {' | '.join(f'{one:.3f}' for one in figures)} |"
    some = max(100, runs // 5)
    yield f"\nOne metric, n = 300, {some} runs (nominal: {ALPHA:.0%} each)"
    yield "| metric | worse by exactly its margin: passes | not worse: fails |\n|---|---|---|"
    for name in WORSE_BY_SCALE:
        passed, failed = at_the_margin(name, 300, some)
        yield f"| {name} | {passed:.3f} | {failed:.3f} |"
    yield f"\nAccuracy in groups that change together, {some} runs"
    yield "| groups | not worse, by groups: fails | by items: fails | worse by its margin: passes |\n|---|---|---|---|"
    for count, size in ((60, 10), (300, 5)):
        failed, naive, passed = of_groups(count, size, some)
        yield f"| {count} of {size} items | {failed:.3f} | {naive:.3f} | {passed:.3f} |"
    yield f"\nSeven metrics at once, a candidate as good as the baseline, {some} runs"
    yield "| n | fails | passes |\n|---|---|---|"
    for n in (300, 1000, 3000):
        failed, passed = false_blocks(n, some)
        yield f"| {n} | {failed:.3f} | {passed:.3f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    for line in _lines(parser.parse_args().runs):
        print(line, flush=True)


if __name__ == "__main__":
    main()
