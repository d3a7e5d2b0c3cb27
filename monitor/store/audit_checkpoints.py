"""Checkpoints of the audit log: the end of each chain, signed with a key that is not in the database.

Whoever can write the database can recompute a chain, but cannot sign it, and cannot change the copies of checkpoints
that are outside. Retention deletes entries up to a checkpoint, which stays as the anchor of what follows.
"""

import hashlib
import hmac
from collections.abc import Iterable

import msgspec
from sqlalchemy import Connection, delete, func, select

from monitor.clock import iso
from monitor.store.audit import Checkpoint, checkpoints, end, entries
from monitor.store.rows import blob
from monitor.store.statements import insert_new


class Signer:
    """Signs checkpoints with HMAC-SHA256. Without a secret, they have no signature."""

    def __init__(self, secret: str = "") -> None:
        self._secret = secret.encode()
        self.key = hashlib.sha256(b"watchkeeper audit key" + self._secret).hexdigest()[:16] if secret else ""

    def signed(self, one: Checkpoint) -> Checkpoint:
        """The checkpoint with key and signature."""
        if not self._secret:
            return one
        return Checkpoint(one.client, one.sequence, one.hash, one.at, self.key, self._signature(one))

    def is_authentic(self, one: Checkpoint) -> bool:
        """Whether a checkpoint has the signature of this key."""
        return bool(self._secret) and hmac.compare_digest(one.signature, self._signature(one))

    def _signature(self, one: Checkpoint) -> bytes:
        content = [one.client, one.sequence, one.hash.hex(), round(one.at * 1e6)]
        return hmac.digest(self._secret, b"checkpoint 1" + msgspec.json.encode(content), hashlib.sha256)


def make(connection: Connection, signer: Signer, now: float) -> list[Checkpoint]:
    """Store a checkpoint of each chain that has grown since its last one, and return them."""
    made = []
    numbered = entries.c.sequence.is_not(None)
    chains = select(entries.c.client, func.max(entries.c.sequence)).where(numbered)
    signed = select(checkpoints.c.client, func.max(checkpoints.c.sequence)).group_by(checkpoints.c.client)
    known = {row[0]: row[1] for row in connection.execute(signed)}
    for client, last in connection.execute(chains.group_by(entries.c.client)).all():
        if last > known.get(client, 0):
            sequence, digest = end(connection, client)
            made.append(signer.signed(Checkpoint(client, sequence, digest, now)))
    _put(connection, made)
    return made


def delete_before(connection: Connection, moment: float, signer: Signer, now: float) -> int:
    """Delete the entries at the start of each chain that are older than `moment`; the number of rows. The last of them
    gets a checkpoint, the anchor of what remains.
    """
    c = entries.c
    deleted = connection.execute(delete(entries).where(c.at < moment, c.sequence.is_(None))).rowcount
    for client in connection.scalars(select(c.client).where(c.at < moment).distinct()).all():
        mine = (c.client == client, c.sequence.is_not(None))
        kept = connection.scalar(select(func.min(c.sequence)).where(*mine, c.at >= moment))
        old = mine if kept is None else (*mine, c.sequence < kept)
        last = connection.execute(
            select(c.sequence, c.hash).where(*old).order_by(c.sequence.desc()).limit(1)
        ).first()
        if last is None:
            continue
        _put(connection, [signer.signed(Checkpoint(client, last.sequence, blob(last.hash), now))])
        deleted += connection.execute(delete(entries).where(*old)).rowcount
        earlier = (checkpoints.c.client == client, checkpoints.c.sequence < last.sequence)
        connection.execute(delete(checkpoints).where(*earlier))
    return deleted


def of(connection: Connection, client: str) -> list[Checkpoint]:
    """The stored checkpoints of a chain, in order."""
    query = select(checkpoints).where(checkpoints.c.client == client).order_by(checkpoints.c.sequence)
    return [
        Checkpoint(row.client, row.sequence, blob(row.hash), row.at, row.key, blob(row.signature))
        for row in connection.execute(query)
    ]


def newest(connection: Connection) -> list[Checkpoint]:
    """The last checkpoint of each chain, by client."""
    clients = connection.scalars(select(checkpoints.c.client).distinct().order_by(checkpoints.c.client)).all()
    return [of(connection, client)[-1] for client in clients]


def line(one: Checkpoint) -> str:
    """A checkpoint as one line of JSON, for a file or a mail."""
    content = {
        "client": one.client,
        "sequence": one.sequence,
        "hash": one.hash.hex(),
        "at": iso(one.at),
        "microseconds": round(one.at * 1e6),
        "key": one.key,
        "signature": one.signature.hex(),
    }
    return msgspec.json.encode(content).decode()


def read_line(text: str) -> Checkpoint:
    """The checkpoint in such a line.

    Raises:
        ValueError: it is none.
    """
    try:
        content = msgspec.json.decode(text, type=dict)
        return Checkpoint(
            str(content["client"]),
            int(content["sequence"]),
            bytes.fromhex(content["hash"]),
            int(content["microseconds"]) / 1e6,
            str(content["key"]),
            bytes.fromhex(content["signature"]),
        )
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"not a checkpoint: {error}") from error


def _put(connection: Connection, made: Iterable[Checkpoint]) -> None:
    names = [column.name for column in checkpoints.columns]
    rows = [{name: getattr(one, name) for name in names} for one in made]
    insert_new(connection, checkpoints, rows, ("sequence",))
