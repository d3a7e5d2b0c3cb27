"""What every channel is: one attempt a call."""

from dataclasses import dataclass
from typing import Protocol

from monitor.alerts.notification import Notification
from monitor.records import Action

ATTEMPT_SECONDS = 5.0
"""How long one attempt may take, well below a lease."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How many calls a channel may make: `burst` at once, `per_second` after that."""

    burst: float
    per_second: float


class Channel(Protocol):
    """A way to tell somebody. Each call is one attempt: no retry, no wait beyond its time limit."""

    name: str
    rate: Rate | None
    actions: frozenset[Action]
    """What it can say; a delivery of another action is passed over."""

    def send(self, notification: Notification) -> str:
        """Tell it, and return what the other side answered, in a few words.

        Raises:
            AttemptError: it did not go out, or nobody knows whether it did.
        """
        ...

    def close(self) -> None:
        """Give connections back."""
        ...


PAGES = frozenset((Action.TRIGGER, Action.RESOLVE))
"""Channels without an acknowledgement of their own."""
