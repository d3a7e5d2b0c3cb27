"""Who is notified of changes on a client's page by mail. Natural key: client and address.

A row is made when somebody asks, counts once the address was confirmed, and is deleted some time after it has left or
was never confirmed. `told` is the state in the last mail, so that the next one is about what has changed since.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Float, String, Table, Text, delete, func, or_, select, update

from monitor.store.db import faults_of, metadata
from monitor.store.rows import moment, words
from monitor.store.statements import insert_new
from monitor.text_limits import NAME

SUBSCRIPTIONS = Table(
    "change_subscriptions",
    metadata,
    Column("client", String(NAME), primary_key=True),
    Column("address", String(320), primary_key=True),
    Column("token", String(64), nullable=False, unique=True),
    Column("secret", String(64), nullable=False),
    Column("asked_at", Float, nullable=False),
    Column("confirmed_at", Float),
    Column("left_at", Float),
    Column("told", Text, nullable=False),
    Column("told_at", Float),
)


@dataclass(frozen=True, slots=True)
class Subscription:
    """One reader's subscription to a client's changes. `token` names it in links, `secret` signs them."""

    client: str
    address: str
    token: str
    secret: str
    asked_at: float
    confirmed_at: float | None = None
    left_at: float | None = None
    told: str = ""
    told_at: float | None = None

    @property
    def is_active(self) -> bool:
        """Whether the address receives mails about changes."""
        return self.confirmed_at is not None and self.left_at is None


def ask(
    connection: Connection, client: str, address: str, now: float, again_after: float
) -> Subscription | None:
    """Somebody subscribes with this address; None if it is subscribed, or was asked for within `again_after`."""
    row = {
        "client": client,
        "address": address,
        "token": secrets.token_urlsafe(24),
        "secret": secrets.token_urlsafe(32),
        "asked_at": now,
        "told": "",
    }
    own = _own(client, address)
    if not insert_new(connection, SUBSCRIPTIONS, [row], ("client",)):
        columns = SUBSCRIPTIONS.c
        again = update(SUBSCRIPTIONS).where(
            *own,
            or_(columns.left_at.is_not(None), columns.confirmed_at.is_(None)),
            columns.asked_at <= now - again_after,
        )
        changes = {"asked_at": now, "confirmed_at": None, "left_at": None, "told": "", "told_at": None}
        if not connection.execute(again.values(**changes)).rowcount:
            return None
    return _read(connection.execute(select(SUBSCRIPTIONS).where(*own)).one())


def by_token(connection: Connection, token: str) -> Subscription | None:
    """The subscription with this token; None for an unknown one."""
    row = connection.execute(select(SUBSCRIPTIONS).where(SUBSCRIPTIONS.c.token == token)).first()
    return None if row is None else _read(row)


def confirm(connection: Connection, one: Subscription, now: float) -> bool:
    """The reader has confirmed the address; False if they had before."""
    mine = update(SUBSCRIPTIONS).where(*_own(one.client, one.address), SUBSCRIPTIONS.c.confirmed_at.is_(None))
    return connection.execute(mine.values(confirmed_at=now)).rowcount > 0


def leave(connection: Connection, one: Subscription, now: float) -> bool:
    """The reader unsubscribes; False if they had left before."""
    mine = update(SUBSCRIPTIONS).where(*_own(one.client, one.address), SUBSCRIPTIONS.c.left_at.is_(None))
    return connection.execute(mine.values(left_at=now)).rowcount > 0


def unconfirmed(connection: Connection, client: str) -> int:
    """How many addresses of a client wait for their confirmation."""
    waiting = (SUBSCRIPTIONS.c.client == client, SUBSCRIPTIONS.c.confirmed_at.is_(None))
    return int(connection.scalar(select(func.count()).select_from(SUBSCRIPTIONS).where(*waiting)) or 0)


def active(connection: Connection, clients: Sequence[str] = ()) -> dict[str, list[Subscription]]:
    """The confirmed subscriptions, by client; of all clients if none is named."""
    query = select(SUBSCRIPTIONS).where(
        SUBSCRIPTIONS.c.confirmed_at.is_not(None), SUBSCRIPTIONS.c.left_at.is_(None)
    )
    if clients:
        query = query.where(SUBSCRIPTIONS.c.client.in_(clients))
    faults, readers = faults_of(connection), dict[str, list[Subscription]]()
    for row in connection.execute(query.order_by(SUBSCRIPTIONS.c.client, SUBSCRIPTIONS.c.address)):
        with faults.isolate("change_subscriptions", f"{row.client} {row.address}"):
            one = _read(row)
            readers.setdefault(one.client, []).append(one)
    return readers


def count(connection: Connection, client: str = "", part: str = "") -> int:
    """How many addresses subscribe or wait for their confirmation; of one client, and with a part of the address."""
    query = select(func.count()).select_from(SUBSCRIPTIONS).where(*_present(client, part))
    return int(connection.scalar(query) or 0)


def find(connection: Connection, client: str, part: str, offset: int, most: int) -> list[Subscription]:
    """Those that `count` counts, by client and address; a damaged row is left out."""
    columns = SUBSCRIPTIONS.c
    query = select(SUBSCRIPTIONS).where(*_present(client, part)).order_by(columns.client, columns.address)
    faults, subscriptions = faults_of(connection), list[Subscription]()
    for row in connection.execute(query.offset(offset).limit(most)):
        with faults.isolate("change_subscriptions", f"{row.client} {row.address}"):
            subscriptions.append(_read(row))
    return subscriptions


def remove(connection: Connection, client: str, address: str) -> bool:
    """Delete a subscription; False if there is none. The reader may subscribe again."""
    return connection.execute(delete(SUBSCRIPTIONS).where(*_own(client, address))).rowcount > 0


def tell(connection: Connection, one: Subscription, told: str, now: float | None) -> bool:
    """Keep what was told, and when a mail was sent; False if another process was first, or the reader has left."""
    mine = update(SUBSCRIPTIONS).where(
        *_own(one.client, one.address), SUBSCRIPTIONS.c.told == one.told, SUBSCRIPTIONS.c.left_at.is_(None)
    )
    values: dict[str, Any] = {"told": told} if now is None else {"told": told, "told_at": now}
    return connection.execute(mine.values(**values)).rowcount > 0


def delete_before(connection: Connection, before: float) -> int:
    """Delete those that have left, or were asked for and never confirmed, before a time; how many there were."""
    columns = SUBSCRIPTIONS.c
    never = columns.confirmed_at.is_(None) & (columns.asked_at < before)
    return connection.execute(delete(SUBSCRIPTIONS).where(or_(never, columns.left_at < before))).rowcount


def _present(client: str, part: str) -> list[Any]:
    columns = SUBSCRIPTIONS.c
    wanted: list[Any] = [columns.left_at.is_(None)]
    wanted += [columns.client == client] if client else []
    return wanted + ([columns.address.contains(part.lower(), autoescape=True)] if part else [])


def _own(client: str, address: str) -> tuple[Any, ...]:
    return (SUBSCRIPTIONS.c.client == client, SUBSCRIPTIONS.c.address == address)


def _read(row: Any) -> Subscription:
    return Subscription(
        words(row.client),
        words(row.address),
        words(row.token),
        words(row.secret),
        moment(row.asked_at),
        _optional(row.confirmed_at),
        _optional(row.left_at),
        words(row.told),
        _optional(row.told_at),
    )


def _optional(at: Any) -> float | None:
    return None if at is None else moment(at)
