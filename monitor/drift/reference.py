"""The reference: the past that a stream is compared with, and its windows as counts, counted live or in a lake."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter

import numpy as np
from sqlalchemy import Connection

from monitor.config.units import WEEK
from monitor.drift.columns import WindowCounts, packed
from monitor.drift.profile_columns import Adapter
from monitor.drift.settings import DriftSettings
from monitor.records import Stream, Window
from monitor.store import lake_profiles, profiles
from monitor.store.profiles import StoredProfile
from monitor.windows import closing, codec
from monitor.windows.baseline import Baseline
from monitor.windows.layout.layout import Layout

MOST_WINDOWS = 12_000


def period(
    connection: Connection,
    stream: Stream,
    baseline: Baseline,
    base_seconds: int,
    until: float,
    settings: DriftSettings,
) -> tuple[int, int] | None:
    """The span to learn from: that of the baseline if it is at least a week, else the first days of the stream's
    history (`settings.reference`). None before anything was counted.
    """
    extent = _extent(connection, stream, baseline.layout, base_seconds, settings)
    if extent is None:
        return None
    if baseline.span is not None:
        start, end = max(baseline.span.start, extent[0]), min(baseline.span.end, int(until))
        if end - start >= WEEK:
            return start, end
    first = max(extent[0], int(until - 2 * settings.reference))
    return first, int(min(until, first + settings.reference))


def unit(
    connection: Connection,
    stream: Stream,
    layout: Layout,
    base_seconds: int,
    span: Window,
    settings: DriftSettings,
) -> int:
    """The length of the windows that evaluation windows consist of: base windows, or the longer ones of a lake if the
    span has some.
    """
    lake, seconds = _lake(connection, stream, layout, settings), lake_profiles.seconds(connection, stream)
    is_there = lake is not None and lake.end > span.start and lake.start < span.end
    return seconds if is_there and seconds is not None else base_seconds


def rows_within(
    connection: Connection, stream: Stream, layout: Layout, base_seconds: int, span: Window, unit: int
) -> int:
    """The number of predictions counted in a span, also with other layouts."""
    live = profiles.rows_within(connection, stream, base_seconds, span.start, span.end)
    return live + sum(one.rows for one in _in_lake(connection, stream, layout, span, unit))


def starts(
    connection: Connection, stream: Stream, layout: Layout, base_seconds: int, span: Window, unit: int
) -> list[int]:
    """The starts of the base windows of a span that have rows; empty if it consists of longer windows of a lake."""
    if unit != base_seconds:
        return []
    counted = profiles.counted(connection, stream, base_seconds, span.start, span.end, layout.id)
    return [start for start, rows in counted if rows]


def windows(
    connection: Connection,
    stream: Stream,
    layout: Layout,
    adapter: Adapter,
    base_seconds: int,
    spans: Sequence[Window],
) -> list[WindowCounts]:
    """The counts of some windows, in order. Counts of other layouts, empty windows, and windows of a lake that do not
    fit into these are left out.
    """
    if not spans:
        return []
    place = {span.start: index for index, span in enumerate(spans)}
    period = Window(spans[0].start, spans[-1].end)
    seconds = spans[0].seconds

    def begun(one: StoredProfile) -> int:
        """The start of the span that contains the window."""
        return one.window.start - one.window.start % seconds

    stored = _stored(connection, stream, layout, base_seconds, period, seconds)
    fitting = (
        (place[begun(one)], one)
        for one in stored
        if begun(one) in place and one.layout == layout.id and one.rows
    )
    sums: dict[int, np.ndarray] = {}
    for index, some in groupby(fitting, itemgetter(0)):
        counted = adapter.of_slices(codec.decode(one.blob, layout).overall for _, one in some)
        sums[index] = packed(counted + sums.get(index, 0.0))  # packed: a month would take a gigabyte
    return [WindowCounts(spans[index], sums[index]) for index in sorted(sums)]


def spans(start: float, end: float, seconds: int) -> list[Window]:
    """The evaluation windows within `[start, end]`, at most the newest 12,000."""
    return closing.between(start, end, seconds, MOST_WINDOWS)


def _extent(
    connection: Connection, stream: Stream, layout: Layout, base_seconds: int, settings: DriftSettings
) -> tuple[int, int] | None:
    lake, live = (
        _lake(connection, stream, layout, settings),
        profiles.extent(connection, stream, base_seconds),
    )
    both = [one for one in (live, (lake.start, lake.end) if lake else None) if one is not None]
    return (min(start for start, _ in both), max(end for _, end in both)) if both else None


def _lake(connection: Connection, stream: Stream, layout: Layout, settings: DriftSettings) -> Window | None:
    """The extent of the history from a lake, unless its windows do not fit into the configured length."""
    seconds = lake_profiles.seconds(connection, stream)
    if seconds is None or (settings.window != "auto" and settings.window % seconds):
        return None
    return lake_profiles.extent_of(connection, stream, layout.id)


def _stored(
    connection: Connection, stream: Stream, layout: Layout, base_seconds: int, span: Window, fitting: int
) -> Iterator[StoredProfile]:
    """The profiles that were counted live, then those from a lake that fit into windows of `fitting` seconds."""
    yield from profiles.between(connection, stream, base_seconds, span.start, span.end)
    yield from _in_lake(connection, stream, layout, span, fitting)


def _in_lake(
    connection: Connection, stream: Stream, layout: Layout, span: Window, fitting: int
) -> Iterator[StoredProfile]:
    seconds = lake_profiles.seconds(connection, stream)
    if seconds is not None and fitting % seconds == 0:
        yield from lake_profiles.inside(connection, stream, span.start, span.end, layout.id)
