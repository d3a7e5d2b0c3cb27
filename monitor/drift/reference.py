"""Which past a stream is judged against, and its windows as counts."""

from collections.abc import Sequence

from sqlalchemy import Connection

from monitor.drift.adapter import Adapter
from monitor.drift.columns import WindowCounts, merged
from monitor.drift.settings import DriftSettings
from monitor.records import Stream, Window
from monitor.store import profiles
from monitor.windows import codec, cut
from monitor.windows.baseline import Baseline
from monitor.windows.layout import Layout

LENGTHS = (900, 1800, 3600)
ROWS = 100
MOST_WINDOWS = 12_000
WEEK = 604_800


def period(
    connection: Connection,
    stream: Stream,
    baseline: Baseline,
    base_seconds: int,
    until: float,
    settings: DriftSettings,
) -> tuple[int, int] | None:
    """The span to learn from: the baseline's own if it is at least a week, else the stream's first days of history,
    as many as `settings.reference` says. None before anything was counted.
    """
    extent = profiles.extent(connection, stream, base_seconds)
    if extent is None:
        return None
    if baseline.span is not None:
        start, end = max(baseline.span.start, extent[0]), min(baseline.span.end, int(until))
        if end - start >= WEEK:
            return start, end
    first = max(extent[0], int(until - 2 * settings.reference))
    return first, int(min(until, first + settings.reference))


def length(rows: float, span: float, base_seconds: int, settings: DriftSettings) -> int:
    """Seconds of an evaluation window: as set, or the shortest that mostly holds 100 rows."""
    wanted = LENGTHS if settings.window == "auto" else (int(settings.window),)
    fitting = [max(seconds // base_seconds, 1) * base_seconds for seconds in wanted]
    enough = [seconds for seconds in fitting if rows / max(span, 1.0) * seconds >= ROWS]
    return enough[0] if enough else fitting[-1]


def rows_within(connection: Connection, stream: Stream, base_seconds: int, start: float, end: float) -> int:
    """Predictions counted in `[start, end)`."""
    return sum(stored.rows for stored in profiles.between(connection, stream, base_seconds, start, end))


def windows(
    connection: Connection,
    stream: Stream,
    layout: Layout,
    adapter: Adapter,
    base_seconds: int,
    spans: Sequence[Window],
) -> list[WindowCounts]:
    """The counts of some windows, in order; what was counted by another layout is left out, as are empty windows."""
    if not spans:
        return []
    place = {
        start: index
        for index, span in enumerate(spans)
        for start in range(span.start, span.end, base_seconds)
    }
    found: dict[int, WindowCounts] = {}
    for stored in profiles.between(connection, stream, base_seconds, spans[0].start, spans[-1].end):
        index = place.get(stored.window.start)
        if index is not None and stored.layout == layout.id and stored.rows:
            counted = adapter.counts(codec.decode(stored.blob, layout), spans[index])
            found[index] = merged([found[index], counted]) if index in found else counted
    return [found[index] for index in sorted(found)]


def spans(start: float, end: float, seconds: int) -> list[Window]:
    """Evaluation windows inside `[start, end]`, at most the newest 12,000."""
    return cut.between(start, end, seconds)[-MOST_WINDOWS:]
