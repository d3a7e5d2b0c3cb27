"""A test page: opened and closed again, with the other side's own answers."""

import secrets
from collections.abc import Iterator

from monitor.alerts.notification import Notification
from monitor.errors import DeliveryError
from monitor.notify.channel import Channel
from monitor.notify.failure import AttemptError
from monitor.records import Action


def trial(channel: Channel, now: float) -> Iterator[str]:
    """Trigger and resolve under a key of its own; one line an answer.

    Raises:
        DeliveryError: the channel refused, in its words.
    """
    key = f"watchkeeper:test:{secrets.token_hex(8)}"
    for action in (Action.TRIGGER, Action.RESOLVE):
        if action not in channel.actions:
            continue
        note = Notification(
            action,
            key,
            "info",
            "Watchkeeper test: please ignore",
            "Nobody is affected: somebody tried whether this channel works.",
            "watchkeeper",
            "test",
            "test",
            "Test",
            now,
        )
        try:
            yield f"{action}: {channel.send(note)}"
        except AttemptError as error:
            raise DeliveryError(
                f"{channel.name} did not take the {action}: {error.message}", permanent=True
            ) from error
