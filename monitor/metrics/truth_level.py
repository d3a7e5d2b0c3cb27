"""How large the truths are to which errors belong: errors of small numbers say little about those of large ones.

A solar plant at dawn, or a demand that rises in the morning, has larger errors than the hours before it, and answers
as well as ever. Nothing is stored: after a start, the level is collected again.
"""

import math
from collections import deque
from dataclasses import dataclass, field

from monitor.config.units import HOUR, WEEK

Squares = tuple[float, float]
"""The sum of the squares of truths, and their number."""
_HOURS = WEEK // HOUR


@dataclass(slots=True)
class TruthLevel:
    """The root mean square of the truths that arrived in the last week, by hour of arrival. `now` is the open step."""

    now: Squares = (0.0, 0.0)
    _hours: deque[tuple[int, float, float]] = field(default_factory=lambda: deque(maxlen=_HOURS))

    def add(self, squares: float, n: float) -> None:
        """Add truths to the open step."""
        self.now = self.now[0] + squares, self.now[1] + n

    def close(self, now: float) -> None:
        """Add the open step to the hour of `now`, and open the next one."""
        hour, before = int(now // HOUR), (0.0, 0.0)
        if self._hours and self._hours[-1][0] == hour:
            before = self._hours.pop()[1:]
        self._hours.append((hour, before[0] + self.now[0], before[1] + self.now[1]))
        self.now = (0.0, 0.0)

    @property
    def usual(self) -> float | None:
        """The root mean square over the closed steps; None without any."""
        return root_mean_square(
            (math.fsum(squares for _, squares, _ in self._hours), math.fsum(n for _, _, n in self._hours))
        )


def root_mean_square(squares: Squares) -> float | None:
    """The root of a mean of squares; None without any, or if it exceeds float64."""
    total, n = squares
    if n <= 0 or not math.isfinite(total):
        return None
    return math.sqrt(max(total, 0.0) / n)


def growth(now: float | None, usual: float | None) -> float:
    """How many times larger truths are now than usually, at least 1; 1 if either is unknown."""
    if now is None or usual is None or now <= usual:
        return 1.0
    return now / usual if usual > 0 else math.inf
