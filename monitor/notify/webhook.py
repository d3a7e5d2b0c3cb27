"""A signed webhook: any other system can check that a notification is ours, and whether it had it before."""

import hashlib
import hmac

from pydantic import Field

from monitor.alerts.notification import Notification, encode
from monitor.notify.channel import PAGES, Rate
from monitor.notify.http import Http
from monitor.records import Action
from monitor.settings import Secret, Section


class WebhookSettings(Section):
    """A signed webhook."""

    url: Secret
    """Where to post; secret, because an address is often the only key."""
    secret: Secret
    """The key of the signature."""
    headers: dict[str, Secret] = Field(default_factory=dict)
    """Sent along, such as an Authorization."""
    ca_file: str = ""
    """A file of certificates to trust instead of the system's."""


class Webhook:
    """Posts the notification as JSON.

    `X-Watchkeeper-Signature: v1=<hex>` is the HMAC-SHA256 of the body. `Idempotency-Key` is the same for
    each attempt at one message.
    """

    name = "webhook"
    rate: Rate | None = None
    actions = PAGES | {Action.ACKNOWLEDGE, Action.MESSAGE}

    def __init__(self, settings: WebhookSettings) -> None:
        self._settings = settings
        self._http = Http("the webhook", settings.ca_file)

    def send(self, notification: Notification) -> str:
        """One post, one attempt."""
        body = encode(notification)
        headers = {
            "Content-Type": "application/json",
            "X-Watchkeeper-Signature": signature(self._settings.secret.get_secret_value(), body),
            "Idempotency-Key": f"{notification.key}:{notification.action.value}:{notification.sequence}",
            **{name: value.get_secret_value() for name, value in self._settings.headers.items()},
        }
        answer = self._http.post(self._settings.url.get_secret_value(), body, headers)
        return f"answered {answer.status_code}"

    def close(self) -> None:
        """Give connections back."""
        self._http.close()


def signature(secret: str, body: bytes) -> str:
    """What stands in the signature's header."""
    return f"v1={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"
