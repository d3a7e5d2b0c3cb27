"""The dead man's switch: an external service is pinged while the daemon is healthy, and alerts when pings stop.

A stuck loop, a full disk or a dead delivery thread stops the pings, even if the process still serves HTTP.
"""

from dataclasses import dataclass

from monitor.config.sections import Duration
from monitor.config.units import format_duration
from monitor.notify.addresses import SecretUrl
from monitor.notify.connection import ConnectionSettings
from monitor.notify.failure import AttemptError
from monitor.notify.http import Http


class DeadManSettings(ConnectionSettings):
    """A dead man's switch, such as a healthchecks.io check: period 1 minute, grace 3 minutes."""

    url: SecretUrl
    """URL to ping. Treated as a secret, because it is the only credential of the check."""
    every: Duration = 60.0
    """Interval."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """Signs of life. Times are in seconds.

    `judged` is the time since the last complete tick was stored; None if there was none. `waiting` is how long the
    oldest due critical delivery has waited; None if there is none.
    """

    judged: float | None
    waiting: float | None
    is_delivering: bool


def health_problem(vitals: Vitals, tick_seconds: float) -> str:
    """The problem in words, or the empty string if the daemon is healthy. Pure."""
    late = max(2 * tick_seconds, 30.0)
    if vitals.judged is None or vitals.judged > late:
        since = "never" if vitals.judged is None else f"{format_duration(round(vitals.judged))} ago"
        return f"no rule evaluation for too long (last: {since})"
    if vitals.waiting is not None and vitals.waiting > 60:
        return f"a critical page has been waiting for {format_duration(round(vitals.waiting))}"
    return "" if vitals.is_delivering else "a delivery thread has stopped"


class DeadMan:
    """Pings at its interval while the daemon is healthy."""

    def __init__(self, settings: DeadManSettings) -> None:
        self._settings = settings
        self._http = Http("the dead man's switch", settings.route)
        self._due_at = 0.0

    def step(self, vitals: Vitals, tick_seconds: float, elapsed: float) -> str:
        """Ping if it is due; the outcome in words, or the empty string if it is not due.

        `elapsed` is a monotonic time in seconds.
        """
        if elapsed < self._due_at:
            return ""
        if reason := health_problem(vitals, tick_seconds):
            return f"not pinged: {reason}"
        self._due_at = elapsed + self._settings.every
        try:
            self._http.post(self._settings.url.get_secret_value(), b"", {})
        except AttemptError as failure:
            return f"not pinged: {failure.message}"
        return "pinged"

    def close(self) -> None:
        """Close connections."""
        self._http.close()
