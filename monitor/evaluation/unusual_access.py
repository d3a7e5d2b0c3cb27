"""Whether a key or a person reads far more than ever: reads in an hour, relative to the largest hour of its past."""

from collections.abc import Mapping
from dataclasses import dataclass

from monitor.config.units import DAY, HOUR
from monitor.metrics.system.daemon import ACCESS_RATIO
from monitor.records import DAEMON, Measurement, Window
from monitor.store import access_counts
from monitor.store.access_counts import Habit
from monitor.store.db import Store
from monitor.visible import counted, one_line

LEAST_HISTORY = 3.0 * DAY
"""Seconds for which somebody, or somebody of the same kind, must have read before a figure means anything."""
LEAST_READS = 400
"""What the largest hour counts at least: so many requests an hour are open pages that refresh themselves."""
_PAST = 90.0 * DAY
_MOST_NAMED = 5
_LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class ReaderActivity:
    """Somebody's reads in the last hours, and the largest earlier hour that they are compared with.

    `largest` is None if nothing is known to compare with; `is_new`: it is the largest of all of the same kind.
    """

    who: str
    reads: int
    largest: int | None
    is_new: bool = False

    @property
    def ratio(self) -> float:
        """Reads relative to the largest hour, which counts as `LEAST_READS` or more."""
        return self.reads / max(self.largest or 0, LEAST_READS)

    def __str__(self) -> str:
        of = "others of its kind" if self.is_new else "before"
        name = one_line(self.who)
        name = name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
        return f"{name}: {counted(self.reads, 'read')} in an hour, at most {self.largest or 0:,} {of}"


def kind_of(who: str) -> str:
    """What reads: `key`, `user` (a command), or a person who signed in."""
    first = who.partition(" ")[0]
    return first if first in ("key", "user") and first != who else "person"


def compare(recent: Mapping[str, int], habits: Mapping[str, Habit], now: float) -> list[ReaderActivity]:
    """Everybody who reads now, the most unusual first. Who is new is compared with the largest of its kind."""
    of_kind = dict[str, Habit]()
    for who, habit in habits.items():
        known = of_kind.get(kind_of(who), habit)
        largest, since = max(known.largest, habit.largest), min(known.since, habit.since)
        of_kind[kind_of(who)] = Habit(largest, since)
    readers = []
    for who, reads in recent.items():
        own, others = habits.get(who), of_kind.get(kind_of(who))
        if own is not None and own.since <= now - LEAST_HISTORY:
            readers.append(ReaderActivity(who, reads, own.largest))
        elif others is not None and others.since <= now - LEAST_HISTORY:
            readers.append(ReaderActivity(who, reads, others.largest, is_new=True))
        else:
            readers.append(ReaderActivity(who, reads, None))
    return sorted(readers, key=lambda one: (one.largest is None, -one.ratio, one.who))


def measured(readers: list[ReaderActivity], now: float) -> Measurement:
    """The largest ratio of all that can be compared, with the names of those above 1."""
    window, info = Window(int(now) + 1 - HOUR, int(now) + 1), ACCESS_RATIO
    comparable = [reader for reader in readers if reader.largest is not None]
    if readers and not comparable:
        reason = f"the audit log knows no reader of the same kind for {LEAST_HISTORY / DAY:.0f} days"
        return Measurement(DAEMON, window, info.name, None, info.unit, info.better, reason=reason)
    unusual = [one for one in comparable if one.ratio > 1]
    named = "; ".join(map(str, unusual[:_MOST_NAMED]))
    more = f"; and {len(unusual) - _MOST_NAMED} more" if len(unusual) > _MOST_NAMED else ""
    value = comparable[0].ratio if comparable else 0.0
    return Measurement(DAEMON, window, info.name, value, info.unit, info.better, because=named + more)


class UnusualAccess:
    """Measures from the audit log. The past changes once an hour, so it is read once an hour."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._habits: Mapping[str, Habit] = {}
        self._read_for: int | None = None

    def measure(self, now: float) -> Measurement:
        """The measurement of this hour and the one before it, whose counts may have been stored late.

        Raises:
            StoreError: the audit log cannot be read.
        """
        recent_from = (int(now) // HOUR - 1) * HOUR
        with self._store.read() as connection:
            if self._read_for != recent_from:
                self._habits = access_counts.habits(connection, recent_from - _PAST, recent_from)
                self._read_for = recent_from
            recent = access_counts.reads(connection, recent_from, now + 1)
        return measured(compare(recent, self._habits, now), now)
