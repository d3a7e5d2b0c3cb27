"""The likeliest causes of a drift incident, at most three, in words.

They are drawn from what alarmed and from what happened just before, and are hints: a feature that moved need not be
why the predictions moved.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection

from monitor.drift.columns import Role
from monitor.drift.verdict import DriftVerdict
from monitor.records import Stream
from monitor.settings import format_duration
from monitor.store import profiles
from monitor.windows import codec
from monitor.windows.layout import Layout

MOST = 3
BEFORE = 3 * 3600
MANY = 0.5


@dataclass(frozen=True, slots=True)
class Cause:
    """One possible cause: how strongly it is suggested, against other causes of the same incident, and in words."""

    strength: float
    words: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """A version that first answered at `since`, while others had answered before."""

    version: str
    since: float


def causes(
    verdicts: Sequence[DriftVerdict], arrivals: Sequence[Arrival], importance: Mapping[str, float]
) -> list[Cause]:
    """The likeliest first: a new version, many columns at once, then the columns by effect, evidence and importance."""
    alarmed = [verdict for verdict in verdicts if verdict.significant and verdict.role is not None]
    begun = min(
        (verdict.since for verdict in verdicts if verdict.significant and verdict.since), default=None
    )
    found = [_column(verdict, importance) for verdict in alarmed]
    columns = sum(verdict.role is not None for verdict in verdicts)
    if len(alarmed) > max(MANY * columns, 2):
        words = f"{len(alarmed)} of {columns} columns moved at once: suspect what feeds the model"
        found.append(Cause(50.0, words))
    if begun is not None:
        found.extend(_version(arrival, begun) for arrival in arrivals)
    return sorted(found, key=lambda cause: -cause.strength)[:MOST]


def _column(verdict: DriftVerdict, importance: Mapping[str, float]) -> Cause:
    """Columns are ranked by effect times importance; the logarithm of the evidence decides between equals."""
    evidence = float(np.log1p(verdict.evidence / verdict.limit))
    strength = (
        abs(verdict.effect)
        * importance.get(verdict.column.removeprefix("features."), 1.0)
        * min(evidence, 5.0)
    )
    kind = "output" if verdict.role is Role.OUTPUT else "feature"
    name = verdict.column.removeprefix("features.")
    # An answer that moved is what happened, and seldom why: inputs come first.
    strength *= 0.1 if verdict.role is Role.OUTPUT else 1.0
    return Cause(strength, f"{kind} `{name}`: {verdict.part} ({verdict.effect:+.2g} sd)")


def _version(arrival: Arrival, begun: float) -> Cause:
    distance = begun - arrival.since
    when = f"{format_duration(distance)} before" if distance > 0 else "as"
    return Cause(100.0, f"version {arrival.version} began to answer {when} the change began")


def arrivals(
    connection: Connection, stream: Stream, layout: Layout, base_seconds: int, since: float, end: float
) -> list[Arrival]:
    """Versions that first answered within three hours before `since`, or after it."""
    seen: dict[str, int] = {}
    first: int | None = None
    for stored in profiles.between(connection, stream, base_seconds, since - 2 * BEFORE, end):
        if stored.layout != layout.id or not stored.rows:
            continue
        first = stored.window.start if first is None else first
        for version in codec.decode(stored.blob, layout).versions:
            seen.setdefault(version, stored.window.start)
    if first is None:
        return []
    return [
        Arrival(version, float(at)) for version, at in seen.items() if at > first and at >= since - BEFORE
    ]
