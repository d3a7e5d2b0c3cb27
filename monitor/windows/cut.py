"""Which windows are closed: pure, from what is known of a stream and the time."""

from collections.abc import Iterable

from monitor.records import Window
from monitor.windows.settings import WindowSettings


def window_of(moment: float, seconds: int) -> Window:
    """The window of this length, aligned to the epoch, that holds the moment."""
    number = int(moment // seconds)
    return Window(number * seconds, (number + 1) * seconds)


def horizon(
    watermark: float | None, last_received: float | None, now: float, settings: WindowSettings
) -> float:
    """Up to when a stream's windows are closed: those that end by this time.

    A window is closed when an event came that is past its end by the allowed lateness. A stream that fell idle is
    closed by the clock instead, so that its silence is seen, and so is one of which no event ever came: it has a
    baseline, or an outcome came first.
    """
    if watermark is None:
        return now - settings.lateness
    by_events = min(watermark, now) - settings.lateness
    silent = last_received is None or now - last_received >= settings.idle
    return max(by_events, now - settings.lateness) if silent else by_events


def closed(windows: Iterable[Window], until: float) -> list[Window]:
    """The windows that end by `until`, in order."""
    return sorted(window for window in windows if window.end <= until)


def between(start: float, end: float, seconds: int) -> list[Window]:
    """The windows of this length that lie inside `[start, end]`, in order."""
    first = -int(-start // seconds)
    return [Window(n * seconds, (n + 1) * seconds) for n in range(first, int(end // seconds))]


def last(until: float, seconds: int, base_seconds: int) -> Window:
    """The newest window of this length that ends on a base window's edge by `until`: what rolling rules look at."""
    end = int(until // base_seconds) * base_seconds
    return Window(end - seconds, end)
