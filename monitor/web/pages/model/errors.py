"""Errors for engineers: by kind, and by version or segment."""

from dataclasses import dataclass

from monitor.config.units import HOUR
from monitor.records import Stream, Window
from monitor.windows.profile import Profile
from monitor.windows.rolling import Rolling

MOST_SHOWN = 10


@dataclass(frozen=True, slots=True)
class ErrorCount:
    """`errors` of `rows` predictions failed: of a kind of error, a version, or a segment."""

    name: str
    errors: float
    rows: float

    @property
    def share(self) -> float:
        """0 to 1."""
        return self.errors / self.rows if self.rows else 0.0


@dataclass(frozen=True, slots=True)
class ErrorsView:
    """The errors of a window: in total, by kind (most frequent first), and by place (highest share first)."""

    window: Window
    whole: ErrorCount
    kinds: tuple[ErrorCount, ...] = ()
    places: tuple[ErrorCount, ...] = ()


def nothing(now: float) -> ErrorsView:
    """A view without data."""
    return ErrorsView(Window(int(now) - HOUR, int(now)), ErrorCount("all", 0.0, 0.0))


def of_stream(rolling: Rolling, stream: Stream, now: float, base_seconds: int) -> ErrorsView:
    """The errors of the last hour, including the counted part of the current minute."""
    end = int(now // base_seconds + 1) * base_seconds
    window = Window(end - HOUR, end)
    return failures(rolling.profile(stream, window), window)


def failures(profile: Profile, window: Window) -> ErrorsView:
    """The errors in a profile."""
    rows = profile.rows
    whole = ErrorCount("all", profile.overall.flag("errors"), rows)
    kinds = [ErrorCount(kind, count, rows) for kind, count in profile.overall.tally("error").items()]
    parts = {f"version {version}": part for version, part in profile.versions.items()}
    parts |= {f"{name} {value}": part for (name, value), part in profile.segments.items()}
    places = [ErrorCount(name, part.flag("errors"), part.rows) for name, part in parts.items()]
    return ErrorsView(
        window,
        whole,
        tuple(sorted(kinds, key=lambda one: -one.errors)[:MOST_SHOWN]),
        tuple(sorted((place for place in places if place.errors), key=lambda one: -one.share)[:MOST_SHOWN]),
    )
