"""Reports a system clock that was set back: rows stored before then seem to lie in the future."""

from monitor.clock import Clock
from monitor.config.units import format_duration
from monitor.runtime.faults import Faults

SET_BACK = 5.0
"""Seconds by which a clock must have been set back at once to be reported."""


class ClockWatch:
    """Compares the time of day with the monotonic clock."""

    def __init__(self, clock: Clock, faults: Faults) -> None:
        self._clock, self._faults = clock, faults
        self._last: tuple[float, float] | None = None

    def check(self, now: float) -> None:
        """Report if the clock was set back since the last call. `now` is the time of day, in seconds since 1970."""
        elapsed = self._clock.elapsed()
        if self._last is not None:
            back = (elapsed - self._last[1]) - (now - self._last[0])
            if back > SET_BACK:
                reason = f"it was set back by {format_duration(round(back))}"
                self._faults.report("clock", "time of day", reason)
        self._last = now, elapsed
