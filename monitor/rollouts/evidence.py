"""Evidence that one version is worse than the other: e-processes over minutes. Pure, and vectorised.

An e-process has a mean of at most 1 while the canary is not worse, at any time at which one looks, so it ever reaches
1 / alpha with probability at most alpha (Ville's inequality). A weighted mean of e-processes is one as well.

Both versions are compared within each minute, so what hits both alike is no evidence. Of the `k` bad answers among the
`n` of a minute, those of the canary follow a hypergeometric distribution if both have the same chance. A bet of
`odds ** canary_bad` is divided by a bound of its mean: that of the binomial distribution with the same mean, which is
larger (Hoeffding 1963), for each of the four ways to call a hypergeometric draw a sample.

Bad answers that come in bursts are not independent: each bet is made smaller by the variation of the stable version's
minutes before it.

All arrays have minutes on their last axis; further axes before it are columns, cells or simulations.
"""

from dataclasses import dataclass

import numpy as np

ALTERNATIVES = (1.5, 2.0, 3.0, 5.0, 8.0)
"""Alternatives for failures: this many times worse than tolerated."""
ODDS = (1.1, 1.2, 1.5, 2.0, 3.0, 5.0)
"""Alternatives for other shares: the odds of a bad answer are this many times higher."""
QUIET_MINUTES = 5
"""Minutes at the start in which only the variation is learned."""
_LARGEST_LOG = 700.0


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """Answers of both versions per minute, and the bad ones among them: four arrays of one shape."""

    canary_bad: np.ndarray
    canary: np.ndarray
    stable_bad: np.ndarray
    stable: np.ndarray

    @property
    def both(self) -> np.ndarray:
        """Whether both versions answered, per minute."""
        return (self.canary > 0) & (self.stable > 0)

    @property
    def stable_share(self) -> float:
        """The stable version's share of bad answers, its minutes weighed by the canary's answers in each."""
        return _share(self.stable_bad, self.stable, np.where(self.both, self.canary, 0.0))

    @property
    def canary_share(self) -> float:
        """The canary's share of bad answers in the minutes in which both answered."""
        return _share(self.canary_bad, self.canary, np.where(self.both, self.canary, 0.0))


def _share(bad: np.ndarray, n: np.ndarray, weights: np.ndarray) -> float:
    total = float(weights.sum())
    return float((bad / np.maximum(n, 1.0) * weights).sum()) / total if total else float("nan")


def failing_more_often(counts: Counts, tolerated: float) -> np.ndarray:
    """Evidence that the canary fails more than `tolerated` times as often: e-values after each minute."""
    share = _canary_share(counts)
    bets = [
        _likelihood(counts, _tilted(share, tolerated * worse))
        - _likelihood(counts, _tilted(share, tolerated))
        for worse in ALTERNATIVES
    ]
    return e_process(np.stack(bets), _care(counts))


def more_often_bad(counts: Counts, alternatives: tuple[float, ...] = ODDS) -> np.ndarray:
    """Evidence that the canary's answers are bad more often than the stable version's: e-values after each minute.

    With alternatives below 1 as well, it is evidence of any difference.
    """
    return e_process(np.stack([conditional_bet(counts, odds) for odds in alternatives]), _care(counts))


def conditional_bet(counts: Counts, odds: float) -> np.ndarray:
    """The logarithm of each minute's bet that the odds of a bad answer of the canary are `odds` times higher."""
    bad, n = counts.canary_bad + counts.stable_bad, counts.canary + counts.stable
    share_bad, share_canary = bad / np.maximum(n, 1.0), _canary_share(counts)
    gain, loss = odds - 1, 1 / odds - 1
    log = np.log(odds)
    bound = np.minimum.reduce(
        [
            counts.canary * np.log1p(share_bad * gain),
            bad * np.log1p(share_canary * gain),
            bad * log + counts.stable * np.log1p(share_bad * loss),
            counts.canary * log + (n - bad) * np.log1p(share_canary * loss),
        ]
    )
    return np.asarray(np.where(counts.both, counts.canary_bad * log - bound, 0.0))


def above_limit(counts: Counts, limit: float, alternatives: tuple[float, ...]) -> np.ndarray:
    """Evidence that the canary's share of bad answers is above `limit` *and* above the stable version's, in the minutes
    in which both answer.

    Each minute's bet is the smaller one of both: it is fair wherever one of the two statements is wrong.
    """
    alone = [np.where(counts.both, _against(counts, limit, share), 0.0) for share in alternatives]
    bets = [np.minimum(one, conditional_bet(counts, odds)) for one in alone for odds in ODDS]
    return e_process(np.stack(bets), _care(counts))


def alone_above_limit(
    counts: Counts, limit: np.ndarray | float, alternatives: tuple[float, ...]
) -> np.ndarray:
    """Evidence that the canary's share of bad answers is above `limit` in the minutes in which it answers alone.

    `limit` may differ from minute to minute; the alternatives are multiples of it.
    """
    alone = (counts.canary > 0) & (counts.stable <= 0)
    bets = [
        np.where(alone, _against(counts, limit, np.minimum(limit * times, 0.99)), 0.0)
        for times in alternatives
    ]
    expected = counts.canary * limit
    return e_process(np.stack(bets), 1 / (1 + burstiness_before(counts) * expected))


def e_process(bets: np.ndarray, care: np.ndarray | float = 1.0) -> np.ndarray:
    """The mean over alternatives (first axis) of the products of the bets so far; none in the first minutes."""
    quiet = np.arange(bets.shape[-1]) < QUIET_MINUTES
    logs = np.cumsum(np.where(quiet, 0.0, bets * care), axis=-1)
    largest = logs.max(axis=0)
    mean = np.exp(logs - largest).mean(axis=0)
    return np.asarray(np.exp(np.minimum(largest + np.log(mean), _LARGEST_LOG)))


def burstiness_before(counts: Counts) -> np.ndarray:
    """By how much the stable version's bad answers varied in the minutes before each, beyond what chance explains,
    relative to their squared mean; shape (..., minutes).
    """
    bad, n = np.where(counts.stable > 0, counts.stable_bad, 0.0), counts.stable
    total, answers, minutes = _before(bad), _before(n), _before((n > 0).astype(np.float64))
    rate = total / np.maximum(answers, 1.0)
    expected_squares = rate**2 * _before(n * n)
    squares = _before(bad * bad) - 2 * rate * _before(bad * n) + expected_squares
    by_chance = total * (1 - rate) * (1 - 1 / np.maximum(minutes, 1.0))
    excess = (squares - by_chance) / np.maximum(expected_squares, 1e-9)
    return np.asarray(np.where((minutes >= 2) & (total > 0), np.maximum(excess, 0.0), 0.0))


def burstiness(counts: Counts) -> float:
    """`burstiness_before` after the last minute, of arrays of shape (minutes,)."""
    one_more = [np.append(array, 0.0) for array in (counts.canary, counts.stable_bad, counts.stable)]
    return float(burstiness_before(Counts(one_more[0], one_more[0], one_more[1], one_more[2]))[-1])


def _care(counts: Counts) -> np.ndarray:
    expected = (counts.canary_bad + counts.stable_bad) * _canary_share(counts)
    return np.asarray(1 / (1 + burstiness_before(counts) * expected))


def _before(values: np.ndarray) -> np.ndarray:
    """The sums over the minutes before each."""
    sums = np.cumsum(values, axis=-1)
    return np.asarray(np.concatenate([np.zeros_like(sums[..., :1]), sums[..., :-1]], axis=-1))


def _canary_share(counts: Counts) -> np.ndarray:
    return np.asarray(counts.canary / np.maximum(counts.canary + counts.stable, 1.0))


def _tilted(share: np.ndarray, worse: float) -> np.ndarray:
    return np.asarray(worse * share / (worse * share + 1 - share))


def _likelihood(counts: Counts, chance: np.ndarray) -> np.ndarray:
    """Of the canary's part of all bad answers; 0 in minutes in which one version did not answer."""
    safe = np.where(counts.both, chance, 0.5)
    bet = counts.canary_bad * np.log(safe) + counts.stable_bad * np.log1p(-safe)
    return np.asarray(np.where(counts.both, bet, 0.0))


def _against(counts: Counts, limit: np.ndarray | float, share: np.ndarray | float) -> np.ndarray:
    good = np.maximum(counts.canary - counts.canary_bad, 0.0)
    return np.asarray(
        counts.canary_bad * np.log(share / np.asarray(limit))
        + good * np.log((1 - np.asarray(share)) / (1 - np.asarray(limit)))
    )
