"""Reads from the store what staff read of clients: for the API, and for commands that have no daemon to ask."""

from collections.abc import Callable, Iterable

from sqlalchemy import Connection

from monitor.alerts.inhibition import suppressed
from monitor.alerts.settings import AlertSettings
from monitor.clock import iso
from monitor.health import client_state
from monitor.health.model_state import ClientIncident
from monitor.health.settings import ClientSettings
from monitor.status import Configured, StatusAnswer, answer, overview
from monitor.store import alerts as stored_alerts
from monitor.store import quarantine as stored_records
from monitor.store import silences
from monitor.store.quarantine import Quarantined
from monitor.web.api import schemas
from monitor.web.api.schemas import AlertAnswer
from monitor.web.api.staff.staff_schemas import (
    QuarantineAnswer,
    RejectedAnswer,
    RejectionsAnswer,
    StaffIncidentAnswer,
    StaffNoteAnswer,
)


def states(
    connection: Connection, now: float, base_seconds: int, configured: Configured, client: str
) -> list[StatusAnswer]:
    """The state of every model of a client, or of all, worst first."""
    return [answer(line) for line in overview(connection, base_seconds, now, client, configured)]


def alerts(
    connection: Connection, now: float, settings: AlertSettings, client: str, *, resolved: bool = False
) -> list[AlertAnswer]:
    """The open alerts of a client, or of all, most severe first; with those that are `resolved`, in any order."""
    firing = stored_alerts.load_open(connection)
    reasons = suppressed(firing, silences.load(connection, now), now, settings)
    chosen = stored_alerts.load(connection).values() if resolved else firing
    return [
        schemas.alert(one, reasons.get(one.fingerprint, ""))
        for one in chosen
        if client in ("", one.stream.client)
    ]


def incidents(
    connection: Connection, now: float, clients: Iterable[str], settings: Callable[[str], ClientSettings]
) -> list[StaffIncidentAnswer]:
    """The incidents of these clients in the last 30 days, newest first."""
    selected = [
        one for client in clients for one in client_state.incidents(connection, client, settings(client), now)
    ]
    return [_incident(one, now) for one in sorted(selected, key=lambda one: -one.started)]


def quarantine(
    connection: Connection, now: float, client: str, most: int, before: int = 0
) -> QuarantineAnswer:
    """At most `most` rejected records of a client, or of all, and the number of all by reason."""
    kept = stored_records.numbered(connection, client or None, most, before)
    counted = stored_records.summary(connection, 0, now + 1, client or None)
    return QuarantineAnswer(
        [_rejected(one) for _, one in kept],
        [RejectionsAnswer(one.client, one.model, one.reason, one.count) for one in counted],
        kept[-1][0] if len(kept) == most else 0,
    )


def _incident(one: ClientIncident, now: float) -> StaffIncidentAnswer:
    return StaffIncidentAnswer(
        one.stream.client,
        one.stream.model,
        one.stream.environment,
        one.rule,
        one.health.value,
        one.sentence,
        iso(one.started),
        None if one.ended is None else iso(one.ended),
        None if one.acknowledged is None else iso(one.acknowledged),
        (now if one.ended is None else one.ended) - one.started,
        one.id,
        one.about,
        one.cause,
        [StaffNoteAnswer(note.id, iso(note.at), note.author, note.text) for note in one.notes],
    )


def _rejected(one: Quarantined) -> RejectedAnswer:
    rejected = one.rejected
    return RejectedAnswer(
        iso(one.at),
        one.kind,
        rejected.client,
        rejected.model,
        rejected.index,
        one.reason,
        rejected.error,
        rejected.hint,
        one.count,
        rejected.record.decode(errors="replace"),
    )
