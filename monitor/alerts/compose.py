"""The content of a notification: title, impact, figures, checks and links of one alert, a group or a storm."""

from collections.abc import Collection, Sequence
from urllib.parse import quote, urlsplit

from monitor.alerts.notification import MOST_MEMBERS, Link, Notification, alert_labels
from monitor.alerts.settings import AlertSettings
from monitor.alerts.text.commands import commands, storm_commands
from monitor.alerts.text.titles import (
    member_line,
    now_figure,
    spread,
    title,
    urgency,
    words,
    worst_figure,
)
from monitor.config.units import HOUR
from monitor.records import Action, Alert, Stream
from monitor.rules.language.wording import bound, figure, render, span
from monitor.visible import counted

AROUND = 6 * HOUR
"""Seconds that a dashboard link shows before and after the start of the alert."""

LOOPBACK = ("localhost", "::1")
LOCAL = " (reachable only on the daemon's machine; set web.public_url)"

MANY = (
    "What do they have in common: a host, a network, a database, a feature store, a deployment?",
    "Which alert was the first? What changed just before it?",
    "Is the monitoring itself wrong? Compare with the errors that callers see.",
)
"""First checks when several models have alerts at the same time: usually they share one cause."""


def compose(
    action: Action,
    key: str,
    members: Sequence[Alert],
    settings: AlertSettings,
    now: float,
    news: Collection[str] = (),
) -> Notification:
    """The notification about `members` (at least one). The most urgent one leads; in an update, one of the `news`
    (fingerprints).
    """
    fresh = [alert for alert in members if alert.fingerprint in news and alert.is_open]
    lead = min(fresh or members, key=urgency)
    if len(members) == 1:
        return _single(action, key, lead, settings, now)
    started = min(alert.fired_at or now for alert in members)
    streams = {alert.stream for alert in members}
    is_one = len(streams) == 1
    listed = tuple(member_line(alert) for alert in spread(members, MOST_MEMBERS))
    return Notification(
        action=action,
        key=key,
        severity=lead.severity.value,
        title=title(action, members, news),
        impact=lead.annotation("impact")
        if is_one
        else f"{counted(len(streams), 'model')} have {lead.severity.value} alerts at the same time.",
        client=lead.stream.client,
        model=lead.stream.model,
        environment=lead.stream.environment,
        alert=lead.rule,
        started_at=started,
        reason=lead.reason if is_one else f"first alert: {words(lead)}",
        checks=_checks(lead) if is_one else MANY,
        causes=_causes(lead) if is_one else (),
        commands=commands(lead, settings) if is_one else storm_commands(members, settings),
        links=_links(lead, settings, started, "" if is_one else "Storm"),
        members=listed,
        count=len(members),
        ended_at=now if action is Action.RESOLVE else None,
        labels=tuple(sorted(alert_labels(lead).items())),
        said_at=now,
    )


def _single(action: Action, key: str, alert: Alert, settings: AlertSettings, now: float) -> Notification:
    started, is_over = alert.fired_at or now, action is Action.RESOLVE
    return Notification(
        action=action,
        key=key,
        severity=alert.severity.value,
        title=title(action, [alert]),
        impact=alert.annotation("impact"),
        client=alert.stream.client,
        model=alert.stream.model,
        environment=alert.stream.environment,
        alert=alert.rule,
        started_at=started,
        value=now_figure(alert) if is_over else figure(alert.value, alert.unit),
        limit=bound(alert.limit, alert.unit),
        baseline=figure(alert.baseline, alert.unit),
        sample=f"n = {alert.n:,.0f} over {span(alert.window.seconds if alert.window else 0)}",
        reason=alert.reason,
        checks=_checks(alert),
        causes=_causes(alert),
        commands=commands(alert, settings),
        links=_links(alert, settings, started),
        ended_at=now if is_over else None,
        labels=tuple(sorted(alert_labels(alert).items())),
        said_at=now,
        worst=worst_figure(alert) if is_over else "",
    )


def _causes(alert: Alert) -> tuple[str, ...]:
    return alert.diagnosis.causes if alert.diagnosis is not None else ()


def _checks(alert: Alert) -> tuple[str, ...]:
    return tuple(line.strip() for line in alert.annotation("checks").splitlines() if line.strip())[:3]


def runbook(alert: Alert, settings: AlertSettings) -> str:
    """URL of the runbook of an alert; empty if the daemon's address is not known."""
    return alert.annotation("runbook_url") or _runbook(alert, alert.rule, settings)


def _runbook(alert: Alert, name: str, settings: AlertSettings) -> str:
    if settings.runbook_url:
        return render(settings.runbook_url, {**alert_labels(alert), "alert": name})
    return f"{settings.public_url.rstrip('/')}/runbooks/{name}" if settings.public_url else ""


def model_page(stream: Stream, settings: AlertSettings, part: str = "") -> tuple[Link, ...]:
    """Link to the engineers' page of a model, or to a part of it such as `rollout`; empty if the daemon's address is
    not known.
    """
    parts = (quote(one, safe="") for one in (stream.client, stream.model, stream.environment, part) if one)
    return _page(f"{(part or 'model').capitalize()} page", f"/staff/m/{'/'.join(parts)}", settings)


def alert_page(alert: Alert, settings: AlertSettings) -> tuple[Link, ...]:
    """Link to the page of an episode of an alert; empty if the daemon's address is not known."""
    path = f"/staff/alerts/{quote(alert.fingerprint, safe='')}?episode={alert.episode}"
    return _page("Alert page", path, settings)


def _page(text: str, path: str, settings: AlertSettings) -> tuple[Link, ...]:
    return (
        (Link(text + _reach(settings), settings.public_url.rstrip("/") + path),)
        if settings.public_url
        else ()
    )


def _reach(settings: AlertSettings) -> str:
    """A note for addresses that work only on the daemon's machine."""
    host = urlsplit(settings.public_url).hostname or ""
    return LOCAL if host in LOOPBACK or host.startswith("127.") else ""


def _links(alert: Alert, settings: AlertSettings, started: float, shared: str = "") -> tuple[Link, ...]:
    """`shared` is the runbook of several alerts at once."""
    href = _runbook(alert, shared, settings) if shared else runbook(alert, settings)
    is_ours = not settings.runbook_url and not (alert.annotation("runbook_url") and not shared)
    links = [Link("Runbook" + (_reach(settings) if is_ours else ""), href)] if href else []
    if settings.dashboard_url:
        around = {
            "start": str(round((started - AROUND) * 1000)),
            "end": str(round((started + AROUND) * 1000)),
        }
        links.append(Link("Dashboard", render(settings.dashboard_url, {**alert_labels(alert), **around})))
    if shared:  # about many models
        return (*links, *_page("Overview", "/staff/", settings))
    return (*links, *alert_page(alert, settings))
