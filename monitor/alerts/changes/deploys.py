"""Change events for new model versions, so that the pager shows a deployment next to the incident that followed it."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from monitor.alerts.changes.change_event import ChangeEvent, change_events, named
from monitor.alerts.settings import AlertSettings
from monitor.clock import iso
from monitor.config.units import HOUR
from monitor.records import Delivery, Stream
from monitor.store.model_versions import Version

RECENT = float(HOUR)
"""Seconds after which the newest answer of a version counts as history: no change event is sent for it."""
MOST_AT_ONCE = 5
"""New versions of one stream, seen since the last call, that are sent: a sender may make up any number."""


def deploys(
    seen: Iterable[Version],
    known: Mapping[Stream, Sequence[Version]],
    channels: Iterable[str],
    settings: AlertSettings,
    now: float,
) -> list[Delivery]:
    """One change event per channel for each version that was not known before, except the first of a model. Pure."""
    names = list(channels)
    deliveries = []
    sent: Counter[Stream] = Counter()
    for version in sorted(seen, key=lambda one: one.last_seen, reverse=True):
        before = [one for one in known.get(version.stream, ()) if one.version != version.version]
        is_known = len(before) < len(known.get(version.stream, ()))
        if is_known or not before or not version.version or version.last_seen < now - RECENT:
            continue
        sent[version.stream] += 1
        if sent[version.stream] > MOST_AT_ONCE:
            continue
        latest = max(before, key=lambda one: one.last_seen)
        deliveries += change_events(_change(version, latest), names, settings, now)
    return deliveries


def _change(version: Version, before: Version) -> ChangeEvent:
    stream, new = version.stream, named(version.version)
    return ChangeEvent(
        stream,
        "version",
        hashlib.sha256(f"{stream}\0{version.version}".encode()).hexdigest()[:16],
        "VersionChanged",
        version.first_seen,
        f"version {new} is serving (before: {named(before.version)})",
        f"first answer from version {new} at {iso(version.first_seen)}",
        version.version,
        before.version,
    )
