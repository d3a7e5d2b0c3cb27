"""Every time that an alert fired, as long as it is kept; each leads to the page of that episode."""

from dataclasses import dataclass
from typing import Any

from litestar import Request, Response, get

from monitor.clock import iso
from monitor.health import wording
from monitor.records import DAEMON, Alert, Diagnosis, Severity
from monitor.store import alert_episodes, alerts, diagnoses
from monitor.store.alert_episodes import Episode, EpisodeFilter
from monitor.web import services as web_services
from monitor.web.auth import session
from monitor.web.pages import rendering
from monitor.web.pages.listings import list_query

FILTERS = ("client", "model", "rule", "severity")


@dataclass(frozen=True, slots=True)
class _Row:
    """An episode, what it is about beside its model, and what was found out about it."""

    episode: Episode
    about: str
    what: str
    lasted: str
    is_open: bool


@get("/staff/alerts", sync_to_thread=True, include_in_schema=False)
def alerts_page(request: Request[Any, Any, Any]) -> Response[str]:
    """The episodes of the clients that the visitor may read."""
    visitor = session.staff(request)
    services = web_services.of(request)
    now = services.clock.now()
    asked = list_query.parse(request.query_params, FILTERS, now)
    chosen = dict(asked.filters)
    chosen["client"] = visitor.client or chosen["client"]
    if chosen["client"]:
        session.about(request, chosen["client"])
    wanted = EpisodeFilter(**chosen, start=asked.start, end=asked.end)
    with services.store.read() as connection:
        total = alert_episodes.count(connection, wanted)
        asked = list_query.at_page(asked, total)
        episodes = alert_episodes.find(connection, wanted, asked.offset, list_query.PER_PAGE)
        rules = alert_episodes.rules(connection)
        known = alerts.with_fingerprints(connection, {episode.fingerprint for episode in episodes})
        causes = diagnoses.of_alerts(connection, {episode.fingerprint for episode in episodes})
    rows = [
        _row(episode, known.get(episode.fingerprint), causes.get((episode.fingerprint, episode.number)), now)
        for episode in episodes
    ]
    return rendering.page(
        "staff_alerts.html",
        visitor=visitor,
        query=asked,
        rows=rows,
        total=total,
        rules=rules,
        severities=[severity.value for severity in Severity],
        daemon=DAEMON,
        iso=iso,
    )


def _row(one: Episode, alert: Alert | None, diagnosis: Diagnosis | None, now: float) -> _Row:
    instance = alert.instance if alert is not None else ()
    is_newest = alert is not None and alert.episode == one.number
    is_open = is_newest and alert is not None and alert.is_open
    what = diagnosis.what if diagnosis is not None else ""
    summary = alert.annotation("summary") if alert is not None and is_open else ""
    ended = now if is_open else one.ended_at
    lasted = "" if ended is None else wording.span(max(0.0, ended - one.began_at))
    about = ", ".join(f"{name} {value}" for name, value in instance)
    return _Row(one, about, what or summary or one.reason, lasted, is_open)


HANDLERS = (alerts_page,)
