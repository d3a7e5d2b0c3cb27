"""Releases and ends of rollouts among what happened, on the pages of clients."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection

from monitor.clock import iso
from monitor.config.units import DAY
from monitor.health import wording
from monitor.health.settings import ClientSettings
from monitor.health.verdict import ClientIncident, ModelHealth
from monitor.records import Stream
from monitor.rollouts.client_wording import VersionEvent, version_events
from monitor.store import releases, rollouts
from monitor.web.pages.client_view import MOST_INCIDENTS, IncidentRow, incident

_SPAN = 30.0 * DAY
_SAME = 600.0
"""Seconds within which an incident of the rule that follows a failed rollout tells the same."""
_RULE = "RolloutFailed"


def events(
    connection: Connection, client: str, models: Sequence[ModelHealth], settings: ClientSettings, now: float
) -> list[VersionEvent]:
    """What happened to the versions of these models in the last 30 days, newest first."""
    titles: dict[Stream, str] = {one.stream: one.title for one in models}
    ended = rollouts.ended_since(connection, client, now - _SPAN)
    released = [
        one
        for recorded in releases.newest(connection, MOST_INCIDENTS, client).values()
        for one in recorded
        if now - _SPAN <= one.released_at <= now
    ]
    return version_events(ended, released, titles, settings.zone, now)


def rows(
    incidents: Iterable[ClientIncident],
    happened: Iterable[VersionEvent],
    settings: ClientSettings,
    now: float,
) -> list[IncidentRow]:
    """Incidents and version events together, newest first. An incident of a failed rollout tells its end as well."""
    listed = list(incidents)
    with_start = [(one.started, incident(one, settings, now)) for one in listed]
    with_start += [
        (
            one.at,
            IncidentRow(
                wording.moment(one.at, settings.zone, now), iso(one.at), None, one.sentence, one.detail
            ),
        )
        for one in happened
        if not (one.is_proven and any(_is_same(one, other) for other in listed))
    ]
    return [row for _, row in sorted(with_start, key=lambda pair: -pair[0])][:MOST_INCIDENTS]


def _is_same(event: VersionEvent, one: ClientIncident) -> bool:
    return one.rule == _RULE and one.stream == event.stream and abs(one.started - event.at) <= _SAME
