"""Counts since the daemon started, for counters and histograms, taken from profiles.

The counts of each tick are added. Windows that ended long ago (loaded history) are not current traffic and are left
out.
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
"""Versions of a stream, and error types of a version, with counts of their own: senders may send any number."""
OTHER = "other"
"""The name under which all further ones are counted."""


@dataclass(slots=True)
class VersionCounts:
    """The counts of one version (empty: rows without version). Buckets are cumulative, the last has all rows."""

    predictions: float = 0.0
    errors: dict[str, float] = field(default_factory=dict)
    durations: np.ndarray = field(default_factory=lambda: np.zeros(len(DURATION_BOUNDS) + 1))
    seconds: float = 0.0
    first_seen: float = 0.0
    last_seen: float = 0.0


@dataclass(slots=True)
class StreamCounts:
    """The counts of a stream."""

    parts: dict[str, VersionCounts] = field(default_factory=dict)
    scores: np.ndarray = field(default_factory=lambda: np.zeros(len(SCORE_BOUNDS) + 1))
    score_sum: float = 0.0


class PredictionCounters:
    """Counts of every stream since the start. Thread-safe."""

    def __init__(self) -> None:
        self._streams: dict[Stream, StreamCounts] = {}
        self._lock = threading.Lock()

    def add(self, stream: Stream, window: Window, counted: Profile, now: float) -> None:
        """Add what was newly counted in a base window."""
        if is_current(window, now):
            self.grow(stream, window, counts_of(counted))

    def grow(self, stream: Stream, window: Window, new: StreamCounts) -> None:
        """Add counts of current traffic."""
        with self._lock:
            _grow(self._streams.setdefault(stream, StreamCounts()), new, window)

    def streams(self) -> dict[Stream, StreamCounts]:
        """The totals. They keep increasing, so read them at once."""
        with self._lock:
            return dict(self._streams)


def is_current(window: Window, now: float) -> bool:
    """Whether rows of a window are current traffic."""
    return window.end >= now - RECENT


def _grow(total: StreamCounts, new: StreamCounts, window: Window) -> None:
    for version, part in new.parts.items():
        into = total.parts.setdefault(
            _name_or_other(version, total.parts), VersionCounts(first_seen=float(window.start))
        )
        into.predictions += part.predictions
        for kind, count in part.errors.items():
            name = _name_or_other(kind, into.errors)
            into.errors[name] = into.errors.get(name, 0.0) + count
        into.durations += part.durations
        into.seconds += part.seconds
        into.first_seen = min(into.first_seen, float(window.start))
        into.last_seen = max(into.last_seen, float(window.end))
    total.scores += new.scores
    total.score_sum += new.score_sum


def _name_or_other(name: str, known: Mapping[str, object]) -> str:
    return name if name in known or len(known) < MOST_NAMES else OTHER


def counts_of(profile: Profile) -> StreamCounts:
    """The counts of the rows of a profile."""
    overall = profile.overall
    versions = profile.versions
    parts = {version: _part(of_version) for version, of_version in versions.items()}
    unnamed = overall.rows - sum(of_version.rows for of_version in versions.values())
    if not versions:
        parts[""] = _part(overall)
    elif unnamed > 0:
        parts[""] = _unnamed(_part(overall), list(parts.values()))
    scores, score_sum = _histogram(overall, "confidence", SCORE_BOUNDS, 1.0)
    return StreamCounts(parts, scores, score_sum)


def _part(counts: Slice) -> VersionCounts:
    durations, total = _histogram(counts, "latency_ms", DURATION_BOUNDS, 1000.0)
    errors = {kind: float(count) for kind, count in counts.tally("error").items()}
    return VersionCounts(float(counts.rows), errors, durations, total / 1000.0)


def _unnamed(overall: VersionCounts, named: list[VersionCounts]) -> VersionCounts:
    """The rows without version: all rows minus those of the versions."""
    kinds = {
        kind: count - sum(part.errors.get(kind, 0.0) for part in named)
        for kind, count in overall.errors.items()
    }
    return VersionCounts(
        overall.predictions - sum(part.predictions for part in named),
        {kind: count for kind, count in kinds.items() if count > 0},
        np.maximum(overall.durations - np.sum([part.durations for part in named], axis=0), 0.0),
        max(0.0, overall.seconds - sum(part.seconds for part in named)),
    )


def _histogram(counts: Slice, name: str, bounds: tuple[float, ...], scale: float) -> tuple[np.ndarray, float]:
    """Cumulative counts up to each bound and in total, and the sum of the values (in the column's unit)."""
    if not counts.has(name):
        return np.zeros(len(bounds) + 1), 0.0
    column = counts.column(name)
    finite = column.finite
    if finite <= 0:
        return np.zeros(len(bounds) + 1), 0.0
    return _cumulative(column, bounds, scale), (column.mean or 0.0) * finite


def _cumulative(column: ColumnCounts, bounds: tuple[float, ...], scale: float) -> np.ndarray:
    # A bucket across a bound is counted above it; buckets are 2 % (durations) or 0.01 (scores) wide.
    upper = column.column.edges[1:]
    running = (
        np.concatenate([[0.0], np.cumsum(column.regular)])
        + column.counts[BELOW]
        + column.counts[MINUS_INFINITY]
    )
    places = np.searchsorted(upper, np.asarray(bounds) * scale * (1 + 1e-9), side="right")
    everything = running[-1] + column.counts[ABOVE] + column.counts[PLUS_INFINITY]
    return np.append(running[places], everything)
