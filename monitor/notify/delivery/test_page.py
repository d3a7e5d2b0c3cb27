"""A test page: triggered and resolved, with the responses of the channel."""

import secrets
from collections.abc import Iterator
from functools import partial

from monitor.alerts.notification import Notification
from monitor.errors import DeliveryError
from monitor.notify.channel import Channel
from monitor.notify.delivery.attempt import attempt
from monitor.notify.failure import AttemptError
from monitor.records import Action


def send_test_page(channel: Channel, now: float) -> Iterator[str]:
    """Trigger and resolve an incident with a random key; one line per response.

    Raises:
        DeliveryError: the channel did not accept it; the message has its reason.
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
            "Test notification. No model is affected.",
            "watchkeeper",
            "test",
            "test",
            "Test",
            now,
        )
        try:
            yield f"{action}: {attempt(partial(channel.send, note))}"
        except AttemptError as error:
            raise DeliveryError(
                f"{channel.name} did not accept the {action}: {error.message}", permanent=True
            ) from error
