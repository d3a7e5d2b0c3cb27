"""Ready mails as deliveries of the outbox. They go out after every page: none must delay an alert."""

from monitor.alerts.dedup_key import fitted
from monitor.alerts.notification import Message, Notification, encode
from monitor.records import Action, Delivery, Priority

EMAIL = "email"


def mailing(channel: str, key: str, client: str, message: Message, verdict: str, now: float) -> Delivery:
    """The delivery of a ready message. Two with one key are one."""
    key = fitted(key)
    notification = Notification(
        Action.MESSAGE, key, "info", message.subject, verdict, client, "", "", "Digest", now, message=message
    )
    return Delivery(channel, key, 1, Action.MESSAGE, encode(notification), now, Priority.LAST)


def list_headers(name: str, title: str, unsubscribe: str) -> tuple[tuple[str, str], ...]:
    """The headers of a mail to a list: its id, and how to leave it by one click (RFC 8058) if the address is https."""
    headers = [("List-Id", f"{title} <{name}>"), ("Auto-Submitted", "auto-generated")]
    if unsubscribe:
        headers.append(("List-Unsubscribe", f"<{unsubscribe}>"))
    if unsubscribe.startswith("https://"):
        headers.append(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
    return tuple(headers)
