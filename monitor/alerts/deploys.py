"""Change events for new model versions, so that the pager shows a deployment next to the incident that followed it.

A change event pages no one. It is a row of the outbox with a key of its own, so it is sent once by all daemons.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from monitor.alerts.compose import model_page
from monitor.alerts.notification import Notification, encode
from monitor.alerts.settings import AlertSettings
from monitor.clock import iso
from monitor.config.units import HOUR
from monitor.records import Action, Delivery, Priority, Severity, Stream
from monitor.store.model_versions import Version

RECENT = float(HOUR)
"""Seconds after which the newest answer of a version counts as history: no change event is sent for it."""
LONGEST_NAME = 120
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
        body = encode(_notification(version, latest, settings, now))
        key = _key(version)
        deliveries += [Delivery(name, key, 1, Action.CHANGE, body, now, Priority.LAST) for name in names]
    return deliveries


def _key(version: Version) -> str:
    stream = hashlib.sha256(f"{version.stream}\0{version.version}".encode()).hexdigest()[:16]
    return f"watchkeeper:{version.stream.environment}:version:{stream}"


def _notification(version: Version, before: Version, settings: AlertSettings, now: float) -> Notification:
    stream = version.stream
    new, old = version.version[:LONGEST_NAME], before.version[:LONGEST_NAME]
    return Notification(
        action=Action.CHANGE,
        key=_key(version),
        severity=Severity.INFO.value,
        title=f"{stream.client}/{stream.model} {stream.environment}: version {new} is serving (before: {old})",
        impact="",
        client=stream.client,
        model=stream.model,
        environment=stream.environment,
        alert="VersionChanged",
        started_at=version.first_seen,
        reason=f"first answer of version {new} at {iso(version.first_seen)}",
        links=model_page(stream, settings),
        labels=tuple(sorted({"version": new, "before": old, **dict(stream.labels)}.items())),
        said_at=now,
    )
