"""How many records were taken, sent and dropped, and why."""

from __future__ import annotations

ACCEPTED = "accepted"
"""Records that the queue took."""
SENT = "sent"
"""Records that the daemon has on disk."""
DROPPED = (
    "queue_full",
    "busy",
    "too_large",
    "unusable",
    "refused",
    "spool_damaged",
    "not_sent",
    "off",
)
"""Why a record was lost; each is explained in docs/client.md."""
CHANGED = ("left_out", "cut")
"""Values, not records: what cannot be sent, and texts that were shortened."""
_MOST_NAMES = 20


class Counters:
    """Counts that any thread, and any signal handler, adds to without a lock.

    `add` takes a part out of those that are not in use, and so no other caller writes to it: neither another thread nor
    a handler that interrupts this one between reading and writing. There are as many parts as there were callers at
    once.
    """

    def __init__(self) -> None:
        self._parts: list[dict[str, int]] = []
        self._unused: list[dict[str, int]] = []
        self.left_out: dict[str, str] = {}
        """Names of values that were left out, with their type; some of them."""

    def add(self, name: str, count: int = 1) -> None:
        """Add to a count."""
        try:
            part = self._unused.pop()
        except IndexError:
            part = {}
            self._parts.append(part)
        part[name] = part.get(name, 0) + count
        self._unused.append(part)

    def leave_out(self, name: object, value: object) -> None:
        """Count a value that cannot be sent."""
        self.add("left_out")
        if len(self.left_out) < _MOST_NAMES and type(name) is str:
            self.left_out[name[:100]] = type(value).__name__

    def totals(self) -> dict[str, int]:
        """Every count by name, zeros included."""
        sums = dict.fromkeys((ACCEPTED, SENT, *DROPPED, *CHANGED), 0)
        for part in list(self._parts):
            for name, count in part.copy().items():
                sums[name] = sums.get(name, 0) + count
        return sums


def dropped(totals: dict[str, int]) -> int:
    """How many records were lost."""
    return sum(totals[name] for name in DROPPED)
