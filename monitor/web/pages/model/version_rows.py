"""The versions of a stream for engineers: when they answered, and what was released when and by whom."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from monitor.records import Stream
from monitor.releases.recording.record import contradicting
from monitor.store import model_versions, releases
from monitor.store.model_versions import Version
from monitor.store.releases import Release

MOST = 50


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One version: its releases, oldest first, when it answered, and in which components its releases differ.

    `seen` is None for a version that has not answered.
    """

    version: str
    seen: Version | None
    releases: Sequence[Release] = ()
    contradictions: tuple[str, ...] = ()

    @property
    def at(self) -> float:
        """When it was first released or answered, in seconds since the epoch."""
        times = [one.released_at for one in self.releases]
        return min([*times, self.seen.first_seen] if self.seen else times)


def of_stream(connection: Connection, stream: Stream) -> list[VersionRow]:
    """The newest versions of a stream, newest first."""
    seen = {one.version: one for one in model_versions.of(connection, stream)}
    recorded: dict[str, list[Release]] = {}
    for release in releases.of(connection, stream):
        recorded.setdefault(release.version, []).append(release)
    rows = [
        VersionRow(name, seen.get(name), recorded.get(name, ()), contradicting(recorded.get(name, ())))
        for name in {**seen, **recorded}
    ]
    return sorted(rows, key=lambda row: (row.at, row.version), reverse=True)[:MOST]
