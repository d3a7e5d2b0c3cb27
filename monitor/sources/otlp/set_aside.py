"""What waited and could not be stored: it is set aside, reported, and tried again, and what comes behind it goes on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from monitor.errors import StoreError
from monitor.runtime.faults import LASTS, Faults

Item = TypeVar("Item")
FIRST_DELAY, LONGEST_DELAY = 60.0, 900.0
"""Seconds until something is tried again. The delay doubles with each attempt."""
_REPORTED = 3600.0
"""Seconds for which a loss is reported."""
_MOST = 20_000
"""What is set aside at once. Of more, the oldest are tried again at once."""


@dataclass(frozen=True, slots=True)
class _Failed:
    again_at: float
    delay: float


class SetAsideKeys:
    """The keys of what could not be stored, in memory only: a restart tries all of it again.

    `part` names it in reports; `elapsed` is a monotonic clock in seconds.
    """

    def __init__(self, faults: Faults, part: str, elapsed: Callable[[], float]) -> None:
        self._faults, self._part, self._elapsed = faults, part, elapsed
        self._failed: dict[str, _Failed] = {}

    def is_due(self, key: str) -> bool:
        """Whether it is not set aside, or is to be tried again."""
        failed = self._failed.get(key)
        return failed is None or self._elapsed() >= failed.again_at

    def store_all(self, items: Mapping[str, Item], store: Callable[[Sequence[Item]], object]) -> None:
        """Store these together; if that raises, each alone, of which those that raise are set aside.

        Raises:
            StoreError: the store is unavailable.
        """
        if not self._is_stored(items, store):
            for key, item in items.items():
                self._store_one(key, item, store)

    def _is_stored(self, items: Mapping[str, Item], store: Callable[[Sequence[Item]], object]) -> bool:
        if len(items) == 1:
            return False
        try:
            store(list(items.values()))
        except StoreError:
            raise
        except Exception:  # boundary: one must not stop the others
            return False
        for key in items:
            self._worked(key)
        return True

    def _worked(self, key: str) -> None:
        if self._failed.pop(key, None) is not None:
            self._faults.resolve(self._part, key)

    def _store_one(self, key: str, item: Item, store: Callable[[Sequence[Item]], object]) -> None:
        before = self._failed.pop(key, None)
        delay = FIRST_DELAY if before is None else min(2 * before.delay, LONGEST_DELAY)
        is_stored = False
        with self._faults.isolate(self._part, key, lasts=delay + LASTS):
            store([item])
            is_stored = True
        if not is_stored:
            self._failed[key] = _Failed(self._elapsed() + delay, delay)
            if len(self._failed) > _MOST:
                self._failed.pop(next(iter(self._failed)))

    def lost(self, count: int) -> None:
        """Report what was deleted because it could not be stored in time."""
        if count:
            reason = f"{count:,} could not be stored in time, and were deleted"
            self._faults.report(self._part, "overdue", reason, lasts=_REPORTED)
