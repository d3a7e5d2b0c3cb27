"""A new version of a model answers: told as a change, so that an incident after it shows what came before.

A change wakes nobody. It is a row of the outbox under a key of its own, so it is told once, whoever saw it.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from monitor.alerts.compose import model_page
from monitor.alerts.notification import Notification, encode
from monitor.alerts.settings import AlertSettings
from monitor.clock import iso
from monitor.records import Action, Delivery, Severity, Stream
from monitor.store.versions import Version

RECENT = 3600.0
"""A version whose newest answer is older than this comes from history, and is no news; in seconds."""
PRIORITY = 5
LONGEST_NAME = 120


def deploys(
    seen: Iterable[Version],
    known: Mapping[Stream, Sequence[Version]],
    channels: Iterable[str],
    settings: AlertSettings,
    now: float,
) -> list[Delivery]:
    """A change for each of `channels` and each version that was not known before. Pure.

    The first version of a model is none: nothing changed.
    """
    told = list(channels)
    found = []
    for version in seen:
        before = [one for one in known.get(version.stream, ()) if one.version != version.version]
        is_known = len(before) < len(known.get(version.stream, ()))
        if is_known or not before or not version.version or version.last_seen < now - RECENT:
            continue
        latest = max(before, key=lambda one: one.last_seen)
        body = encode(_notification(version, latest, settings, now))
        key = _key(version)
        found += [Delivery(name, key, 1, Action.CHANGE, body, now, PRIORITY) for name in told]
    return found


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
        title=f"{stream.client}/{stream.model} {stream.environment}: version {new} answers (before it: {old})",
        impact="",
        client=stream.client,
        model=stream.model,
        environment=stream.environment,
        alert="VersionChanged",
        started_at=version.first_seen,
        reason=f"version {new} answered for the first time at {iso(version.first_seen)}",
        links=model_page(stream, settings),
        labels=tuple(sorted({"version": new, "before": old, **dict(stream.labels)}.items())),
        said_at=now,
    )
