"""Change events: what was changed in a model's service, for the pager to show next to the incident that followed. Pure.

A change event pages no one. It is a row of the outbox with a key of its own, so it is sent once by all daemons, whoever
made the change.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from monitor.alerts.compose import model_page
from monitor.alerts.notification import Notification, encode
from monitor.alerts.settings import AlertSettings
from monitor.records import Action, Delivery, Priority, Severity, Stream, labels
from monitor.text_limits import shortened
from monitor.visible import visible

LONGEST_NAME, _LONGEST_REASON = 120, 400


@dataclass(frozen=True, slots=True)
class ChangeEvent:
    """One change.

    `kind` is the word in its key, and `identity` tells it from others of that kind. `name` is what channels call it,
    `title` what has changed, `reason` why. `version` is the one that the change is about, `before` the one before or
    beside it. `page` is the engineers' page with more about it, a part of the model's.
    """

    stream: Stream
    kind: str
    identity: str
    name: str
    at: float
    title: str
    reason: str
    version: str
    before: str
    page: str = ""


def named(version: str) -> str:
    """The name of a version as titles show it: on one line, and short."""
    return shortened(visible(version), LONGEST_NAME)


def change_events(
    change: ChangeEvent, channels: Iterable[str], settings: AlertSettings, now: float
) -> list[Delivery]:
    """One delivery of a change per channel."""
    stream = change.stream
    key = f"watchkeeper:{stream.environment}:{change.kind}:{change.identity}"
    versions = labels(version=named(change.version), before=named(change.before))
    body = encode(
        Notification(
            action=Action.CHANGE,
            key=key,
            severity=Severity.INFO.value,
            title=f"{stream.client}/{stream.model} {stream.environment}: {change.title}",
            impact="",
            client=stream.client,
            model=stream.model,
            environment=stream.environment,
            alert=change.name,
            started_at=change.at,
            reason=shortened(visible(change.reason), _LONGEST_REASON),
            links=model_page(stream, settings, change.page),
            labels=tuple(sorted((*versions, *stream.labels))),
            said_at=now,
        )
    )
    return [Delivery(name, key, 1, Action.CHANGE, body, now, Priority.LAST) for name in channels]
