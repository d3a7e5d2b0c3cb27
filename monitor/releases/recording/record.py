"""Stores the release that a manifest describes, and says what contradicts it."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from monitor.releases.recording.manifest import Manifest, components, differing, digest_of, encoded
from monitor.store import audit, releases
from monitor.store.audit import AuditEntry
from monitor.store.releases import Release


@dataclass(frozen=True, slots=True)
class Recorded:
    """The outcome: whether the release is new, and in which components other releases of the version differ."""

    release: Release
    is_new: bool
    contradictions: tuple[str, ...] = ()


def release_of(manifest: Manifest, source: str, recorded_by: str, now: float) -> Release:
    """The release that a checked manifest describes. Pure."""
    return Release(
        manifest.stream,
        manifest.version,
        digest_of(manifest),
        now if isinstance(manifest.released_at, str) else manifest.released_at,
        now,
        manifest.released_by,
        recorded_by[:256],
        source,
        manifest.note,
        manifest.flags,
        components(manifest),
        encoded(manifest),
    )


def record(
    connection: Connection, manifest: Manifest, source: str, recorded_by: str, now: float, address: str = ""
) -> Recorded:
    """Store the release of a checked manifest, with an entry in the audit log. One that is known changes nothing.

    `source` is `api`, `command` or `mlflow`; `recorded_by` the key, user or program, at `address`.
    """
    release = release_of(manifest, source, recorded_by, now)
    is_new = releases.add(connection, release)
    if is_new:
        what = f"record release {release.version} of {release.stream} ({release.digest[:12]})"
        entry = AuditEntry(now, recorded_by, address, "change", release.stream.client, what, 200)
        audit.add(connection, [entry])
    others = releases.of_version(connection, release.stream, release.version)
    return Recorded(release, is_new, contradicting(others))


def contradicting(of_version: Iterable[Release]) -> tuple[str, ...]:
    """The components in which any two releases of one version differ, in order of their names."""
    return tuple(sorted(differing(one.components for one in of_version)))
