"""The versions of a stream for engineers: when they answered, and what was released when and by whom."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from monitor.records import Stream
from monitor.releases.recording.record import contradicting
from monitor.store import approvals, model_versions, releases
from monitor.store.approvals import Approval
from monitor.store.model_versions import Version
from monitor.store.releases import Release

MOST = 50


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One version: its releases and approvals, oldest first, when it answered, and in what its releases differ.

    `seen` is None for a version that has not answered.
    """

    version: str
    seen: Version | None
    releases: Sequence[Release] = ()
    contradictions: tuple[str, ...] = ()
    approvals: Sequence[Approval] = ()

    @property
    def at(self) -> float:
        """When it was first released or answered, in seconds since the epoch."""
        times = [release.released_at for release in self.releases]
        times += [self.seen.first_seen] if self.seen else [approval.at for approval in self.approvals]
        return min(times)


def of_stream(connection: Connection, stream: Stream) -> list[VersionRow]:
    """The newest versions of a stream, newest first."""
    seen = {one.version: one for one in model_versions.of(connection, stream)}
    recorded: dict[str, list[Release]] = {}
    for release in releases.of(connection, stream):
        recorded.setdefault(release.version, []).append(release)
    decided: dict[str, list[Approval]] = {}
    for one in approvals.of(connection, stream):
        decided.setdefault(one.version, []).append(one)
    rows = [
        VersionRow(
            name,
            seen.get(name),
            recorded.get(name, ()),
            contradicting(recorded.get(name, ())),
            decided.get(name, ()),
        )
        for name in {**seen, **recorded, **decided}
    ]
    return sorted(rows, key=lambda row: (row.at, row.version), reverse=True)[:MOST]
