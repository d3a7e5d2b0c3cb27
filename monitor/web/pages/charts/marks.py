"""Marks of charts for versions: when a new one began to answer, and what was released when."""

from collections.abc import Sequence

from sqlalchemy import Connection

from monitor.config.units import MINUTE
from monitor.records import Stream
from monitor.store import model_versions, releases
from monitor.store.model_versions import Version
from monitor.store.releases import Release
from monitor.web.pages.charts.svg import Mark

TOGETHER = 15.0 * MINUTE
"""Seconds between a release and its version's first prediction within which both have one mark."""


def of_versions(connection: Connection, stream: Stream, *, with_names: bool) -> tuple[Mark, ...]:
    """Marks of a stream's new versions and releases, in order of time. `with_names` tells who released them."""
    versions, recorded = model_versions.of(connection, stream), releases.of(connection, stream)
    return marks(versions, recorded, with_names=with_names)


def marks(versions: Sequence[Version], recorded: Sequence[Release], *, with_names: bool) -> tuple[Mark, ...]:
    """A mark for each version but the first one, when it first answered, and one for each release. Pure.

    Both lists are in order of time.
    """
    new = [version for version in versions if version.first_seen > versions[0].first_seen]
    apart = list(recorded)
    made = []
    for version in new:
        near = [one for one in apart if one.version == version.version and _is_near(one, version)]
        by = next((_by(one) for one in reversed(near)), "") if with_names else ""
        made.append(
            Mark(version.first_seen, f"new version {version.version}{', released' if by else ''}{by}")
        )
        apart = [one for one in apart if one not in near]
    made += [
        Mark(one.released_at, f"version {one.version} released{_by(one) if with_names else ''}")
        for one in apart
    ]
    return tuple(sorted(made, key=lambda one: (one.at, one.text)))


def _is_near(release: Release, version: Version) -> bool:
    return abs(version.first_seen - release.released_at) <= TOGETHER


def _by(release: Release) -> str:
    return f" by {release.released_by}" if release.released_by else ""
