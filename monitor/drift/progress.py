"""What a stream still needs before drift can be evaluated, in words."""

from sqlalchemy import Connection

from monitor.clock import iso
from monitor.config.units import format_duration
from monitor.drift import reference, window_length
from monitor.drift.settings import DriftSettings
from monitor.records import Stream, Window
from monitor.store import profiles
from monitor.visible import counted
from monitor.windows.baseline import Baseline


def missing(
    connection: Connection,
    stream: Stream,
    baseline: Baseline,
    base_seconds: int,
    until: float,
    settings: DriftSettings,
) -> str:
    """What is missing before drift can be evaluated. `until` is the end of the closed windows."""
    span = reference.period(connection, stream, baseline, base_seconds, until, settings)
    counted_with = f"counted with the current baseline ({baseline.source})"
    if span is None or span[1] <= span[0]:
        older = profiles.extent(connection, stream, base_seconds)
        if older is None:
            return f"no window of predictions is closed yet; {_at_least(settings)} are needed"
        return (
            f"no window is {counted_with}: the windows since {iso(older[0])} were counted with an earlier one. "
            f"{_at_least(settings)} are needed"
        )
    period = Window(*span)
    unit = reference.unit(connection, stream, baseline.layout, base_seconds, period, settings)
    rows = reference.rows_within(connection, stream, baseline.layout, base_seconds, period, unit)
    starts = reference.starts(connection, stream, baseline.layout, base_seconds, period, unit)
    seconds = window_length.length(rows, period.seconds, unit, settings, starts)
    length, least = format_duration(seconds), window_length.least_windows(seconds)
    if unit != base_seconds:
        return f"the profiled history from {iso(span[0])} to {iso(span[1])} is being learned, in windows of {length}"
    profiled = profiles.counted(
        connection, stream, base_seconds, period.start, period.end, baseline.layout.id
    )
    counted_windows = len({start // seconds for start, count in profiled if count})
    if counted_windows < least:
        lacking = least - counted_windows
        never = window_length.never_enough(seconds, settings) if baseline.span is None else ""
        return (
            f"{counted_windows} of {least} windows of {length} are {counted_with}, from {iso(span[0])} on; "
            f"{lacking} more are needed, which takes at least {format_duration(lacking * seconds)}. "
            + (never or "Loading past predictions is quicker: watchkeeper load")
        )
    return (
        f"{counted(counted_windows, 'window')} of {length} from {iso(span[0])} to {iso(span[1])} are there, "
        f"and {least} are needed; they are being learned, which the running daemon does within minutes"
    )


def _at_least(settings: DriftSettings) -> str:
    """What is needed while the volume is not known, in words."""
    if settings.window != "auto":
        return window_length.needed(int(settings.window))
    return f"{window_length.LEAST_WINDOWS} ({window_length.FEWEST_WINDOWS} if a day is one window)"
