"""Updates on incidents that the delivery lead writes for the client: on the page, in digests and in reports."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from monitor.errors import InputError, NotFoundError
from monitor.health.model_state import ClientIncident
from monitor.store import advisory_locks, audit, incident_notes
from monitor.store.audit import AuditEntry
from monitor.store.incident_notes import IncidentNote
from monitor.text_limits import storable
from monitor.visible import counted, one_line

SENT_AGAIN_WITHIN = 10.0
"""Seconds in which the same update of the same author is the one that was sent before."""
_LATER = 1e-6
LONGEST = 1000
"""Characters of one update."""
_LIST = "watchkeeper incident list CLIENT"


def checked(text: str) -> str:
    """An update on one line, without characters that cannot be seen.

    Raises:
        InputError: it is empty, or longer than `LONGEST` characters.
    """
    written = one_line(storable(text))
    if not written:
        raise InputError("the update is empty", hint="write what happened, and what is being done about it")
    if len(written) > LONGEST:
        raise InputError(f"the update has {len(written):,} characters, more than {LONGEST:,}")
    return written


def named(incidents: Iterable[ClientIncident], word: str) -> ClientIncident:
    """The incident that is meant: by its id, or by `client/model/rule`, the ongoing or else the newest one.

    Raises:
        NotFoundError: there is none.
        InputError: several are ongoing.
    """
    matching = [one for one in incidents if word in (one.id, *_paths(one))]
    chosen = [one for one in matching if one.ended is None] or sorted(matching, key=lambda one: -one.started)[
        :1
    ]
    if not chosen:
        raise NotFoundError(
            f"no incident of the last 30 days matches {word!r}", hint=f"list incidents: {_LIST}"
        )
    if len(chosen) > 1:
        ids = ", ".join(one.id for one in chosen)
        raise InputError(
            f"{counted(len(chosen), 'ongoing incident')} match {word!r}", hint=f"use the id of one: {ids}"
        )
    return chosen[0]


def _paths(one: ClientIncident) -> tuple[str, str]:
    stream = one.stream
    return f"{stream.client}/{stream.model}/{one.rule}", f"{stream}/{one.rule}"


def write(
    connection: Connection, incident: ClientIncident, text: str, *, author: str, address: str, now: float
) -> IncidentNote:
    """Store an update on an incident, with its entry in the audit log. The same one, sent twice within seconds, is
    stored once.

    Raises:
        InputError: the text is empty or too long.
    """
    client, started = incident.stream.client, int(incident.started)
    note = IncidentNote(incident.fingerprint, started, now, client, one_line(author)[:256], checked(text))
    advisory_locks.lock(connection, "incident notes", client)
    for one in incident_notes.of_client(connection, client):
        if abs(now - one.at) < SENT_AGAIN_WITHIN and replace(one, at=now) == note:
            return one
    while not incident_notes.add(connection, note):  # another one was written at this moment
        note = replace(note, at=note.at + _LATER)
    _audited(connection, note.author, address, client, f"note on {incident.id}: {note.text}", now)
    return note


def withdraw(
    connection: Connection, client: str, identity: str, *, author: str, address: str, now: float
) -> None:
    """Take an update back, with an entry in the audit log.

    Raises:
        NotFoundError: there is no such update, or it is withdrawn already.
    """
    if not incident_notes.withdraw(connection, client, identity, now):
        raise NotFoundError(f"no update {identity!r} is shown", hint=f"list incidents and updates: {_LIST}")
    _audited(connection, one_line(author)[:256], address, client, f"withdraw note {identity}", now)


def by_incident(notes: Sequence[IncidentNote]) -> dict[tuple[str, int], tuple[IncidentNote, ...]]:
    """Notes by alert and start, oldest first."""
    grouped: dict[tuple[str, int], tuple[IncidentNote, ...]] = {}
    for note in notes:
        key = (note.fingerprint, note.started)
        grouped[key] = (*grouped.get(key, ()), note)
    return grouped


def _audited(connection: Connection, who: str, address: str, client: str, what: str, now: float) -> None:
    audit.add(connection, [AuditEntry(now, who, address[:64], "change", client, what[:512], 200)])
