"""The mean error of a window, as the trees of its baseline expect it."""

from dataclasses import dataclass

from monitor.windows.error_trees import expected_errors
from monitor.windows.error_trees.trees import ErrorTrees
from monitor.windows.profile import Slice


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimated mean error, the variance of a single error about its expectation, and that of the estimate."""

    value: float
    variance: float
    of_fit: float


def of_slice(trees: ErrorTrees, part: Slice, *, is_share: bool = False) -> Estimate | None:
    """The estimate for a slice; None if none of its rows has an expected error. `is_share`: errors are 1 for a wrong
    answer and 0 for a right one.
    """
    expected = expected_errors.of_slice(part)
    if expected is None:
        return None
    value, members = float(expected.means.mean()), len(expected.means)
    of_fit = (members - 1) / members * float(((expected.means - value) ** 2).sum())  # a grouped jackknife
    of_fit += trees.wander * value**2
    if not is_share:
        return Estimate(value, trees.spread * expected.squares, of_fit)
    return Estimate(min(value, 1.0), max(value - expected.squares, 0.0), of_fit)
