"""Verifies the audit log: which entry of which chain was changed, removed or inserted first."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from monitor.clock import iso
from monitor.store import audit_checkpoints
from monitor.store.audit import FIRST_HASH, ChainedEntry, Checkpoint, checkpoints, entries, hash_of, link_of
from monitor.store.audit_checkpoints import Signer

_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class ChainCheck:
    """What was found of one chain: the number of its entries, and what is wrong first; empty if nothing is.

    `signed_until` is the number up to which a checkpoint with a valid signature vouches for it, `foreign_until` that of
    the last one which another key has signed.
    """

    client: str
    entries: int
    problem: str = ""
    signed_until: int = 0
    foreign_until: int = 0


def verify(connection: Connection, signer: Signer, outside: Iterable[Checkpoint] = ()) -> list[ChainCheck]:
    """Verify every chain, also against copies of checkpoints from `outside` the database."""
    copies = list(outside)
    clients = set(connection.scalars(select(entries.c.client).distinct()))
    clients |= set(connection.scalars(select(checkpoints.c.client).distinct())) | {
        copy.client for copy in copies
    }
    return [
        _verify(connection, client, signer, [copy for copy in copies if copy.client == client])
        for client in sorted(clients)
    ]


def _verify(connection: Connection, client: str, signer: Signer, copies: Sequence[Checkpoint]) -> ChainCheck:
    stored = audit_checkpoints.of(connection, client)
    hashes = dict[int, bytes]()
    wanted = {one.sequence for one in (*stored, *copies)}
    count, problem, last = 0, _unnumbered(connection, client), None
    for link in _chain(connection, client):
        sequence = link if isinstance(link, str) else link.sequence
        if isinstance(link, str):
            problem = problem or link
            break
        assert isinstance(sequence, int)
        problem = problem or _break(link, sequence, last, stored)
        last, count = (sequence, link.hash), count + 1
        if sequence in wanted:
            hashes[sequence] = link.hash
    first = last[0] - count + 1 if last else None
    for one in (*stored, *copies):
        problem = problem or _contradiction(one, signer, hashes, first, last[0] if last else 0, stored)
    authentic = [one.sequence for one in (*stored, *copies) if signer.is_authentic(one)]
    foreign = [one.sequence for one in (*stored, *copies) if one.signature and one.key != signer.key]
    return ChainCheck(client, count, problem, max(authentic, default=0), max(foreign, default=0))


def _chain(connection: Connection, client: str) -> Iterator[ChainedEntry | str]:
    """The entries of a chain in order; instead of one that cannot be read, what is wrong with it."""
    query = select(entries).where(entries.c.client == client, entries.c.sequence.is_not(None))
    for row in connection.execute(query.order_by(entries.c.sequence)).yield_per(_AT_ONCE):
        try:
            yield link_of(row)
        except (ValueError, TypeError) as error:
            yield f"entry {row.sequence} was changed: {error}"
            return


def _break(
    link: ChainedEntry, sequence: int, last: tuple[int, bytes] | None, stored: Sequence[Checkpoint]
) -> str:
    """What is wrong with an entry behind the `last` one, given as number and hash."""
    if last is None:
        anchors = {one.sequence: one.hash for one in stored} | {0: FIRST_HASH}
        if sequence - 1 not in anchors:
            return f"the entries before entry {sequence} were removed"
        last = (sequence - 1, anchors[sequence - 1])
    if sequence != last[0] + 1:
        return f"entry {last[0] + 1} was removed"
    if link.hash != hash_of(link.entry, sequence, last[1]):
        return f"entry {sequence} of {iso(link.entry.at)} was changed or inserted"
    return ""


def _contradiction(
    one: Checkpoint,
    signer: Signer,
    hashes: dict[int, bytes],
    first: int | None,
    last: int,
    stored: Sequence[Checkpoint],
) -> str:
    """What a checkpoint says against the chain from `first` to `last`."""
    if one.key == signer.key and signer.key and not signer.is_authentic(one):
        return f"the checkpoint at entry {one.sequence} of {iso(one.at)} is forged"
    anchor = max((known.sequence for known in stored), default=0) if first is None else first - 1
    if one.sequence > max(last, anchor):
        return f"entry {last + 1} was removed: the checkpoint of {iso(one.at)} knows {one.sequence} entries"
    if first is not None and one.sequence >= first and hashes.get(one.sequence) != one.hash:
        return f"an entry up to {one.sequence} was changed after the checkpoint of {iso(one.at)}"
    return ""


def _unnumbered(connection: Connection, client: str) -> str:
    """What is wrong with entries that have no number: only those from before chains may have none."""
    c = entries.c
    began = connection.scalar(select(func.min(c.id)).where(c.sequence.is_not(None)))
    late = select(func.min(c.id)).where(c.client == client, c.sequence.is_(None), c.id > (began or 2**62))
    row = connection.scalar(late)
    return f"row {row} was inserted: it has no place in the chain" if row is not None else ""
