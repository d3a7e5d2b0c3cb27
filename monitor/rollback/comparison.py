"""Whose fault a breach is: the figures of the new version beside those of the other one, in the same minutes. Pure.

A shared cause (a database, a feature store, the callers) makes both versions fail. Then going back helps nobody.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from monitor.config.units import HOUR, format_duration
from monitor.rules.engine.threshold import PROPORTIONS, is_significantly_beyond
from monitor.rules.language.wording import figure
from monitor.visible import visible
from monitor.windows.layout.layout import is_signal

TOLERATED = 1.5
"""A new version may fail this many times as often as the other one."""
CONFIDENCE = 0.9999
"""Of the proof that it fails more often: it is tried each minute while an alert fires."""
LONGEST_NAME = 80
LEAST_ROWS = 20
LEAST_MINUTES = 2
LOOKBACK = 600.0
"""Seconds of the past that are compared, at most: those since the alert's condition held, and the minute before."""
YOUNG = float(HOUR)
"""Seconds after its first answer in which a version that has replaced the other is compared with its last minutes."""


@dataclass(frozen=True, slots=True)
class ArmFigure:
    """A metric of one version in one minute: its value, and the number of rows."""

    n: float
    value: float


@dataclass(frozen=True, slots=True)
class VersionFigures:
    """A version with its figures, by the start of the minute in seconds since the epoch."""

    version: str
    minutes: Mapping[int, ArmFigure]

    @property
    def name(self) -> str:
        """The version in a sentence."""
        return shown(self.version)

    def within(self, starts: Sequence[int]) -> list[ArmFigure]:
        """The figures of these minutes."""
        return [self.minutes[start] for start in starts if start in self.minutes]


@dataclass(frozen=True, slots=True)
class Breach:
    """What is breached: a metric, its limit and unit, and the side of the limit that is bad. `since` is the onset."""

    metric: str
    limit: float
    unit: str
    is_above: bool
    since: float


@dataclass(frozen=True, slots=True)
class Blame:
    """Whether the new version is at fault, and why."""

    is_new: bool
    reason: str


def blame(breach: Breach, new: VersionFigures, other: VersionFigures, young_since: float | None) -> Blame:
    """Whether `new` alone breaches the limit. `young_since` is its first answer, if it has answered for less than
    `YOUNG` seconds.

    After a switch of all traffic, the minute of the switch has answers of both; the minutes after it are compared with
    the other version's last ones.
    """
    recent = sorted(start for start in new.minutes if start >= breach.since - 60)
    if not recent:
        return Blame(False, f"no complete minute of version {new.name} since the breach began")
    shared = [start for start in recent if start in other.minutes]
    alone = [start for start in recent if not shared or start > shared[-1]]
    if shared and (young_since is None or len(alone) < LEAST_MINUTES):
        return _compared(breach, new, other, shared, shared, "in the same minutes")
    if young_since is None:
        where = "no other version answers in the same minutes"
        return Blame(False, f"{where}, and version {new.name} has answered for more than an hour")
    before = sorted(start for start in other.minutes if start < young_since)[-10:]
    if not before:
        return Blame(False, f"no minutes of version {other.name} to compare with")
    return _compared(breach, new, other, alone, before, "in its last minutes")


def _compared(
    breach: Breach,
    new: VersionFigures,
    other: VersionFigures,
    mine: Sequence[int],
    theirs: Sequence[int],
    when: str,
) -> Blame:
    ours, others = new.within(mine), other.within(theirs)
    if sum(our.n for our in ours) < LEAST_ROWS or sum(one.n for one in others) < LEAST_ROWS:
        return Blame(False, f"fewer than {LEAST_ROWS} answers of one of the versions to compare")
    if breach.metric in PROPORTIONS or is_signal(breach.metric):
        return _proportions(breach, new, other, ours, others, when)
    return _values(breach, new, other, ours[-LEAST_MINUTES:], others[-LEAST_MINUTES:], when)


def _proportions(
    breach: Breach,
    new: VersionFigures,
    other: VersionFigures,
    ours: Sequence[ArmFigure],
    others: Sequence[ArmFigure],
    when: str,
) -> Blame:
    """The hits of both together are binomial with the new one's share, if it is as bad as tolerated."""
    n, m = sum(our.n for our in ours), sum(one.n for one in others)
    hits, their_hits = (round(sum(_bad(one, breach) for one in arm)) for arm in (ours, others))
    words = f"{hits / n:.1%} of version {new.name}'s {n:,.0f}, {their_hits / m:.1%} of version {other.name}'s"
    words = f"{words} {m:,.0f} {when}"
    limit = breach.limit if breach.is_above else 1 - breach.limit
    if hits / n <= limit:
        return Blame(False, f"{words}: version {new.name} is within the limit ({limit:.3g})")
    share = TOLERATED * n / (TOLERATED * n + m)
    if is_significantly_beyond(hits, hits + their_hits, share, CONFIDENCE, is_above=True):
        return Blame(True, words)
    return Blame(False, f"{words}: not proven to be worse than {TOLERATED:g} times the other one")


def _bad(one: ArmFigure, breach: Breach) -> float:
    return one.n * (one.value if breach.is_above else 1 - one.value)


def _values(
    breach: Breach,
    new: VersionFigures,
    other: VersionFigures,
    ours: Sequence[ArmFigure],
    others: Sequence[ArmFigure],
    when: str,
) -> Blame:
    if min(len(ours), len(others)) < LEAST_MINUTES:
        return Blame(False, f"{breach.metric}: fewer than {LEAST_MINUTES} minutes to compare")
    mine, theirs = (figure(arm[-1].value, breach.unit) for arm in (ours, others))
    limit = figure(breach.limit, breach.unit)
    words = f"{breach.metric} of version {new.name} is {mine}, of version {other.name} {theirs} {when}"
    words = f"{words} (limit {limit})"
    if not all(_is_beyond(our, breach) for our in ours):
        return Blame(
            False, f"{words}: version {new.name} is not beyond it in the last {LEAST_MINUTES} minutes"
        )
    if any(_is_beyond(one, breach) for one in others):
        return Blame(False, f"{words}: both versions are beyond it")
    return Blame(True, words)


def _is_beyond(one: ArmFigure, breach: Breach) -> bool:
    return one.value > breach.limit if breach.is_above else one.value < breach.limit


def shown(version: str) -> str:
    """A version in a sentence: printable, and not too long."""
    name = visible(version)
    return name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}..."


def age(seconds: float) -> str:
    """A length of time in words."""
    return format_duration(max(0, round(seconds)))
