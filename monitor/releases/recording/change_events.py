"""Change events for recorded releases. Pure."""

import hashlib

from monitor.alerts.changes.change_event import ChangeEvent, named
from monitor.store.releases import Release


def change(release: Release) -> ChangeEvent:
    """What a release has changed, and who released it."""
    key = f"{release.stream}\0{release.version}\0{release.digest}"
    by = f" by {release.released_by}" if release.released_by else ""
    note = f": {release.note}" if release.note else ""
    return ChangeEvent(
        release.stream,
        "release",
        hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:16],
        "VersionReleased",
        release.released_at,
        f"version {named(release.version)} was released",
        f"released{by}{note}",
        release.version,
        "",
    )
