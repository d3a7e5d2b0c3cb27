"""Which windows are closed, computed from a stream's newest event, its last arrival and the current time."""

from collections.abc import Iterable

from monitor.records import Window
from monitor.store.streams import StreamFigures
from monitor.windows.settings import WindowSettings

_CLOCK_SKEW = 5.0
"""Maximum difference in seconds between the clocks of several daemons."""


def window_of(moment: float, seconds: int) -> Window:
    """The window of this length, aligned to the epoch, that contains the time `moment`."""
    number = int(moment // seconds)
    return Window(number * seconds, (number + 1) * seconds)


def horizon(
    watermark: float | None,
    last_received: float | None,
    now: float,
    settings: WindowSettings,
    *,
    is_delivered: bool = False,
) -> float:
    """The time by which a stream's windows are closed: those that end at or before it.

    A window is closed when an event arrives that is later than its end by the allowed lateness. An idle stream is
    closed by the clock instead, so that missing data is detected. So is a stream without any event that has a baseline
    or an early outcome.

    With `is_delivered`, a site sends closed windows in bundles: what it has not delivered yet is not missing.
    """
    if watermark is None:
        return now - settings.lateness
    by_events = min(watermark, now) - settings.lateness
    # A receipt time in the future was recorded before the clock was set back: its age is unknown.
    is_idle = (
        last_received is None or now - last_received >= settings.idle or last_received > now + _CLOCK_SKEW
    )
    return max(by_events, now - settings.lateness) if is_idle and not is_delivered else by_events


def horizon_of(figures: StreamFigures, now: float, settings: WindowSettings) -> float:
    """The time by which the windows of a stream with these figures are closed; see `horizon`."""
    is_delivered = bool(figures.site)
    return horizon(figures.watermark, figures.last_received, now, settings, is_delivered=is_delivered)


def closed(windows: Iterable[Window], until: float) -> list[Window]:
    """The windows that end at or before `until`, sorted."""
    return sorted(window for window in windows if window.end <= until)


def between(start: float, end: float, seconds: int, most: int) -> list[Window]:
    """The windows of this length that lie within `[start, end]`, sorted; the newest ones if there are more than `most`.

    A time that was read from the store may be wrong by any number of years.
    """
    end_number = int(end // seconds)
    first = max(-int(-start // seconds), end_number - most)
    return [Window(n * seconds, (n + 1) * seconds) for n in range(first, end_number)]


def last(until: float, seconds: int, base_seconds: int) -> Window:
    """The newest window of this length that ends at the edge of a base window, at or before `until`. Rolling rules use
    it.
    """
    end = int(until // base_seconds) * base_seconds
    return Window(end - seconds, end)
