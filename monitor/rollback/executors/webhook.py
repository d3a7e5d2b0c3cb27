"""A signed webhook in the shape of Standard Webhooks: your own code rolls back."""

import base64
import binascii
import hashlib
import hmac
import time
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from monitor.config.sections import FileName, Secret
from monitor.notify.addresses import SecretUrl
from monitor.outgoing.headers import request_header
from monitor.rollback.executors.calls import OrderCalls
from monitor.rollback.executors.executor import Executor, ExecutorSettings, ManualStep
from monitor.rollback.order import Order

_PREFIX = "whsec_"
_LEAST_KEY, _MOST_KEY = 24, 64
"""Bytes of a key, as Standard Webhooks requires."""


class WebhookExecutorSettings(ExecutorSettings):
    """A signed webhook."""

    repeats_safely: ClassVar[bool] = True  # the receiver knows the id
    freezes: ClassVar[bool] = True
    rights: ClassVar[str] = "none on the platform: only the receiver needs rights there"

    kind: Literal["webhook"] = "webhook"
    """A signed webhook."""
    url: SecretUrl
    """URL to post to. Treated as a secret, because it often is a credential."""
    secret: Secret
    """Key of the signature: `whsec_` and base64, or base64 alone, of 24 to 64 bytes."""
    ca_file: FileName = ""
    """A file of CA certificates to use instead of the system's."""
    procedure: str = Field(default="", max_length=2000)
    """How to roll back by hand, for the rollback plan: the webhook does not know what its receiver does."""

    @field_validator("secret")
    @classmethod
    def _is_key(cls, value: Secret) -> Secret:
        key(value.get_secret_value())
        return value

    def make(self) -> Executor:
        """The webhook."""
        return WebhookExecutor(self)

    def describe(self, order: Order) -> str:
        """The post."""
        return f"POST a signed order to {order.kind} version {order.version} to the webhook"

    def manual(self, order: Order) -> tuple[ManualStep, ...]:  # noqa: ARG002
        """The settings of the webhook."""
        words = self.procedure or "Not written down: set `procedure` of the executor in the configuration."
        return (ManualStep(words),)


class WebhookExecutor:
    """Posts an order. The receiver must reject a timestamp older than five minutes, and an id that it has seen."""

    def __init__(self, settings: WebhookExecutorSettings) -> None:
        self._settings = settings
        self.seconds = settings.timeout

    def execute(self, order: Order) -> str:
        """One post. Only 2xx is an acceptance."""
        body = order.body()
        identity, sent_at = f"rollback_{order.id}", str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "webhook-id": request_header(identity),
            "webhook-timestamp": sent_at,
            "webhook-signature": signature(self._settings.secret.get_secret_value(), identity, sent_at, body),
        }
        with OrderCalls("the webhook", self.seconds, self._settings.ca_file) as calls:
            answer = calls.send(
                "POST", self._settings.url.get_secret_value(), headers, body, (200, 201, 202, 204)
            )
        return f"the webhook answered {answer.status}"


def key(secret: str) -> bytes:
    """The bytes of a key.

    Raises:
        ValueError: it is not base64, or has the wrong length.
    """
    try:
        decoded = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    if not _LEAST_KEY <= len(decoded) <= _MOST_KEY:
        msg = (
            f"is not a key of {_LEAST_KEY} to {_MOST_KEY} bytes in base64 (make one: openssl rand -base64 32)"
        )
        raise ValueError(msg)
    return decoded


def signature(secret: str, identity: str, sent_at: str, body: bytes) -> str:
    """The value of `webhook-signature`: HMAC-SHA256 of `id.timestamp.body`."""
    signed = b".".join((identity.encode(), sent_at.encode(), body))
    return "v1," + base64.b64encode(hmac.new(key(secret), signed, hashlib.sha256).digest()).decode()
