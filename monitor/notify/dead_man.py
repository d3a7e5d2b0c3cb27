"""The dead man's switch: an outside service is pinged while all is well, and raises the alarm when it stops.

A watcher that has died cannot say so itself. Whatever keeps it from watching (a stuck loop, a full disk, a
dead delivery thread) stops the ping, though the process and its HTTP answers may live on.
"""

from dataclasses import dataclass

from monitor.durations import format_duration
from monitor.notify.failure import AttemptError
from monitor.notify.http import Http
from monitor.settings import Duration, Secret, Section


class DeadManSettings(Section):
    """A dead man's switch, such as a healthchecks.io check: period 1 minute, grace 3 minutes."""

    url: Secret
    """The address to ping; secret, because it is the check's only key."""
    every: Duration = 60.0
    """How often."""
    ca_file: str = ""
    """A file of certificates to trust instead of the system's."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """Signs of life. Times are seconds since the epoch; None where it never happened.

    `judged_at` is the end of the last whole tick, `wrote_at` that of the last commit, `waiting_since` when
    the oldest critical delivery that is due was made.
    """

    judged_at: float | None
    wrote_at: float | None
    waiting_since: float | None
    is_delivering: bool


def ailment(vitals: Vitals, tick_seconds: float, now: float) -> str:
    """What is wrong, in words, or the empty string where all is well. Pure."""
    late = max(2 * tick_seconds, 30.0)
    for moment, what in ((vitals.judged_at, "judged"), (vitals.wrote_at, "written")):
        if moment is None or now - moment > late:
            since = "never" if moment is None else f"{format_duration(round(now - moment))} ago"
            return f"nothing was {what} for too long (last: {since})"
    if vitals.waiting_since is not None and now - vitals.waiting_since > 60:
        return f"a critical page waits for {format_duration(round(now - vitals.waiting_since))}"
    return "" if vitals.is_delivering else "a delivery thread has died"


class DeadMan:
    """Pings when it is time and all is well."""

    def __init__(self, settings: DeadManSettings) -> None:
        self._settings = settings
        self._http = Http("the dead man's switch", settings.ca_file)
        self._due_at = 0.0

    def step(self, vitals: Vitals, tick_seconds: float, now: float) -> str:
        """Ping if it is time: what was done, in words; the empty string when it is not time yet."""
        if now < self._due_at:
            return ""
        if reason := ailment(vitals, tick_seconds, now):
            return f"not pinged: {reason}"
        self._due_at = now + self._settings.every
        try:
            self._http.post(self._settings.url.get_secret_value(), b"", {})
        except AttemptError as failure:
            return f"not pinged: {failure.message}"
        return "pinged"

    def close(self) -> None:
        """Give connections back."""
        self._http.close()
