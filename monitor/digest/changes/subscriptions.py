"""Subscribing to changes: an address is asked for on the page, confirmed by a link in a mail, and left by another.

A link names a subscription by its token and is signed with its secret; the one for confirming is also signed with the
time of the request, so that an old link does not subscribe an address that has left.
"""

import hashlib
import hmac
import re
from typing import Literal

from sqlalchemy import Connection

from monitor.alerts.notification import Message
from monitor.config.units import DAY, HOUR
from monitor.digest.email_delivery import EMAIL, list_headers, mailing
from monitor.errors import InputError
from monitor.store import change_subscriptions, outbox
from monitor.store.change_subscriptions import Subscription
from monitor.text_limits import shortened

Purpose = Literal["confirm", "leave"]
CONFIRM_WITHIN = 2 * DAY
_AGAIN_AFTER = float(HOUR)
"""Seconds between two mails that ask one address for its confirmation."""
_MOST_UNCONFIRMED = 100
_LONGEST_ADDRESS = 254
_PART = r"[^\s@<>(),;:\\\"\[\]]+"
_ADDRESS = re.compile(rf"{_PART}@{_PART}")


def checked(address: str) -> str:
    """An address as it is stored: lower case, without spaces around it.

    Raises:
        InputError: it is not one.
    """
    plain = address.strip().lower()
    if len(plain) > _LONGEST_ADDRESS or not plain.isprintable() or _ADDRESS.fullmatch(plain) is None:
        raise InputError(
            f"{shortened(plain)!r} is not an email address", hint="use one like name@example.org"
        )
    return plain


def ask(connection: Connection, client: str, name: str, address: str, public_url: str, now: float) -> bool:
    """Send a mail that asks the address for its confirmation; False if none is due.

    Raises:
        InputError: it is not an address, or too many of this client wait for their confirmation.
    """
    address = checked(address)
    if change_subscriptions.unconfirmed(connection, client) >= _MOST_UNCONFIRMED:
        raise InputError(
            "too many addresses wait for their confirmation",
            hint="try again in a few days, or ask your contact",
        )
    one = change_subscriptions.ask(connection, client, address, now, _AGAIN_AFTER)
    if one is None:
        return False
    subject = f"{name}: confirm that you want emails about changes"
    text = (
        f"Someone, probably you, asked us to email {address} when the state of a model of {name} changes or an "
        f"incident is updated.\n\nTo confirm, open this page within two days:\n"
        f"{link(one, 'confirm', public_url)}\n\nIf it was not you, ignore this email: we will not write again.\n"
    )
    message = Message(subject, text, to=(address,), headers=(("Auto-Submitted", "auto-generated"),))
    key = f"changes/{client}/confirm/{int(now)}/{address}"
    outbox.add(connection, [mailing(EMAIL, key, client, message, subject, now)])
    return True


def opened(connection: Connection, purpose: Purpose, carried: str, now: float) -> Subscription | None:
    """The subscription that a link is about; None if it was not signed here, or came too late to confirm."""
    token, _, signature = carried.partition(".")
    one = change_subscriptions.by_token(connection, token)
    if one is None or not hmac.compare_digest(
        _signature(one, purpose).encode(), signature.encode("utf-8", "replace")
    ):
        return None
    is_late = purpose == "confirm" and (now > one.asked_at + CONFIRM_WITHIN or one.left_at is not None)
    return None if is_late else one


def link(one: Subscription, purpose: Purpose, public_url: str) -> str:
    """The address of the page for confirming or leaving."""
    return f"{public_url.rstrip('/')}/changes/{purpose}/{one.token}.{_signature(one, purpose)}"


def headers(one: Subscription, public_url: str) -> tuple[tuple[str, str], ...]:
    """The headers of a mail about changes."""
    title = f"Watchkeeper changes of {one.client}"
    return list_headers(f"{one.client}.changes.watchkeeper", title, link(one, "leave", public_url))


def _signature(one: Subscription, purpose: Purpose) -> str:
    asked = f"{one.asked_at!r}" if purpose == "confirm" else ""
    signed = "\n".join((purpose, one.client, one.address, asked))
    return hmac.new(one.secret.encode(), signed.encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:32]
