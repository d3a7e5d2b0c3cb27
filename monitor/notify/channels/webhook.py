"""A signed webhook: the receiver can verify the sender and detect repeats."""

import hashlib
import hmac

from pydantic import Field

from monitor.alerts.notification import Notification, encode
from monitor.config.sections import Secret
from monitor.notify.addresses import GivenHeaders, SecretUrl
from monitor.notify.channel import ATTEMPT_SECONDS, PAGES, RateLimit
from monitor.notify.connection import ConnectionSettings
from monitor.notify.http import Http
from monitor.outgoing.headers import request_header
from monitor.records import Action


class WebhookSettings(ConnectionSettings):
    """A signed webhook."""

    url: SecretUrl
    """URL to post to. Treated as a secret, because it often is the only credential."""
    secret: Secret
    """Key of the signature."""
    headers: GivenHeaders = Field(default_factory=dict)
    """Additional HTTP headers, such as Authorization."""


class Webhook:
    """Posts the notification as JSON.

    `X-Watchkeeper-Signature: v1=<hex>` is the HMAC-SHA256 of the body. `Idempotency-Key` is the same for
    every attempt at one notification.
    """

    name = "webhook"
    seconds = ATTEMPT_SECONDS
    rate: RateLimit | None = None
    actions = PAGES | {Action.ACKNOWLEDGE, Action.MESSAGE}

    def __init__(self, settings: WebhookSettings) -> None:
        self._settings = settings
        self._http = Http("the webhook", settings.route)

    def send(self, notification: Notification) -> str:
        """One post, one attempt."""
        body = encode(notification)
        headers = {
            "Content-Type": "application/json",
            "X-Watchkeeper-Signature": signature(self._settings.secret.get_secret_value(), body),
            "Idempotency-Key": request_header(
                f"{notification.key}:{notification.action.value}:{notification.sequence}"
            ),
            **{name: value.get_secret_value() for name, value in self._settings.headers.items()},
        }
        answer = self._http.post(self._settings.url.get_secret_value(), body, headers)
        return f"answered {answer.status_code}"

    def close(self) -> None:
        """Close connections."""
        self._http.close()


def signature(secret: str, body: bytes) -> str:
    """The value of the `X-Watchkeeper-Signature` header."""
    return f"v1={hmac.new(secret.encode('utf-8', 'surrogatepass'), body, hashlib.sha256).hexdigest()}"
