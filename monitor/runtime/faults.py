"""Faults in force: rows that are damaged, threads that ended. One fault never stops anything else.

Code that works through many items (rows, streams, rules, channels) puts `isolate` around each of them. If one raises,
the fault is recorded with its reason and the others go on. The alert `SetAside` reports recorded faults. A fault ends
when the same item works again, or when it was not retried for a while.
"""

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

from monitor.errors import StoreError
from monitor.runtime.sqlite_errors import is_of_sqlite

if TYPE_CHECKING:
    from sqlalchemy.exc import DBAPIError

log = logging.getLogger(__name__)

LASTS = 300.0
"""Seconds after which a fault ends that neither occurs again nor is resolved."""
MOST = 10_000
"""Maximum number of faults; the oldest are dropped first."""
LONGEST_REASON = 500
_OF_THE_STORE = ("OperationalError", "InternalError", "InterfaceError")


@dataclass(frozen=True, slots=True)
class Fault:
    """One item that was skipped. `part` is the table, thread or job, `subject` the item in it; `since` is in seconds
    since the epoch.
    """

    part: str
    subject: str
    reason: str
    since: float
    count: int


class Faults:
    """The faults in force. Safe to use from all threads."""

    def __init__(
        self, now: Callable[[], float] = time.time, elapsed: Callable[[], float] = time.monotonic
    ) -> None:
        self._now, self._elapsed = now, elapsed
        self._lock = threading.Lock()
        self._active: dict[tuple[str, str], tuple[Fault, float]] = {}
        self._adopted: dict[str, tuple[Fault, ...]] = {}

    def isolate(
        self, part: str, subject: str, *, lasts: float = LASTS, in_transaction: bool = False
    ) -> "Isolation":
        """Record what the block raises, and go on after it. Errors of an unavailable store are re-raised.

        `in_transaction`: the block is part of a transaction. An error of the database has then invalidated the whole
        transaction, and is re-raised as well.
        """
        return Isolation(self, part, subject, lasts, in_transaction=in_transaction)

    def report(self, part: str, subject: str, error: BaseException | str, *, lasts: float = LASTS) -> None:
        """Record a fault, in force for `lasts` seconds from now."""
        reason = one_line(error)
        with self._lock:
            previous = self._active.pop((part, subject), None)
            since, count = (previous[0].since, previous[0].count + 1) if previous else (self._now(), 1)
            fault = Fault(part, subject, reason, since, count)
            self._active[part, subject] = (fault, self._elapsed() + lasts)
            while len(self._active) > MOST:
                self._active.pop(next(iter(self._active)))
        if previous is None or previous[0].reason != reason:
            trace = error if isinstance(error, BaseException) else None
            log.error("%s %s failed and was skipped: %s", part, subject, reason, exc_info=trace)

    def resolve(self, part: str, subject: str) -> None:
        """Record that the item works again."""
        if (part, subject) in self._active:
            with self._lock:
                resolved = self._active.pop((part, subject), None)
            if resolved:
                log.warning("%s %s works again", part, subject)

    def adopt(self, process: str, faults: Iterable[Fault]) -> None:
        """Replace what is known of the faults of another process, which logs them itself."""
        with self._lock:
            self._adopted[process] = tuple(faults)

    def active(self) -> list[Fault]:
        """The faults in force, the oldest first; with those of other processes."""
        now = self._elapsed()
        with self._lock:
            for key in [key for key, (_, until) in self._active.items() if until < now]:
                del self._active[key]
            faults = [fault for fault, _ in self._active.values()]
            for adopted in self._adopted.values():
                faults += [fault for fault in adopted if (fault.part, fault.subject) not in self._active]
        return sorted(faults, key=lambda fault: (fault.since, fault.part, fault.subject))


class Isolation:
    """The context manager that `Faults.isolate` returns."""

    def __init__(
        self, faults: Faults, part: str, subject: str, lasts: float, *, in_transaction: bool
    ) -> None:
        self._faults, self._part, self._subject = faults, part, subject
        self._lasts, self._in_transaction = lasts, in_transaction

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Record the exception; True if it ends here."""
        if error is None:
            self._faults.resolve(self._part, self._subject)
            return False
        if not isinstance(error, Exception) or isinstance(error, StoreError) or _is_of_the_store(error):
            return False
        if self._in_transaction and _of_a_database(error) is not None:
            return False
        self._faults.report(self._part, self._subject, error, lasts=self._lasts)
        return True


def _of_a_database(error: object) -> "DBAPIError | None":
    """An error of SQLAlchemy's about a database. Where SQLAlchemy is not loaded, which takes a while, there is none."""
    loaded = sys.modules.get("sqlalchemy.exc")
    return error if loaded is not None and isinstance(error, loaded.DBAPIError) else None


def _is_of_the_store(error: Exception) -> bool:
    """Whether the database failed, as opposed to the statement."""
    raised = _of_a_database(error)
    if raised is not None:
        name = type(raised).__name__
        if name == "InterfaceError" and is_of_sqlite(raised.orig):
            return False  # a value of a type that SQLite does not support
        return raised.connection_invalidated or name in _OF_THE_STORE
    return is_of_sqlite(error, "OperationalError", "InternalError")


def one_line(error: BaseException | str) -> str:
    """An error as one line of at most `LONGEST_REASON` characters, without statement and parameters if the database
    raised it.
    """
    raised = _of_a_database(error)
    if raised is not None:
        error = raised.orig or raised
    text = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())[:LONGEST_REASON]
