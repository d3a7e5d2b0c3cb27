"""Google Cloud Pub/Sub: pulled over its REST API, and acknowledged once stored.

Several daemons may share a subscription. A message that is not acknowledged before the deadline of the subscription is
delivered again, and recognized by its id.
"""

import base64
import binascii
import json
import os
import re
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from monitor import outgoing
from monitor.config.sections import FileName
from monitor.sources.brokers.addresses import checked
from monitor.sources.brokers.google_tokens import GoogleTokens, TokenError
from monitor.sources.causes import MACHINE_AUTHORITY, Advice
from monitor.sources.settings import SourceSettings
from monitor.sources.source import Fetched, Lag, Payload, Positions, Source, SourceError
from monitor.times.reading import micros_of

_CALL_SECONDS = 5.0
_MOST_ANSWER = 64_000_000
"""Bytes of one answer. A message has at most 10 MB; the first pull asks for one, later ones for about 8 MB."""
_MOST_BYTES, _GROWTH = 8_000_000, 8
_ACKNOWLEDGED_AT_ONCE = 1000
_RECENT = 60.0
_SCOPE = "https://www.googleapis.com/auth/pubsub"
_NAME = re.compile(r"projects/[^/\s]+/subscriptions/[^/\s]+")
_ADVICE = Advice(
    "does the subscription exist, and may this account subscribe (roles/pubsub.subscriber)?",
    login="correct `credentials`, or the account of this machine",
    right="grant the account roles/pubsub.subscriber",
    authority=MACHINE_AUTHORITY,
    expired="is the clock of this machine right?",
)


def _subscription(value: str) -> str:
    if not _NAME.fullmatch(value):
        msg = f"{value!r} is not a subscription (use projects/PROJECT/subscriptions/NAME)"
        raise ValueError(msg)
    return value


def _address(value: str) -> str:
    return checked(value, ("https", "http"))


class PubSubSettings(SourceSettings):
    """A subscription of Google Cloud Pub/Sub. Needs the extra `pubsub` for key files."""

    kind: Literal["pubsub"] = "pubsub"
    """A subscription of Google Cloud Pub/Sub."""
    subscription: Annotated[str, AfterValidator(_subscription)]
    """A subscription with delivery by pull: `projects/PROJECT/subscriptions/NAME`."""
    credentials: FileName = ""
    """Key file of a service account, or what `gcloud auth application-default login` writes. Empty:
    `GOOGLE_APPLICATION_CREDENTIALS`, or the account of this machine.
    """
    address: Annotated[str, AfterValidator(_address)] = Field(default="https://pubsub.googleapis.com")
    """Address of the API. An address without TLS is an emulator, which needs no credentials."""

    def make_source(self, name: str) -> Source:
        """A subscriber, not connected yet."""
        del name
        return PubSub(self)


class PubSub:
    """One subscriber."""

    is_ordered = False

    def __init__(self, settings: PubSubSettings) -> None:
        self._settings = settings
        key_file = settings.credentials or os.environ.get("GOOGLE_APPLICATION_CREDENTIALS", "")
        self._tokens = GoogleTokens(_SCOPE, key_file) if settings.address.startswith("https:") else None
        self._base = f"{settings.address.rstrip('/')}/v1/{settings.subscription}"
        self._count = 1
        self._oldest, self._fetched_at = time.time(), float("-inf")

    def open(self, positions: Positions) -> None:
        """Check that the subscription exists."""
        del positions  # the subscription knows what was acknowledged
        subscription = self._call("", None)
        if (
            subscription.get("pushConfig")
            or subscription.get("bigqueryConfig")
            or subscription.get("cloudStorageConfig")
        ):
            msg = f"Pub/Sub: {self._settings.subscription} does not deliver by pull"
            raise SourceError(msg, hint="create a subscription with delivery type Pull")

    def fetch(self, most: int, wait: float) -> Fetched:
        """The messages that Pub/Sub can deliver at once."""
        messages = self._pull(min(most, self._count))
        if not messages:
            time.sleep(wait)
            return Fetched()
        payloads = [_payload(message) for message in messages]
        size = sum(len(payload.body) for payload in payloads)
        self._count = max(1, min(self._count * _GROWTH, _MOST_BYTES * len(payloads) // (size + 1)))
        sent = [payload.sent_at for payload in payloads if payload.sent_at is not None]
        if sent:
            self._oldest, self._fetched_at = min(sent), time.monotonic()
        return Fetched(payloads, [str(message.get("ackId", "")) for message in messages])

    def acknowledge(self, fetched: Fetched) -> None:
        """Acknowledge the messages."""
        receipts: list[str] = fetched.receipt
        for begin in range(0, len(receipts), _ACKNOWLEDGED_AT_ONCE):
            self._call(":acknowledge", {"ackIds": receipts[begin : begin + _ACKNOWLEDGED_AT_ONCE]})

    def lag(self) -> Lag:
        """Pub/Sub does not report its backlog. The last fetched messages show how far behind this source is."""
        if time.monotonic() - self._fetched_at >= _RECENT:
            return Lag()
        return Lag(None, max(0.0, time.time() - self._oldest))

    def peek(self, most: int, wait: float) -> Sequence[Payload]:
        """The next messages, which are returned at once."""
        ends, messages = time.monotonic() + min(wait, 3.0), self._pull(most)
        while not messages and time.monotonic() < ends:
            time.sleep(0.2)
            messages = self._pull(most)
        if messages:
            identifiers = [str(message.get("ackId", "")) for message in messages]
            self._call(":modifyAckDeadline", {"ackIds": identifiers, "ackDeadlineSeconds": 0})
        return [_payload(message) for message in messages]

    def close(self) -> None:
        """Nothing is kept open. What was not acknowledged is delivered again."""

    def _pull(self, most: int) -> list[Mapping[str, Any]]:
        """Messages that are at hand. A pull that waits and is cancelled would keep messages from everybody."""
        answer = self._call(":pull", {"maxMessages": most, "returnImmediately": True})
        messages = answer.get("receivedMessages")
        return (
            [message for message in messages if isinstance(message, Mapping)]
            if isinstance(messages, list)
            else []
        )

    def _call(self, name: str, parameters: Mapping[str, Any] | None) -> dict[str, Any]:
        """Call the subscription, by POST where there are parameters."""
        where = f"Pub/Sub: {self._settings.subscription}"
        try:
            headers = {} if self._tokens is None else {"Authorization": f"Bearer {self._tokens.current()}"}
            with outgoing.client(_CALL_SECONDS, most_bytes=_MOST_ANSWER) as client:
                if parameters is None:
                    response = client.get(self._base, headers=headers)
                else:
                    response = client.post(self._base + name, json=parameters, headers=headers)
        except TokenError as error:
            raise SourceError(f"{where}: {error}", hint="correct `credentials`") from error
        except (*outgoing.FAILURES, RecursionError) as error:
            if isinstance(error, ImportError):
                hint = "pip install 'watchkeeper[pubsub]'"
                raise SourceError("the package for Pub/Sub's keys is not installed", hint=hint) from error
            words = outgoing.reason(error)
            raise SourceError(f"{where}: {words}", hint=_ADVICE.hint(words)) from error
        answer, problem = _read(response.status_code, response.content)
        if problem:
            raise SourceError(f"{where}: {problem}", hint=_ADVICE.hint(problem))
        return answer


def _read(status: int, content: bytes) -> tuple[dict[str, Any], str]:
    """The answer, and why it is none."""
    try:
        answer = json.loads(content or b"{}")
    except (ValueError, RecursionError):
        return {}, f"HTTP {status} without JSON"
    if status == 200 and isinstance(answer, dict):
        return answer, ""
    problem = answer.get("error") if isinstance(answer, dict) else None
    words = str(problem.get("message"))[:300] if isinstance(problem, Mapping) else ""
    return {}, f"HTTP {status}: {words}"


def _payload(received: Mapping[str, Any]) -> Payload:
    message = received.get("message")
    message = message if isinstance(message, Mapping) else {}
    identifier = str(message.get("messageId", ""))
    attributes = message.get("attributes")
    headers = (
        {str(k).lower(): str(v) for k, v in attributes.items()} if isinstance(attributes, Mapping) else {}
    )
    micros = micros_of(str(message.get("publishTime", "")))
    try:
        body, error = base64.b64decode(str(message.get("data") or ""), validate=True), ""
    except binascii.Error as problem:
        body, error = b"", f"its data is not Base64: {problem}"
    return Payload(
        body,
        f"message {identifier[:100]}",
        key=identifier.encode(),
        sent_at=None if micros is None else micros / 1e6,
        headers=headers,
        error=error,
    )
