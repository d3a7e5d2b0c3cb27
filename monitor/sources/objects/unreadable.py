"""Objects that cannot be read now: each is tried again after a pause of its own, and holds up no other."""

from collections.abc import Iterable
from dataclasses import dataclass

from monitor.sources.objects.stores import StoredObject
from monitor.sources.source import SourceError

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 300.0
"""Seconds until an object is tried again: the first time, and at most."""


@dataclass(frozen=True, slots=True)
class _Failure:
    error: SourceError
    pause: float
    again_at: float
    size: int
    modified: float


class UnreadableObjects:
    """Why each object could not be read, and when it is tried again. Times are of one clock that never goes back."""

    def __init__(self) -> None:
        self._failures: dict[str, _Failure] = {}

    def __bool__(self) -> bool:
        return bool(self._failures)

    @property
    def error(self) -> SourceError | None:
        """Why one of them cannot be read, and how many more there are."""
        if not self._failures:
            return None
        error = next(iter(self._failures.values())).error
        if len(self._failures) == 1:
            return error
        return SourceError(
            f"{error.message}; {len(self._failures) - 1:,} more cannot be read", hint=error.hint
        )

    def failed(self, one: StoredObject, error: SourceError, now: float) -> None:
        """An object could not be read."""
        before = self._failures.get(one.name)
        pause = FIRST_PAUSE if before is None else min(before.pause * 2, LONGEST_PAUSE)
        self._failures[one.name] = _Failure(error, pause, now + pause, one.size, one.modified)

    def worked(self, one: StoredObject) -> None:
        """An object was read."""
        self._failures.pop(one.name, None)

    def keep(self, current: Iterable[StoredObject]) -> None:
        """Forget those that are no longer there."""
        names = {one.name for one in current}
        self._failures = {name: failure for name, failure in self._failures.items() if name in names}

    def is_due(self, one: StoredObject, now: float) -> bool:
        """Whether an object is tried now: it did not fail, its pause is over, or somebody wrote to it since."""
        failure = self._failures.get(one.name)
        return (
            failure is None
            or now >= failure.again_at
            or (failure.size, failure.modified) != (one.size, one.modified)
        )
