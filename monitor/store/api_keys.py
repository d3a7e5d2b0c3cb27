"""API keys. Only a hash of a key is stored; the key itself is shown once, when it is created."""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from sqlalchemy import Column, Connection, Float, LargeBinary, Row, String, Table, Text, select, update

from monitor.errors import InputError
from monitor.store.db import faults_of, metadata
from monitor.store.rows import blob, moment, words
from monitor.store.statements import insert_new
from monitor.text_limits import NAME, flaw_of_name

KEYS = Table(
    "api_keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("client", String, nullable=False),
    Column("name", String, nullable=False),
    Column("hash", LargeBinary(32), nullable=False, unique=True),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=True),
    Column("revoked_at", Float, nullable=True),
    Column("last_used_at", Float, nullable=True),
    Column("role", String(16), nullable=False, server_default=""),
    Column("models", Text, nullable=False, server_default=""),
    Column("addresses", Text, nullable=False, server_default=""),
)
ROLES = ("viewer", "operator", "admin")
"""Roles of staff, each with what those before it may."""


_NAME_HINT = f"use 1 to {NAME} visible characters and no slash"


class KeyKind(StrEnum):
    """What a key is for."""

    INGEST = "ingest"
    PAGE = "page"
    METRICS = "metrics"
    STAFF = "staff"
    SITE = "site"


@dataclass(frozen=True, slots=True)
class Key:
    """An API key without its secret. `client` is empty for a key that is not bound to a client.

    `role` is that of a staff key. A key of the ingest may be bound to `models`, and every key to `addresses` (networks
    in CIDR notation); empty means any.
    """

    id: str
    kind: KeyKind
    client: str
    name: str
    hash: bytes
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None
    last_used_at: float | None = None
    role: str = ""
    models: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()

    def is_valid(self, now: float) -> bool:
        """Whether the key is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def is_usable_from(self, address: str) -> bool:
        """Whether the key may be used from an address. IPv4 in IPv6 counts as IPv4."""
        if not self.addresses:
            return True
        try:
            peer = ip_address(address)
        except ValueError:
            return False
        if isinstance(peer, IPv6Address) and peer.ipv4_mapped is not None:
            peer = peer.ipv4_mapped
        return any(peer in ip_network(network) for network in self.addresses)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a new key is limited to: the role of a staff key, models, and networks. Empty means admin, all, and any."""

    role: str = ""
    models: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


def bounds(kind: KeyKind, role: str, models: Sequence[str], addresses: Sequence[str]) -> Bounds:
    """The checked bounds of a key.

    Raises:
        InputError: a role, model or address is invalid, or not of this kind of key.
    """
    if role and (kind is not KeyKind.STAFF or role not in ROLES):
        raise InputError(
            f"a key of kind {kind} cannot have the role {role!r}", hint=f"staff keys: {', '.join(ROLES)}"
        )
    if models and kind is not KeyKind.INGEST:
        raise InputError(f"a key of kind {kind} cannot be bound to models", hint="only ingest keys can")
    for model in models:
        if flaw := flaw_of_name(model):
            raise InputError(f"the model of a key {flaw}", hint=_NAME_HINT)
        if "\n" in model:
            raise InputError("the model of a key has a line break")
    networks = []
    for address in addresses:
        try:
            networks.append(str(ip_network(address.strip(), strict=False)))
        except ValueError as error:
            hint = "use an address or a network: 10.0.0.8, 10.0.0.0/24, 2001:db8::/32"
            raise InputError(f"{address!r} is not an IP address", hint=hint) from error
    if kind is KeyKind.STAFF:
        role = role or ROLES[-1]
    return Bounds(role, tuple(models), tuple(networks))


def digest(token: str) -> bytes:
    """The SHA-256 of a key, which is stored in its place. A key is 256 random bits, so it needs no slow hash."""
    return hashlib.sha256(token.encode()).digest()


def create(
    connection: Connection,
    kind: KeyKind,
    client: str,
    now: float,
    *,
    name: str = "",
    expires_at: float | None = None,
    bound: Bounds | None = None,
    identity: str = "",
) -> tuple[Key, str]:
    """Create a key, and return it with its secret, which is not stored. `identity` is its id, by default a random one.

    Raises:
        InputError: the name of the client or of the key is invalid, or there is a key with this id.
    """
    for subject, text in (("client", client), ("name", name)):
        if text and (flaw := flaw_of_name(text)):
            raise InputError(f"the {subject} of a key {flaw}", hint=_NAME_HINT)
    token = "wk_" + secrets.token_urlsafe(32)
    bound = bound or bounds(kind, "", (), ())
    limits = bound.role, bound.models, bound.addresses
    key = Key(
        identity or secrets.token_hex(6),
        kind,
        client,
        name,
        digest(token),
        now,
        expires_at,
        None,
        None,
        *limits,
    )
    row = {column.name: getattr(key, column.name) for column in KEYS.columns}
    lists = {"models": "\n".join(key.models), "addresses": "\n".join(key.addresses)}
    if not insert_new(connection, KEYS, [row | {"kind": kind.value} | lists], ("id",)):
        hint = "its secret was shown after the first submission; if you lost it, revoke the key and create another"
        raise InputError(f"the key {key.id} already exists", hint=hint)
    return key, token


def keys(connection: Connection) -> list[Key]:
    """Every key, including revoked and expired ones, oldest first."""
    faults, readable = faults_of(connection), []
    for row in connection.execute(select(KEYS).order_by(KEYS.c.created_at, KEYS.c.id)):
        with faults.isolate("api_keys", str(row.id)):
            readable.append(_key(row))
    return readable


def find(connection: Connection, id: str) -> Key | None:  # noqa: A002 - the column's name
    """One key by its id."""
    row = connection.execute(select(KEYS).where(KEYS.c.id == id)).first()
    return None if row is None else _key(row)


def revoke(connection: Connection, id: str, now: float) -> bool:  # noqa: A002 - the column's name
    """Revoke a key; False if there is no such key, or it was revoked before."""
    mine = (KEYS.c.id == id, KEYS.c.revoked_at.is_(None))
    return connection.execute(update(KEYS).where(*mine).values(revoked_at=now)).rowcount > 0


def mark_used(connection: Connection, used: Mapping[str, float]) -> None:
    """Store when keys were last used: key id to seconds since the epoch."""
    for identity, at in used.items():
        connection.execute(update(KEYS).where(KEYS.c.id == identity).values(last_used_at=at))


def _key(row: Row[Any]) -> Key:
    expires, revoked, used = (
        None if at is None else moment(at) for at in (row.expires_at, row.revoked_at, row.last_used_at)
    )
    texts = words(row.client), words(row.name)
    role = words(row.role) or (ROLES[-1] if row.kind == KeyKind.STAFF else "")
    if role not in ("", *ROLES):
        raise ValueError(f"{role!r} is not a role")
    return Key(
        words(row.id),
        KeyKind(row.kind),
        *texts,
        blob(row.hash),
        moment(row.created_at),
        expires,
        revoked,
        used,
        role,
        tuple(words(row.models).split("\n")) if row.models else (),
        tuple(str(ip_network(one)) for one in words(row.addresses).split()),
    )
