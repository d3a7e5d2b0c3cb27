"""What is said to a channel: made when the decision is made, stored as JSON, rendered by each channel."""

from dataclasses import dataclass

import msgspec

from monitor.records import Action, Alert, Labels

MOST_MEMBERS = 50
"""How many members a group or storm lists by name; the others are counted."""


@dataclass(frozen=True, slots=True)
class Link:
    """Somewhere to go on."""

    text: str
    href: str


@dataclass(frozen=True, slots=True)
class Message:
    """A letter: what e-mail and chat send as it is, such as a digest. Its action is `message`.

    `to` and `headers` (name, value) are for e-mail; `blocks` are Slack's, as JSON; `text` stands alone without them.
    """

    subject: str
    text: str
    html: str = ""
    to: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    blocks: str = ""


@dataclass(frozen=True, slots=True)
class Notification:
    """One message, for any channel. Times are seconds since the epoch; figures carry their units.

    `sequence` counts what was said under the key: a second page tells what has changed since the first.
    """

    action: Action
    key: str
    severity: str
    title: str
    impact: str
    client: str
    model: str
    environment: str
    alert: str
    started_at: float
    value: str = ""
    limit: str = ""
    baseline: str = ""
    sample: str = ""
    reason: str = ""
    checks: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    members: tuple[str, ...] = ()
    count: int = 1
    ended_at: float | None = None
    labels: Labels = ()
    is_small: bool = False
    message: Message | None = None
    note: str = ""
    said_at: float = 0.0
    sequence: int = 1

    @property
    def is_update(self) -> bool:
        """A page that goes on from an earlier one."""
        return self.action is Action.TRIGGER and self.sequence > 1

    @property
    def source(self) -> str:
        """The stream, as one word."""
        return f"{self.client}/{self.model}/{self.environment}"


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Notification)


def encode(notification: Notification) -> bytes:
    """The body of an outbox row."""
    return _encoder.encode(notification)


def decode(body: bytes) -> Notification:
    """What an outbox row says."""
    return _decoder.decode(body)


def alert_labels(alert: Alert) -> dict[str, str]:
    """What matchers see of an alert."""
    return {
        **dict(alert.labels),
        **dict(alert.instance),
        **dict(alert.stream.labels),
        "alert": alert.rule,
        "severity": alert.severity.value,
    }


def one_line(alert: Alert) -> str:
    """An alert among others."""
    return alert.annotation("summary") or f"{alert.stream}: {alert.rule}: {alert.reason}"
