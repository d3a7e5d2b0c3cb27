"""Releases and ends of rollouts among what happened, on the pages of clients."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection

from monitor.clock import iso
from monitor.config.units import DAY
from monitor.health import version_events, wording
from monitor.health.model_state import ClientIncident, ModelHealth
from monitor.health.settings import ClientSettings
from monitor.health.version_events import VersionEvent
from monitor.store import rollouts
from monitor.web.pages.client_view import MOST_INCIDENTS, IncidentRow, incident

_SPAN = 30.0 * DAY


def events(
    connection: Connection, client: str, models: Sequence[ModelHealth], now: float
) -> list[VersionEvent]:
    """What happened to the versions of these models in the last 30 days, newest first."""
    return version_events.read(connection, client, (model.stream for model in models), now - _SPAN, now)


def current(
    connection: Connection,
    models: Sequence[ModelHealth],
    happened: Sequence[VersionEvent],
    settings: ClientSettings,
    now: float,
) -> list[str]:
    """What happens to the versions of these models now, in a sentence each; nothing for most."""
    titles = {model.stream: model.title for model in models}
    known = rollouts.running(connection)
    return version_events.current(known, happened, titles, settings.zone, now)


def rows(
    incidents: Iterable[ClientIncident],
    happened: Iterable[VersionEvent],
    settings: ClientSettings,
    now: float,
) -> list[IncidentRow]:
    """Incidents and version events together, newest first. An incident that tells of a version is its only row."""
    listed = list(incidents)
    with_start = [(one.started, incident(one, settings, now)) for one in listed]
    with_start += [
        (one.at, _row(one, settings, now))
        for one in happened
        if not any(one.is_covered_by(other) for other in listed)
    ]
    return [row for _, row in sorted(with_start, key=lambda pair: -pair[0])][:MOST_INCIDENTS]


def _row(one: VersionEvent, settings: ClientSettings, now: float) -> IncidentRow:
    sentence = one.sentence(settings.title(one.stream.model))
    at = wording.moment(one.at, settings.zone, now)
    return IncidentRow(at, iso(one.at), None, sentence, one.detail(settings.zone, now))
