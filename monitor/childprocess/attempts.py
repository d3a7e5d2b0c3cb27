"""Failed tasks: how often in a row, and when they may be retried."""

import threading
from dataclasses import dataclass

from monitor.config.units import HOUR, MINUTE

FIRST_WAIT, LONGEST_WAIT = float(MINUTE), float(HOUR)
_FORGOTTEN_AFTER = 4 * LONGEST_WAIT
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Failing:
    """A task that failed `times` in a row, last at `at` (seconds since the epoch) for `reason`."""

    name: str
    times: int
    at: float
    reason: str

    @property
    def again_at(self) -> float:
        """When the task may be retried: after a minute, then twice as long after each failure, up to an hour."""
        return self.at + float(min(FIRST_WAIT * 2.0 ** min(self.times - 1, 16), LONGEST_WAIT))


class Attempts:
    """The failures of the last hours, by task name. Safe to use from several threads."""

    def __init__(self) -> None:
        self._failing: dict[str, Failing] = {}
        self._lock = threading.Lock()

    def is_due(self, name: str, now: float) -> bool:
        """Whether a task may run at `now`."""
        with self._lock:
            failing = self._failing.get(name)
        return failing is None or not failing.at <= now < failing.again_at

    def failed(self, name: str, reason: str, now: float) -> Failing:
        """Record a failure."""
        with self._lock:
            before = self._failing.pop(name, None)
            made = Failing(name, before.times + 1 if before else 1, now, reason)
            self._failing[name] = made
            while (oldest := next(iter(self._failing.values()))) is not made:
                if now - oldest.at <= _FORGOTTEN_AFTER and len(self._failing) <= _MOST:
                    break
                del self._failing[oldest.name]
            return made

    def worked(self, name: str) -> None:
        """Record a success."""
        with self._lock:
            self._failing.pop(name, None)
