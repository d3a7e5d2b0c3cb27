"""What is measured of one stream: read beside the others' writing, then put down in a short transaction.

Whoever sends predictions waits while the store is written, so nothing is measured there. Between reading and writing
somebody else may have counted late rows. The number of the stream's revision tells: if it is another one, nothing is
put down, and the stream is measured again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from monitor.block import Block, block_of, joined
from monitor.metrics import FAMILIES, Family, Subject, measure
from monitor.metrics.settings import MetricSettings
from monitor.readings.against import Against
from monitor.readings.wallclock import WallClock
from monitor.records import Stream, Window
from monitor.store import measurements as stored
from monitor.store import profiles, revisions, unmeasured
from monitor.store.profiles import StoredProfile
from monitor.windows.baseline import load
from monitor.windows.rolling import Rolling

HOUR = 3600


@dataclass(frozen=True, slots=True)
class Means:
    """What streams are measured by; `base` is the length of a base window in seconds."""

    base: int
    metrics: MetricSettings
    against: Against
    wall: WallClock


@dataclass(slots=True)
class Findings:
    """What was found of a stream at a revision of its profiles, and is to be written.

    `blocks` are the measurements of windows, `windows` those that are measured by them, `hours` the hours they lie
    in, `sums` what was added up on the way. `readings` are the measurements that rules read, by length of window.
    """

    stream: Stream
    revision: int
    blocks: dict[Window, Block] = field(default_factory=dict)
    windows: list[Window] = field(default_factory=list)
    hours: list[Window] = field(default_factory=list)
    readings: dict[int, Block] = field(default_factory=dict)
    sums: Sequence[tuple[Stream, StoredProfile]] = ()


class Finder:
    """Measures windows of one stream whose base windows are closed up to `edge`; writes nothing."""

    def __init__(self, means: Means, connection: Connection, stream: Stream, edge: int, now: float) -> None:
        self.found = Findings(stream, revisions.read(connection, stream))  # before all that it speaks for
        self._means, self._connection, self._stream, self._now = means, connection, stream, now
        self._baseline = load(connection, stream)
        self._measured: dict[tuple[Window, Sequence[Family]], Block] = {}
        self._rolling = Rolling(connection, means.base, settled=edge)

    def measure(self, window: Window, families: Sequence[Family] = FAMILIES) -> Block:
        """The figures of a window; what was measured already is not measured again."""
        if (window, families) not in self._measured:
            profile = self._rolling.profile(self._stream, window)
            subject = Subject(self._stream, window, profile, self._baseline, self._means.metrics)
            found = measure(subject, families)
            if window.seconds != self._means.base:
                work = (self._connection, self._rolling)
                others = self._means.against.measure(*work, self._stream, window, families, self._now)
                found = joined([found, *others])
            self._measured[window, families] = found
        return self._measured[window, families]

    def note(self, window: Window) -> None:
        """Measure a window, to be written down in place of what was known of it."""
        found = self.measure(window)
        if window.seconds == HOUR and (
            others := self._means.wall.of_window(self._connection, self._stream, window)
        ):
            found = joined([found, block_of(self._stream, window, others)])
        self.found.blocks[window] = found

    def finish(self) -> Findings:
        """All that was found."""
        self.found.sums = self._rolling.sums()
        return self.found


def put_down(connection: Connection, found: Findings, now: float) -> bool:
    """Write what was found, if the profiles are still those that it was found in; False if they are not."""
    if revisions.hold(connection, found.stream, now) != found.revision:
        return False
    for window, block in found.blocks.items():
        stored.put(connection, found.stream, window, block, now)
    profiles.put(connection, found.stream, [total for _, total in found.sums], now)
    unmeasured.remove(connection, found.stream, found.windows)
    return True
