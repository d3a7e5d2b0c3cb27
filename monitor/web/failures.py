"""What fails, as engineers ask in an incident: which errors, and of which version or segment."""

from dataclasses import dataclass

from sqlalchemy import Connection

from monitor.records import Stream, Window
from monitor.windows.profile import Profile
from monitor.windows.rolling import Rolling

HOUR = 3600
MOST_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Failing:
    """Something of which `errors` of `rows` predictions failed: a kind of error, a version, a segment."""

    name: str
    errors: float
    rows: float

    @property
    def share(self) -> float:
        """0 to 1."""
        return self.errors / self.rows if self.rows else 0.0


@dataclass(frozen=True, slots=True)
class Failures:
    """The errors of a window: in all, by kind (the most frequent first), and where (the highest share first)."""

    window: Window
    whole: Failing
    kinds: tuple[Failing, ...] = ()
    places: tuple[Failing, ...] = ()


def of_stream(connection: Connection, stream: Stream, now: float, base_seconds: int) -> Failures:
    """What failed within the last hour, what was counted of the running minute included."""
    end = int(now // base_seconds + 1) * base_seconds
    window = Window(end - HOUR, end)
    # Nothing is settled here, so that looking at a page never writes.
    return failures(Rolling(connection, base_seconds, settled=float("-inf")).profile(stream, window), window)


def failures(profile: Profile, window: Window) -> Failures:
    """The errors that a profile counts."""
    rows = profile.rows
    whole = Failing("all", profile.overall.flag("errors"), rows)
    kinds = [Failing(kind, count, rows) for kind, count in profile.overall.tally("error").items()]
    parts = {f"version {version}": part for version, part in profile.versions.items()}
    parts |= {f"{name} {value}": part for (name, value), part in profile.segments.items()}
    places = [Failing(name, part.flag("errors"), part.rows) for name, part in parts.items()]
    return Failures(
        window,
        whole,
        tuple(sorted(kinds, key=lambda one: -one.errors)[:MOST_SHOWN]),
        tuple(sorted((one for one in places if one.errors), key=lambda one: -one.share)[:MOST_SHOWN]),
    )
