"""Measures the scores that evaluators gave in the last hour."""

from collections.abc import Mapping, Sequence

from monitor.config.units import HOUR
from monitor.metrics import intervals
from monitor.metrics.quality.scores import SCORE_MEAN
from monitor.records import Measurement, Stream, Window, labels
from monitor.store import scores
from monitor.store.db import Store
from monitor.store.scores import ScoreSums

FEWEST = 5
"""Scores below which a mean says nothing."""
EVERY = 15.0
MOST = 200
"""Means of one stream: a name with a number in it would be without end."""


class ScoreMetrics:
    """Reads the stored scores, every `EVERY` seconds."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._measured: dict[Stream, list[Measurement]] = {}
        self._measured_at = float("-inf")

    def measure(self, now: float) -> Mapping[Stream, Sequence[Measurement]]:
        """The mean of each score at `now`, by stream."""
        if not 0 <= now - self._measured_at < EVERY:
            with self._store.read() as connection:
                sums = scores.sums(connection, now - HOUR, now + 1)
            measured: dict[Stream, list[Measurement]] = {}
            for one in sorted(sums, key=lambda one: (-one.n, one.name, one.evaluator)):
                own = measured.setdefault(one.stream, [])
                if len(own) < MOST:
                    own.append(_mean(one, now))
            self._measured, self._measured_at = measured, now
        return self._measured


def _mean(one: ScoreSums, now: float) -> Measurement:
    window = Window(int(now - HOUR), int(now) + 1)
    where = labels(score=one.name, evaluator=one.evaluator)
    info = SCORE_MEAN
    if one.n < FEWEST:
        reason = f"{one.n} scores in the last hour, fewer than {FEWEST}"
        return Measurement(
            one.stream, window, info.name, None, info.unit, info.better, one.n, where, reason=reason
        )
    mean = one.total / one.n
    low, high = intervals.of_mean(mean, intervals.variance_of(one.total, one.squares, one.n), one.n)
    return Measurement(one.stream, window, info.name, mean, info.unit, info.better, one.n, where, low, high)
