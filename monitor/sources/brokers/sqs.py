"""Amazon SQS: long polling, and a message is deleted once it is stored.

Several daemons may share a queue. A message that is not deleted within `redeliver_after` is delivered again, and
recognized by its id.
"""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from monitor.config.sections import Duration
from monitor.sources.brokers.addresses import checked
from monitor.sources.brokers.aws_calls import AwsCalls, AwsError
from monitor.sources.causes import AWS_EXPIRED, AWS_LOGIN, MACHINE_AUTHORITY, Advice
from monitor.sources.settings import SourceSettings
from monitor.sources.source import Fetched, Lag, Payload, Positions, Source, SourceError

_CALL_SECONDS = 5.0
_AT_ONCE = 10
"""Messages of one call, the most that SQS allows."""
_MOST_BYTES = 8_000_000
_FETCH_SECONDS = 2.0
"""Seconds after which a fetch asks for no more."""
_RECENT = 60.0
"""Seconds after a fetch for which the age of its messages says how old those are that wait."""
_HOURS = 12 * 3600.0
_GONE = ("QueueDoesNotExist", "NonExistentQueue")
_HINT = "are the address and region right, and may this daemon receive and delete messages?"
_ADVICE = Advice(
    _HINT,
    login=AWS_LOGIN,
    right="grant sqs:ReceiveMessage, sqs:DeleteMessage and sqs:GetQueueAttributes",
    authority=MACHINE_AUTHORITY,
    expired=AWS_EXPIRED,
)


def queue_url(value: str) -> str:
    """The URL of a queue as it is.

    Raises:
        ValueError: it is none.
    """
    checked(value, ("https", "http"))
    if len(value.split("/")) < 5:
        msg = f"{value!r} is not the URL of a queue (use https://sqs.eu-central-1.amazonaws.com/123456789012/orders)"
        raise ValueError(msg)
    return value


class SqsSettings(SourceSettings):
    """A queue of Amazon SQS. Needs the extra `sqs`."""

    counts_all: ClassVar[bool] = True
    kind: Literal["sqs"] = "sqs"
    """A queue of Amazon SQS."""
    queue: Annotated[str, AfterValidator(queue_url)]
    """URL of the queue, such as `https://sqs.eu-central-1.amazonaws.com/123456789012/orders`."""
    region: str = ""
    """Region, if the URL does not contain it."""
    redeliver_after: Duration = Field(default=60.0, ge=5.0, le=_HOURS)
    """A message that is not stored within this time is delivered again (the visibility timeout)."""

    def make_source(self, name: str) -> Source:
        """A consumer, not connected yet."""
        del name
        return Sqs(self)


class Sqs:
    """One consumer of a queue."""

    is_ordered = False

    def __init__(self, settings: SqsSettings) -> None:
        self._settings = settings
        self._calls = AwsCalls("sqs", settings.queue, settings.region)
        self._oldest: float | None = None
        self._fetched_at = float("-inf")

    def open(self, positions: Positions) -> None:
        """Check that the queue exists."""
        del positions  # the queue knows what was deleted
        self.lag()

    def fetch(self, most: int, wait: float) -> Fetched:
        """Messages of several calls, until one brings none or fails: what came before it is not left in flight."""
        payloads: list[Payload] = []
        receipts: list[str] = []
        size, ends = 0, time.monotonic() + _FETCH_SECONDS
        while len(payloads) < most and size < _MOST_BYTES:
            try:
                messages = self._receive(min(_AT_ONCE, most - len(payloads)), 0 if payloads else wait)
            except SourceError:
                if not payloads:
                    raise
                break  # the next fetch says so, if it is still the case
            payloads += [_payload(message) for message in messages]
            receipts += [str(message.get("ReceiptHandle", "")) for message in messages]
            size += sum(len(payload.body) for payload in payloads[len(payloads) - len(messages) :])
            if not messages or time.monotonic() >= ends:
                break
        if payloads:
            sent = [payload.sent_at for payload in payloads if payload.sent_at is not None]
            self._oldest, self._fetched_at = min(sent, default=None), time.monotonic()
        return Fetched(payloads, receipts)

    def acknowledge(self, fetched: Fetched) -> None:
        """Delete the messages. One that could not be deleted comes again, and is recognized."""
        receipts: list[str] = fetched.receipt
        for begin in range(0, len(receipts), _AT_ONCE):
            some = receipts[begin : begin + _AT_ONCE]
            entries = [{"Id": str(place), "ReceiptHandle": receipt} for place, receipt in enumerate(some)]
            self._call("DeleteMessageBatch", {"Entries": entries})

    def lag(self) -> Lag:
        """Messages that were not delivered or not deleted, as SQS estimates them.

        SQS does not tell the age of the oldest. Those that were fetched just now say how far behind this source is.
        """
        waiting = waiting_of(self._calls, self._settings.queue)
        if waiting == 0:
            return Lag(0, 0.0)
        is_recent = self._oldest is not None and time.monotonic() - self._fetched_at < _RECENT
        return Lag(waiting, max(0.0, time.time() - (self._oldest or 0.0)) if is_recent else None)

    def peek(self, most: int, wait: float) -> Sequence[Payload]:
        """The next messages, which are returned at once. SQS counts it as a delivery."""
        messages = self._receive(min(most, _AT_ONCE), min(wait, 2.0), visible_after=0)
        return [_payload(message) for message in messages]

    def close(self) -> None:
        """Nothing is kept open. What was not deleted is delivered again."""

    def _receive(self, most: int, wait: float, visible_after: float | None = None) -> list[Mapping[str, Any]]:
        after = self._settings.redeliver_after if visible_after is None else visible_after
        parameters = {
            "MaxNumberOfMessages": most,
            "WaitTimeSeconds": min(20, int(wait)),
            "VisibilityTimeout": int(after),
            "AttributeNames": ["SentTimestamp"],
            "MessageAttributeNames": ["All"],
        }
        messages = self._call("ReceiveMessage", parameters, _CALL_SECONDS + wait).get("Messages") or []
        return [message for message in messages if isinstance(message, Mapping)]

    def _call(
        self, name: str, parameters: Mapping[str, Any], seconds: float = _CALL_SECONDS
    ) -> dict[str, Any]:
        return call(self._calls, self._settings.queue, name, parameters, seconds)


def call(
    calls: AwsCalls, queue: str, name: str, parameters: Mapping[str, Any], seconds: float = _CALL_SECONDS
) -> dict[str, Any]:
    """Call SQS about a queue.

    Raises:
        SourceError: it failed.
    """
    try:
        return calls.call(f"AmazonSQS.{name}", {"QueueUrl": queue, **parameters}, seconds)
    except ImportError as error:
        hint = "pip install 'watchkeeper[sqs]'"
        raise SourceError("the client for SQS is not installed", hint=hint) from error
    except AwsError as error:
        hint = "correct `queue`" if error.code.rpartition(".")[2] in _GONE else _ADVICE.hint(str(error))
        raise SourceError(f"SQS at {queue}: {error}", hint=hint) from error


def waiting_of(calls: AwsCalls, queue: str) -> int:
    """Messages of a queue that were not delivered, or not deleted. Delayed ones do not wait yet.

    Raises:
        SourceError: the queue cannot be asked.
    """
    names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    answer = call(calls, queue, "GetQueueAttributes", {"AttributeNames": list(names)})
    attributes: Any = answer.get("Attributes")
    try:
        return sum(int(attributes[name]) for name in names)
    except (KeyError, TypeError, ValueError) as error:
        raise SourceError(
            f"SQS at {queue} did not report the number of waiting messages", hint=_HINT
        ) from error


def _payload(message: Mapping[str, Any]) -> Payload:
    identifier = str(message.get("MessageId", ""))
    attributes = message.get("Attributes")
    sent = attributes.get("SentTimestamp") if isinstance(attributes, Mapping) else None
    return Payload(
        _body(str(message.get("Body") or "")).encode(errors="surrogatepass"),
        f"message {identifier[:100]}",
        key=identifier.encode(),
        sent_at=int(sent) / 1000 if isinstance(sent, str) and sent.isdigit() else None,
        headers=_headers(message.get("MessageAttributes")),
    )


def _body(text: str) -> str:
    """The message; that of a notification of SNS, which wraps it unless raw delivery is switched on."""
    if '"TopicArn"' not in text[:2000]:
        return text
    try:
        wrapped = json.loads(text)
    except (ValueError, RecursionError):
        return text
    is_notification = isinstance(wrapped, dict) and wrapped.get("Type") == "Notification"
    inner = wrapped.get("Message") if is_notification else None
    return inner if isinstance(inner, str) else text


def _headers(attributes: object) -> dict[str, str]:
    if not isinstance(attributes, Mapping):
        return {}
    texts = {
        str(name).lower(): one.get("StringValue")
        for name, one in attributes.items()
        if isinstance(one, Mapping)
    }
    return {name: text for name, text in texts.items() if isinstance(text, str)}
