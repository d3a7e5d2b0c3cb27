"""Marks of what runs may lack because it could not wait until their end.

They are rows beside those of waiting spans, so that all daemons on a database see them, and are deleted when these are.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from monitor.sources.otlp.agents.agent_span import AgentSpan
from monitor.sources.otlp.agents.waiting_content import WaitingContent, digest, encoded, read_content
from monitor.store import uptime, waiting_runs
from monitor.store.waiting_runs import WaitingSpans


@dataclass
class IncompleteRuns:
    """What runs may lack.

    `listened`: when daemons did. `deleted`: until when spans of a client were received that are deleted, in ns. `full`:
    the clients that have too many marks for more.
    """

    listened: Sequence[tuple[float, float]]
    deleted: dict[str, int]
    full: Collection[str]

    def mark(self, row: WaitingSpans, service: str, agent: AgentSpan, now: float) -> WaitingSpans:
        """The mark that a run was stored, although it may belong to one that goes on. If there is no room for it, it is
        that all runs which began before may lack something.
        """
        if row.client in self.full:
            until = self.deleted[row.client] = max(self.deleted.get(row.client, 0), agent.start + 1)
            return eviction_mark(row.client, until / 1e9, now)
        part = digest("early", agent.id.encode())[:16]
        return _mark(row.trace, part, row.client, service, agent.start, now)


def lacking_of(connection: Connection, clients: Collection[str], since: float, most: int) -> IncompleteRuns:
    """What runs of these clients may lack that began after `since`. A client may have `most` marks."""
    by_key = {_room_of(client): client for client in clients}
    deleted: dict[str, int] = {}
    for row in waiting_runs.of_traces(connection, by_key):
        if (content := read_content(row)) is not None:
            deleted[by_key[row.trace]] = max(content.early, default=0)
    full = {client for client in clients if waiting_runs.marks_of(connection, client) >= most}
    return IncompleteRuns(uptime.load(connection, since), deleted, full)


def eviction_mark(client: str, youngest: float, now: float) -> WaitingSpans:
    """The mark that spans of a client were deleted, received until `youngest`, in seconds since the epoch."""
    return _mark(_room_of(client), "room", client, "", round(youngest * 1e9), now)


def put_marks(connection: Connection, marks: Iterable[WaitingSpans]) -> None:
    """Store marks, in the place of those that have the same keys."""
    newest = list({(mark.trace, mark.part): mark for mark in marks}.values())
    waiting_runs.take(connection, newest)
    waiting_runs.put(connection, newest)


def is_in_part(agent: AgentSpan, service: str, loose: Iterable[tuple[str, int]], deleted: int) -> bool:
    """Whether a run may lack something: it began before spans of its client were deleted, or an agent began during it
    that may belong to it. `loose`: the services and starts of such agents of its trace, in ns.
    """
    starts = (start for of, start in loose if of == service)
    return agent.start < deleted or any(agent.start <= start <= agent.end for start in starts)


def _room_of(client: str) -> str:
    return digest("room", client.encode(errors="replace"))[:40]


def _mark(trace: str, part: str, client: str, service: str, at: int, now: float) -> WaitingSpans:
    content = WaitingContent(service, "", (), 0.0, is_cut=False, spans=[], early=(at,))
    return WaitingSpans(trace, part, client, now, None, encoded(content), is_mark=True)
