"""The interface of a channel: one attempt per call."""

from dataclasses import dataclass
from typing import Protocol

from monitor.alerts.notification import Notification
from monitor.records import Action

ATTEMPT_SECONDS = 5.0
"""Deadline of one request, from name resolution to the last byte of the response."""
MARGIN = 10.0
"""Seconds by which a lease must exceed the longest attempt, for the writes before and after it."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The rate limit of a channel: `burst` calls at once, then `per_second`."""

    burst: float
    per_second: float


class Channel(Protocol):
    """A notification channel. Each call is one attempt: no retry, and no wait beyond its deadline."""

    name: str
    seconds: float
    """Deadline of one attempt, all its requests together."""
    rate: RateLimit | None
    actions: frozenset[Action]
    """The actions that it supports; deliveries of other actions are skipped."""

    def send(self, notification: Notification) -> str:
        """Send it, and return the response in a few words.

        Raises:
            AttemptError: it was not sent, or it is unknown whether it was.
        """
        ...

    def close(self) -> None:
        """Close connections."""
        ...


PAGES = frozenset((Action.TRIGGER, Action.RESOLVE))
"""The actions of a channel that only reports the start and the end of an incident."""
