"""How often a version is blamed wrongly, and how soon a bad one is: simulated rollouts, looked at each minute."""

import numpy as np
import pytest

from monitor.rollback.comparison import ArmFigure, Breach, VersionFigures, blame
from tests.support.thorough import THOROUGH

ROLLOUTS = 1000 if THOROUGH else 60
MINUTES, WATCHED = 60, 10


def blamed(new: float, other: float, *, burst: float = 0.0, n: tuple[int, int] = (50, 450)) -> list[int]:
    """The minutes at which the new version was blamed, of those rollouts in which it was."""
    random, found = np.random.default_rng(3), []
    for _ in range(ROLLOUTS):
        shared = np.exp(random.normal(0, burst, MINUTES))
        mine = random.binomial(n[0], np.minimum(1, new * shared)) / n[0]
        theirs = random.binomial(n[1], np.minimum(1, other * shared)) / n[1]
        for minute in range(2, MINUTES + 1):
            starts = range(max(0, minute - WATCHED), minute)
            arms = [
                VersionFigures(version, {60 * at: ArmFigure(size, float(rates[at])) for at in starts})
                for version, rates, size in (("8", mine, n[0]), ("7", theirs, n[1]))
            ]
            breach = Breach("error_rate", 0.05, "share", True, 60.0 * starts[0])
            if blame(breach, *arms, None).is_new:
                found.append(minute)
                break
    return found


@pytest.mark.parametrize("rate", [0.06, 0.1, 0.3])
@pytest.mark.parametrize("burst", [0.0, 0.5])
def test_a_version_that_is_as_bad_as_the_other_one_is_not_blamed(rate: float, burst: float) -> None:
    assert len(blamed(rate, rate, burst=burst)) <= ROLLOUTS // 500


@pytest.mark.parametrize(("rate", "within"), [(0.08, 8), (0.3, 2)])
def test_a_bad_version_is_blamed_within_minutes(rate: float, within: int) -> None:
    found = blamed(rate, 0.01)
    assert len(found) == ROLLOUTS
    assert np.median(found) <= within
