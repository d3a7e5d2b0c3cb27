"""A notification: composed once, stored in the outbox as JSON, rendered by each channel."""

from dataclasses import dataclass, replace
from typing import Any

import msgspec

from monitor.records import Action, Alert, Labels
from monitor.visible import one_line

MOST_MEMBERS = 50
"""How many members a group or storm lists by name; the others are counted."""
_TEXTS = (
    "title", "impact", "client", "model", "environment", "alert", "value", "limit", "baseline", "sample", "reason",
    "note", "worst",
)  # fmt: skip
_LISTS = ("checks", "members", "causes", "commands")


@dataclass(frozen=True, slots=True)
class Link:
    """A link: its text and its address."""

    text: str
    href: str


@dataclass(frozen=True, slots=True)
class Enclosure:
    """A file in a mail. With `is_inline` it is a picture that the HTML shows as `cid:` and its name."""

    name: str
    kind: str
    content: bytes
    is_inline: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """A ready text for email and chat, such as a digest. The action of its notification is `message`.

    `to`, `headers` (name, value) and `files` are for email; `blocks` are Slack blocks as JSON; `text` is complete
    without them. The `kind` of a file is a media type such as `image/png`.
    """

    subject: str
    text: str
    html: str = ""
    to: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    blocks: str = ""
    files: tuple[Enclosure, ...] = ()


@dataclass(frozen=True, slots=True)
class Notification:
    """One notification, for any channel. Times are seconds since the epoch; figures are texts with units.

    `sequence` numbers the notifications of a key from 1; a later trigger is an update of the first. `said_at` is when
    it was composed. `is_small` asks channels for the shortest form. At the end, `value` is the figure of that moment
    and `worst` the one furthest beyond the limit. `causes` are possible causes, the likeliest first; `commands` are
    first checks that can be pasted into a shell, `checks` those that a person makes.
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
    worst: str = ""
    causes: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()

    @property
    def is_update(self) -> bool:
        """Whether this is an update of an earlier page."""
        return self.action is Action.TRIGGER and self.sequence > 1

    @property
    def source(self) -> str:
        """The stream as `client/model/environment`."""
        return f"{self.client}/{self.model}/{self.environment}"


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Notification)


def encode(notification: Notification) -> bytes:
    """Encode for the outbox. Lone surrogates, which JSON cannot hold, become question marks."""
    try:
        return _encoder.encode(notification)
    except UnicodeEncodeError:
        return _encoder.encode(_readable(msgspec.to_builtins(notification)))


def legible(notification: Notification) -> Notification:
    """The notification without lone surrogates, so that any encoder accepts it."""
    try:
        _encoder.encode(notification)
    except UnicodeEncodeError:
        return decode(encode(notification))
    return notification


def printable(notification: Notification) -> Notification:
    """As `legible`, with each text on one line of what can be shown. Keys, labels and addresses stay."""
    notification = legible(notification)
    shown: dict[str, Any] = {name: one_line(getattr(notification, name)) for name in _TEXTS}
    shown |= {name: tuple(map(one_line, getattr(notification, name))) for name in _LISTS}
    shown["links"] = tuple(Link(one_line(link.text), link.href) for link in notification.links)
    return replace(notification, **shown)


def _readable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_readable(name): _readable(inner) for name, inner in value.items()}
    return [_readable(inner) for inner in value] if isinstance(value, list | tuple) else value


def decode(body: bytes) -> Notification:
    """Decode the body of an outbox row.

    Raises:
        msgspec.MsgspecError: it is not a notification.
    """
    return _decoder.decode(body)


def alert_labels(alert: Alert) -> dict[str, str]:
    """The labels that matchers of routes, silences and inhibitions can use."""
    return {
        **dict(alert.labels),
        **dict(alert.instance),
        **dict(alert.stream.labels),
        "alert": alert.rule,
        "severity": alert.severity.value,
    }
