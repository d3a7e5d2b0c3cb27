"""Remembers which streams send texts in log records, so that calls of the others need not wait for any.

In memory only: after a start, nothing is known, and every call without texts waits.
"""

from dataclasses import dataclass, field
from typing import Any

_MOST = 10_000
_QUIET_AFTER = 600.0
"""Seconds without texts, after which a call that waited in vain is the last one of its stream that waits."""
Sender = tuple[str, str]
"""Client and model."""


@dataclass
class TextSenders:
    """What is known of streams and calls. Times are in seconds of the monotonic clock."""

    _quiet: dict[Sender, None] = field(default_factory=dict)
    _last: dict[Sender, float] = field(default_factory=dict)
    _bare: dict[str, None] = field(default_factory=dict)

    def may_send(self, sender: Sender) -> bool:
        """Whether texts of a call may still come."""
        return sender not in self._quiet

    def sent(self, sender: Sender, now: float) -> None:
        """Texts came."""
        self._quiet.pop(sender, None)
        self._last.pop(sender, None)
        self._last[sender] = now
        _forget_oldest(self._last)

    def waited_in_vain(self, sender: Sender, now: float) -> None:
        """No texts came for a call that waited."""
        if now - self._last.get(sender, float("-inf")) > _QUIET_AFTER:
            self._quiet[sender] = None
            _forget_oldest(self._quiet)

    def stored_without(self, call: str) -> None:
        """A call was stored without texts."""
        self._bare[call] = None
        _forget_oldest(self._bare)

    def was_stored_without(self, call: str) -> bool:
        """Whether a call was stored without texts lately."""
        return call in self._bare


def _forget_oldest(known: dict[Any, Any]) -> None:
    if len(known) > _MOST:
        known.pop(next(iter(known)))
