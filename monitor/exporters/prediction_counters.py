"""Counts since the daemon started, for Prometheus' counters and histograms: taken from profiles, never observed twice.

What a tick counts into a window is added up here as well. Windows that ended long ago (history that is loaded in
bulk) are not traffic of now and are left out.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from monitor.config.units import HOUR
from monitor.records import Stream, Window
from monitor.windows.layout.layout import ABOVE, BELOW, MINUS_INFINITY, PLUS_INFINITY
from monitor.windows.profile import ColumnCounts, Profile, Slice

DURATION_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SCORE_BOUNDS = tuple(round(0.1 * step, 1) for step in range(1, 11))
RECENT = float(HOUR)
MOST_NAMES = 200
"""Versions of a stream, and kinds of error of a version, that are counted apart: a sender may make up any number."""
OTHER = "other"
"""What the others are counted as: all those that come once so many are known."""


@dataclass(slots=True)
class VersionCounts:
    """The counts of one version (empty: rows that name none). Buckets are cumulative, the last is everything."""

    predictions: float = 0.0
    errors: dict[str, float] = field(default_factory=dict)
    durations: np.ndarray = field(default_factory=lambda: np.zeros(len(DURATION_BOUNDS) + 1))
    seconds: float = 0.0
    first_seen: float = 0.0
    last_seen: float = 0.0


@dataclass(slots=True)
class Counted:
    """The counts of a stream."""

    parts: dict[str, VersionCounts] = field(default_factory=dict)
    scores: np.ndarray = field(default_factory=lambda: np.zeros(len(SCORE_BOUNDS) + 1))
    score_sum: float = 0.0


class PredictionCounters:
    """What was counted of every stream since the start. Safe to call from several threads."""

    def __init__(self) -> None:
        self._streams: dict[Stream, Counted] = {}
        self._lock = threading.Lock()

    def add(self, stream: Stream, window: Window, counted: Profile, now: float) -> None:
        """What was newly counted into a base window."""
        if window.end < now - RECENT:
            return
        new = _counted(counted)
        with self._lock:
            _grow(self._streams.setdefault(stream, Counted()), new, window)

    def streams(self) -> dict[Stream, Counted]:
        """The totals; they go on growing, so read them at once."""
        with self._lock:
            return dict(self._streams)


def _grow(total: Counted, new: Counted, window: Window) -> None:
    for version, part in new.parts.items():
        into = total.parts.setdefault(
            _kept(version, total.parts), VersionCounts(first_seen=float(window.start))
        )
        into.predictions += part.predictions
        for kind, count in part.errors.items():
            name = _kept(kind, into.errors)
            into.errors[name] = into.errors.get(name, 0.0) + count
        into.durations += part.durations
        into.seconds += part.seconds
        into.first_seen = min(into.first_seen, float(window.start))
        into.last_seen = max(into.last_seen, float(window.end))
    total.scores += new.scores
    total.score_sum += new.score_sum


def _kept(name: str, known: Mapping[str, object]) -> str:
    return name if name in known or len(known) < MOST_NAMES else OTHER


def _counted(profile: Profile) -> Counted:
    overall = profile.overall
    versions = profile.versions
    parts = {version: _part(own) for version, own in versions.items()}
    unnamed = overall.rows - sum(own.rows for own in versions.values())
    if not versions:
        parts[""] = _part(overall)
    elif unnamed > 0:
        parts[""] = _rest(_part(overall), list(parts.values()))
    scores, score_sum = _histogram(overall, "confidence", SCORE_BOUNDS, 1.0)
    return Counted(parts, scores, score_sum)


def _part(own: Slice) -> VersionCounts:
    durations, total = _histogram(own, "latency_ms", DURATION_BOUNDS, 1000.0)
    errors = {kind: float(count) for kind, count in own.tally("error").items()}
    return VersionCounts(float(own.rows), errors, durations, total / 1000.0)


def _rest(whole: VersionCounts, named: list[VersionCounts]) -> VersionCounts:
    """The rows that name no version: the whole without the versions."""
    kinds = {
        kind: count - sum(part.errors.get(kind, 0.0) for part in named)
        for kind, count in whole.errors.items()
    }
    return VersionCounts(
        whole.predictions - sum(part.predictions for part in named),
        {kind: count for kind, count in kinds.items() if count > 0},
        np.maximum(whole.durations - np.sum([part.durations for part in named], axis=0), 0.0),
        max(0.0, whole.seconds - sum(part.seconds for part in named)),
    )


def _histogram(own: Slice, name: str, bounds: tuple[float, ...], scale: float) -> tuple[np.ndarray, float]:
    """Cumulative counts up to each bound and in all, and the sum of the values (in the column's own unit)."""
    if not own.has(name):
        return np.zeros(len(bounds) + 1), 0.0
    column = own.column(name)
    finite = column.finite
    if finite <= 0:
        return np.zeros(len(bounds) + 1), 0.0
    return _cumulative(column, bounds, scale), (column.mean or 0.0) * finite


def _cumulative(column: ColumnCounts, bounds: tuple[float, ...], scale: float) -> np.ndarray:
    # A bucket that straddles a bound is counted above it; buckets are 2 % wide (durations) or 0.01 (scores).
    upper = column.column.edges[1:]
    running = (
        np.concatenate([[0.0], np.cumsum(column.regular)])
        + column.counts[BELOW]
        + column.counts[MINUS_INFINITY]
    )
    places = np.searchsorted(upper, np.asarray(bounds) * scale * (1 + 1e-9), side="right")
    everything = running[-1] + column.counts[ABOVE] + column.counts[PLUS_INFINITY]
    return np.append(running[places], everything)
