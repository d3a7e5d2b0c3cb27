"""How much of a generated table a run tries: a part that takes each code path, or all of it.

`WATCHKEEPER_EACH=1` in the environment tries every cell and many more examples, for a nightly run.
"""

import os
from collections.abc import Sequence
from itertools import product
from typing import TypeVar

from hypothesis import HealthCheck

T = TypeVar("T")
THOROUGH = bool(os.environ.get("WATCHKEEPER_EACH"))
TIMED = (HealthCheck.too_slow,)
"""A check of Hypothesis that times how long it makes examples: a busy machine fails it."""
SHARED_FIXTURES = (HealthCheck.function_scoped_fixture, *TIMED)
"""For a test whose examples share a fixture: a folder or a store in which each example uses its own names."""


def examples(usual: int) -> int:
    """How many examples Hypothesis tries of a law that wants `usual` of them.

    Ten times as many in a thorough run, which draws new ones; half as many in another, which draws the same each time.
    """
    return usual * 10 if THOROUGH else max(min(usual, 5), usual // 2)


def thinned(cases: Sequence[T], every: int) -> Sequence[T]:
    """All cases in a thorough run, else each `every`-th."""
    return cases if THOROUGH else cases[::every]


def pairwise(first: Sequence[T], second: Sequence[T], third: Sequence[T]) -> list[tuple[T, T, T]]:
    """All triples in a thorough run, else as many as hold each pair of values: the longest two axes, crossed.

    `third` is the shortest axis.
    """
    assert len(third) <= min(len(first), len(second))
    if THOROUGH:
        return list(product(first, second, third))
    return [(a, b, third[(i + j) % len(third)]) for i, a in enumerate(first) for j, b in enumerate(second)]
