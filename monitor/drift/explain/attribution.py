"""The likeliest causes of a drift incident, at most three, in words.

They are derived from the columns that alarmed and from what happened shortly before. They are hints: a feature that
changed need not be the cause of changed predictions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from sqlalchemy import Connection

from monitor.config.units import HOUR, format_duration, format_signed
from monitor.drift.columns import Role
from monitor.drift.decision.verdict import DriftVerdict, subject
from monitor.drift.explain.impact import Impact
from monitor.drift.explain.repetition import Repetition
from monitor.drift.explain.segments import AffectedSegment
from monitor.records import Stream
from monitor.store import profiles
from monitor.windows import codec
from monitor.windows.layout.layout import Layout, is_relation
from monitor.windows.profile import Profile, merge

MOST = 3
BEFORE = 3 * HOUR
MANY = 0.5
LONGEST = 6 * HOUR

# The strength of each kind of cause: a version that started just before, rows that repeat, rows like those of another
# day, many columns at once, the column that affects the answers most, a segment. Changed answers are the effect, and
# rarely the cause.
VERSION, REPEATED, OTHER_DAY, FEED, COLUMN, SEGMENT, OUTPUT = 100.0, 90.0, 85.0, 80.0, 70.0, 60.0, 0.1
NOTHING_REPEATS = Repetition()

# The change of a segment from which it has full strength.
FULL_STRENGTH = 0.2

# The weight of the effect itself beside its estimated impact on the answers, which may be wrong.
ASIDE = 0.02

# The least weight of a feature, relative to the most important one: its importance was learned from a sample.
LEAST_RELEVANCE = 0.05


@dataclass(frozen=True, slots=True)
class Cause:
    """One possible cause in words, with its strength relative to other causes of the incident."""

    strength: float
    words: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """A version that first answered at `since`, after others."""

    version: str
    since: float


def causes(
    verdicts: Sequence[DriftVerdict],
    arrivals: Sequence[Arrival],
    importance: Mapping[str, float],
    impacts: Mapping[str, Impact] = MappingProxyType({}),
    segments: Sequence[AffectedSegment] = (),
    drivers: Mapping[str, float] = MappingProxyType({}),
    repeated: Repetition = NOTHING_REPEATS,
    other_day: str = "",
) -> list[Cause]:
    """The likeliest causes first: a new version, rows that repeat, rows of another kind of day, many columns at once,
    the columns by evidence and by their effect on the model (`importance` if configured, else `impacts` and the learned
    importance `drivers`), and the affected segment.
    """
    alarmed = [verdict for verdict in verdicts if verdict.significant and verdict.role is not None]
    begun = min(
        (verdict.since for verdict in verdicts if verdict.significant and verdict.since), default=None
    )
    weighed = [(_weight(one, importance, impacts, drivers), one) for one in alarmed]
    most = max((weight for weight, _ in weighed), default=1.0) or 1.0
    candidates = [Cause(COLUMN * weight / most, _words_of(one, impacts, repeated)) for weight, one in weighed]
    told = ((REPEATED, repeated.rows), (OTHER_DAY, other_day))
    candidates += [Cause(strength, words) for strength, words in told if words]
    candidates += [
        Cause(SEGMENT * min(segment.moved / FULL_STRENGTH, 1.0), segment.words) for segment in segments
    ]
    columns = sum(_is_column(verdict) for verdict in verdicts)
    moved = sum(_is_column(verdict) for verdict in alarmed)
    if moved > max(MANY * columns, 2):
        words = f"{moved} of {columns} columns moved at once: suspect what feeds the model"
        candidates.append(Cause(FEED, words))
    if begun is not None:
        candidates.extend(_version(arrival, begun) for arrival in arrivals)
    return sorted(candidates, key=lambda cause: -cause.strength)[:MOST]


def _is_column(verdict: DriftVerdict) -> bool:
    return verdict.role is not None and not is_relation(verdict.column)


def _weight(
    verdict: DriftVerdict,
    importance: Mapping[str, float],
    impacts: Mapping[str, Impact],
    drivers: Mapping[str, float],
) -> float:
    """The relevance of a column: its effect times its importance, or its impact on the answers, times the logarithm of
    its evidence.
    """
    evidence = min(float(np.log1p(verdict.evidence / verdict.limit)), 5.0)
    effect = min(abs(verdict.effect), 5.0)
    if verdict.role is Role.OUTPUT:
        return OUTPUT * effect * evidence
    name = verdict.column.removeprefix("features.")
    if importance:
        return evidence * effect * importance.get(name, 1.0)
    relevance = (
        max(drivers.get(name, 0.0) / max(drivers.values()), LEAST_RELEVANCE) if any(drivers.values()) else 1.0
    )
    if verdict.column not in impacts:
        return evidence * effect * relevance
    return evidence * (impacts[verdict.column].size + ASIDE * effect * relevance)


def _words_of(verdict: DriftVerdict, impacts: Mapping[str, Impact], repeated: Repetition) -> str:
    part = repeated.columns.get(verdict.column) or f"{verdict.part} ({format_signed(verdict.effect, 2)} sd)"
    words = f"{subject(verdict)}: {part}"
    impact = impacts.get(verdict.column)
    return words if impact is None else f"{words}, which by the baseline's answers alone {impact.words}"


def _version(arrival: Arrival, begun: float) -> Cause:
    distance = begun - arrival.since
    when = f"{format_duration(distance)} before" if distance > 0 else "as"
    return Cause(VERSION, f"version {arrival.version} began to answer {when} the change began")


def arrivals(
    connection: Connection, stream: Stream, layout: Layout, base_seconds: int, since: float, end: float
) -> list[Arrival]:
    """Versions that first answered after `since`, or within three hours before it."""
    first_seen: dict[str, int] = {}
    first: int | None = None
    for stored in profiles.between(connection, stream, base_seconds, since - 2 * BEFORE, end):
        if stored.layout != layout.id or not stored.rows:
            continue
        first = stored.window.start if first is None else first
        for version in codec.decode(stored.blob, layout).versions:
            first_seen.setdefault(version, stored.window.start)
    if first is None:
        return []
    return [
        Arrival(version, float(at))
        for version, at in first_seen.items()
        if at > first and at >= since - BEFORE
    ]


def since(
    connection: Connection, stream: Stream, layout: Layout, base_seconds: int, begin: float, end: float
) -> Profile | None:
    """The counts since a change began, of the last six hours at most; None without any."""
    parts = [
        codec.decode(stored.blob, layout)
        for stored in profiles.between(connection, stream, base_seconds, max(begin, end - LONGEST), end)
        if stored.layout == layout.id and stored.rows
    ]
    return merge(parts) if parts else None
