"""The bounded queue between callers and the sending thread."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple, Protocol, Union

LONGEST_WAIT = 0.001
"""Seconds that a caller waits for another one's turn, at most."""


class Deferred(Protocol):
    """Something that the sending thread turns into records, so that its caller need not wait."""

    def records(self) -> list[dict[str, Any]]:
        """The records."""
        ...


class Item(NamedTuple):
    """What waits: records of one kind (`predictions` or `outcomes`)."""

    kind: str
    content: Union[dict[str, Any], Deferred]  # noqa: UP007 - a NamedTuple evaluates it, also on Python 3.9
    number: int
    """Of records."""
    weight: int
    """Bytes in memory, roughly."""


class RecordQueue:
    """Holds at most `most` records and about `most_bytes` bytes, what the sending thread has in hand included.

    The lock is held for an append or a swap, never while something is sent or written. A caller that does not get it
    within a millisecond, for example in a signal handler that interrupted its holder, drops its record.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._items: list[Item] = []
        self.count = 0
        self.weight = 0
        self.taken_in = 0

    def put(self, item: Item) -> str:
        """Append; the reason in one word where that cannot be, else an empty text."""
        lock = self._lock
        if not lock.acquire(False) and not lock.acquire(True, LONGEST_WAIT):
            return "busy"
        try:
            if self.count + item.number > self._most or self.weight + item.weight > self._most_bytes:
                return "queue_full"
            self._items.append(item)
            self.count += item.number
            self.weight += item.weight
            self.taken_in += 1
            return ""
        finally:
            lock.release()

    def take(self) -> list[Item]:
        """All that waits. It counts against the limits until `release`."""
        with self._lock:
            items, self._items = self._items, []
            return items

    def is_empty(self) -> bool:
        """Whether nothing waits to be taken."""
        return not self._items

    def release(self, count: int, weight: int) -> None:
        """So much is sent, spooled or dropped."""
        with self._lock:
            self.count -= count
            self.weight -= weight
