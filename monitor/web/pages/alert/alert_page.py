"""The page of one episode of an alert: evidence, timeline, alerts of the same notification, first checks, buttons."""

from typing import Any
from urllib.parse import quote

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from sqlalchemy import Connection

from monitor.alerts.text.commands import commands
from monitor.alerts.text.titles import ending
from monitor.clock import iso
from monitor.config.units import HOUR
from monitor.health import wording
from monitor.records import DAEMON, Alert, State, Stream
from monitor.rules.language.wording import bound
from monitor.rules.language.wording import figure as with_unit
from monitor.store import alerts, measurements, silences, streams
from monitor.web import services as web_services
from monitor.web.api.time_range import TimeRange
from monitor.web.auth import session
from monitor.web.pages import rendering
from monitor.web.pages.alert import episode
from monitor.web.pages.alert.episode import EpisodeView
from monitor.web.pages.alert.timeline import timeline
from monitor.web.pages.features.feature_rows import address_of
from monitor.web.pages.model import metric_chart, model_query
from monitor.web.pages.model.charts_view import marks_of
from monitor.web.pages.model.metric_chart import DrawnChart
from monitor.web.pages.overview.page import address
from monitor.web.services import Services

_LARGEST = 1_000_000_000


@get("/staff/alerts/{fingerprint:str}", sync_to_thread=True, include_in_schema=False)
def alert_page(request: Request[Any, Any, Any], fingerprint: FromPath[str]) -> Response[str]:
    """One episode of an alert: the newest, or `?episode=`."""
    visitor = session.staff(request)
    services = web_services.of(request)
    now = services.clock.now()
    with services.store.read() as connection:
        alert = alerts.get(connection, fingerprint)
        if alert is None or not visitor.may_read(alert.stream.client):
            raise NotFoundException
        session.about(request, alert.stream.client)
        number = _number(str(request.query_params.get("episode", "")), alert)
        one = episode.read(connection, alert, number, now)
        firing, mutes = alerts.load_open(connection), silences.load(connection, now)
        chart = _chart(connection, services, one, now)
        is_known = streams.figures(connection, alert.stream) is not None
    home, instance = address(alert.stream) if is_known else "", dict(alert.instance)
    named = instance.get("feature", "") if home else ""
    return rendering.page(
        "staff_alert.html",
        visitor=visitor,
        alert=alert,
        one=one,
        others=[each for each in one.others if visitor.may_read(each[0].stream.client)],
        events=timeline(one),
        chart=chart,
        commands=commands(alert, services.alerts),
        checks=[line.strip() for line in alert.annotation("checks").splitlines() if line.strip()],
        held=services.held(firing, mutes).get(alert.fingerprint, "") if one.is_newest else "",
        home=home,
        instance=instance,
        feature=f"{home}/features/{quote(address_of(named), safe='')}" if named else "",
        state=_state(one, now),
        headline=_headline(alert),
        figures=_figures(alert) if one.is_newest else [],
        runbook=services.runbook,
        can_report=services.drilldowns is not None,
        iso=iso,
        zone=services.client(alert.stream.client).zone.key,
        is_daemon=alert.stream == DAEMON,
    )


def _number(asked: str, alert: Alert) -> int:
    """The episode that is asked for.

    Raises:
        NotFoundException: there is no such episode.
    """
    if not asked:
        return alert.episode
    if not (asked.isascii() and asked.isdigit() and len(asked) < 10 and 0 <= int(asked) <= alert.episode):
        raise NotFoundException
    return int(asked)


def _state(one: EpisodeView, now: float) -> str:
    """The state in words: `firing since 2026-11-23T08:00:00Z (2 h 5 min)`."""
    alert = one.alert
    if not one.is_newest:
        return f"resolved at {iso(one.ended_at)}" if one.ended_at is not None else "over"
    since = {
        State.PENDING: alert.active_since,
        State.FIRING: one.fired_at,
        State.RECOVERING: alert.recovering_since,
        State.RESOLVED: alert.resolved_at,
    }.get(alert.state)
    words = alert.state.value
    return words if since is None else f"{words} since {iso(since)} ({wording.span(max(0.0, now - since))})"


def _headline(alert: Alert) -> str:
    """What is wrong, or how it ended."""
    if alert.is_open or not alert.episode:
        return alert.annotation("summary") or alert.reason or "Not evaluated yet."
    return ending(alert) if alert.state is State.RESOLVED else alert.reason


def _figures(alert: Alert) -> list[tuple[str, str]]:
    """The evidence in figures, with their units."""
    figures = []
    if alert.value is not None:
        label = "Value at the last evaluation" if alert.evaluated_at is not None else "Value"
        figures.append((label, with_unit(alert.value, alert.unit)))
    limit = bound(alert.limit, alert.unit)
    if limit != "-":
        figures.append(("Limit", limit))
    if alert.peak is not None:
        figures.append(("Worst in this episode", with_unit(alert.peak.value, alert.peak.unit)))
    if alert.baseline is not None:
        figures.append(("Baseline", with_unit(alert.baseline, alert.unit)))
    return figures


def _chart(connection: Connection, services: Services, one: EpisodeView, now: float) -> DrawnChart | None:
    """The metric around the beginning of the episode, with the limit; None where there is nothing to draw."""
    alert = one.alert
    began = (model_query.began_at(alert) if one.is_newest else None) or one.fired_at
    if not alert.metric or began is None or not 0 < began <= now:
        return None
    shown: TimeRange = model_query.around(began, now)
    limit = (
        (alert.limit, f"limit of {alert.rule}")
        if one.is_newest and alert.limit is not None and bound(alert.limit, alert.unit) != "-"
        else None
    )
    measured = [m for m in _newest(connection, services, alert.stream) if m.metric == alert.metric]
    marks = marks_of(connection, alert.stream, shown.start, shown.end)
    zone = services.client(alert.stream.client).zone
    drawn = metric_chart.draw(
        connection, alert.stream, shown, measured, alert.metric, alert.instance, services.base_seconds, zone, marks,
        limit,
    )  # fmt: skip
    return None if drawn.chart.is_empty else drawn


def _newest(connection: Connection, services: Services, stream: Stream) -> list[Any]:
    return measurements.latest(connection, stream, HOUR) or measurements.latest(
        connection, stream, services.base_seconds
    )


HANDLERS = (alert_page,)
