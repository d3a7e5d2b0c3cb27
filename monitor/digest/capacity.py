"""What is nearly full: the disk of the store, from what was written in the last day, and what gauges watch."""

import math
import shutil
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from monitor.config.units import DAY, HOUR, MINUTE
from monitor.health import wording
from monitor.health.client_state import SHOWN
from monitor.health.settings import ClientSettings
from monitor.metrics.system import resources
from monitor.records import Measurement, Stream
from monitor.store.db import Store

_EVERY = 10.0 * MINUTE
_FEWEST = 2.0 * HOUR
"""Seconds that must have been watched: an hour may have one load or one cleanup."""
SOON = 14.0 * DAY
"""A disk that is full later than this is not mentioned."""
NEARLY_FULL = 0.9

MOST_NOTES = 5
Measured = Mapping[tuple[Stream, int], Sequence[Measurement]]
"""The measurements of the last tick, by stream and length of the window; 0 is the open window."""
Usage = Callable[[], tuple[float, float] | None]
"""Bytes used and in all; None if the disk is not known."""


def resource_notes(measured: Measured, client: str, settings: ClientSettings) -> list[str]:
    """The resources of a client's models that are nearly full, or will be full soon; the most urgent first.

    Only those that fill up have a forecast. The use of a processor comes and goes.
    """
    notes: list[tuple[float, float, str]] = []
    for (stream, _), measurements in measured.items():
        if stream.client != client or stream.environment != SHOWN or not settings.shows(stream.model):
            continue
        used = {
            measurement.labels: measurement.value
            for measurement in measurements
            if measurement.metric == resources.RESOURCE_USED_SHARE.name
        }
        for measurement in measurements:
            share = used.get(measurement.labels)
            if measurement.metric != resources.RESOURCE_HOURS_LEFT.name or share is None:
                continue
            left = math.inf if measurement.value is None else measurement.value * HOUR
            if left <= SOON or share >= NEARLY_FULL:
                place = f"{measurement.label('resource') or 'resource'} of {measurement.label('gauge')}"
                where = f"{settings.title(stream.model)}: {place}"
                rest = f" At this rate it will be full in {wording.span(left)}." if left <= SOON else ""
                notes.append((left, -share, f"{where} is {wording.share(share)} full.{rest}"))
    return [words for *_, words in sorted(notes)[:MOST_NOTES]]


def usage_of(store: Store) -> Usage:
    """The usage of the disk that holds an embedded database; that of a database server is not known."""

    def usage() -> tuple[float, float] | None:
        path = store.url.database
        if not store.is_sqlite or not path or store.is_in_memory:
            return None
        disk = shutil.disk_usage(Path(path).parent)
        return float(disk.used), float(disk.total)

    return usage


class DiskForecast:
    """Watches how the disk fills, and says when it will be full."""

    def __init__(self, usage: Usage) -> None:
        self._usage = usage
        self._seen: deque[tuple[float, float, float]] = deque()

    def look(self, now: float) -> None:
        """Take note of the usage, every ten minutes."""
        if self._seen and 0 <= now - self._seen[-1][0] < _EVERY:
            return
        usage = self._usage()
        if usage is None:
            return
        self._seen.append((now, *usage))
        while self._seen[0][0] < now - DAY or self._seen[0][0] > now or self._seen[0][2] != usage[1]:
            self._seen.popleft()

    def words(self) -> str:
        """`The disk of the monitoring is 93 % full. As it grew in the last 24 h, it will be full in 1 d 6 h.`; empty if
        there is nothing to say.
        """
        if not self._seen:
            return ""
        _, used, total = self._seen[-1]
        left, watched = self._left()
        if left is not None and left <= SOON:
            growth = (
                f"As it grew in the last {wording.span(watched)}, it will be full in {wording.span(left)}."
            )
            return f"The disk of the monitoring is {wording.share(used / total)} full. {growth}"
        if used / total >= NEARLY_FULL:
            return f"The disk of the monitoring is {wording.share(used / total)} full."
        return ""

    def _left(self) -> tuple[float | None, float]:
        """Seconds until the disk is full, and for how many seconds it was watched; None if it does not fill."""
        (began, first, _), (at, used, total) = self._seen[0], self._seen[-1]
        watched = at - began
        if watched < _FEWEST or used <= first:
            return None, watched
        return (total - used) / (used - first) * watched, watched
