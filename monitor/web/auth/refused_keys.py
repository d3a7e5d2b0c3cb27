"""Who sends with keys that are refused: counts of the last minutes, named in the reason of WrongKeyRejections."""

import threading
from collections import Counter

from monitor.visible import counted, one_line

SECONDS = 300.0
_MINUTE = 60.0
_MOST = 1000
_MOST_NAMED = 5
_LONGEST_ADDRESS = 64
UNKNOWN = "unknown"
"""Instead of the id of a key that does not exist."""


class RefusedKeys:
    """Counts refused requests by key and address, in minutes. Safe to use from all threads.

    Strangers decide how many addresses there are: above 1,000 in a minute, they are counted without a name.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._minutes: dict[int, Counter[tuple[str, str]]] = {}

    def count(self, key: str, address: str, now: float) -> None:
        """Count a request. `key` is the id of the key, or `UNKNOWN`."""
        with self._lock:
            self._forget(now)
            counts = self._minutes.setdefault(int(now // _MINUTE), Counter())
            named = (key, address[:_LONGEST_ADDRESS])
            counts[named if named in counts or len(counts) < _MOST else ("", "")] += 1

    def words(self, now: float) -> str:
        """The keys and addresses of the last five minutes with the most requests; empty without any."""
        with self._lock:
            self._forget(now)
            total = sum(self._minutes.values(), Counter[tuple[str, str]]())
        others = total.pop(("", ""), 0)
        ranked = sorted(total.items(), key=lambda one: (-one[1], one[0]))
        others += sum(count for _, count in ranked[_MOST_NAMED:])
        parts = [_words(*named, count) for named, count in ranked[:_MOST_NAMED]]
        return ", ".join(parts) + (f", and {others:,} from others" if others else "")

    def _forget(self, now: float) -> None:
        current = int(now // _MINUTE)
        oldest = current - int(SECONDS // _MINUTE)
        for minute in [one for one in self._minutes if not oldest < one <= current]:
            del self._minutes[minute]


def _words(key: str, address: str, count: int) -> str:
    times = "once" if count == 1 else counted(count, "time")
    name = "an unknown key" if key == UNKNOWN else f"key {one_line(key)}"
    return f"{name} from {one_line(address) or 'an unknown address'} {times}"
