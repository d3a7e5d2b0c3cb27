"""Alerts into words: the notification for one alert, or for many under one key."""

from collections.abc import Sequence

from monitor.alerts.notification import MOST_MEMBERS, Link, Notification, alert_labels, one_line
from monitor.alerts.settings import AlertSettings
from monitor.records import Action, Alert, Severity
from monitor.rules.wording import figure, render, span

AROUND = 6 * 3600
"""A dashboard link shows this many seconds to either side."""

_RANK = {severity: index for index, severity in enumerate(Severity)}


def compose(
    action: Action, key: str, members: Sequence[Alert], settings: AlertSettings, now: float
) -> Notification:
    """What to say about `members`, of which there is at least one."""
    lead = min(members, key=lambda alert: (_RANK[alert.severity], alert.fired_at or now, alert.fingerprint))
    if len(members) == 1:
        return _single(action, key, lead, settings, now)
    started = min(alert.fired_at or now for alert in members)
    streams = sorted({str(alert.stream) for alert in members})
    where = streams[0] if len(streams) == 1 else f"{len(streams)} models"
    names = sorted({alert.rule for alert in members})
    title = f"{where}: {len(members)} alerts ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
    listed = tuple(one_line(alert) for alert in members[:MOST_MEMBERS])
    return Notification(
        action=action,
        key=key,
        severity=lead.severity.value,
        title=title,
        impact=lead.annotation("impact"),
        client=lead.stream.client,
        model=lead.stream.model,
        environment=lead.stream.environment,
        alert=lead.rule,
        started_at=started,
        reason=lead.reason,
        checks=_checks(lead),
        links=_links(lead, settings, started),
        members=listed,
        count=len(members),
        ended_at=now if action is Action.RESOLVE else None,
        labels=tuple(sorted(alert_labels(lead).items())),
        said_at=now,
    )


def _single(action: Action, key: str, alert: Alert, settings: AlertSettings, now: float) -> Notification:
    started = alert.fired_at or now
    return Notification(
        action=action,
        key=key,
        severity=alert.severity.value,
        title=one_line(alert),
        impact=alert.annotation("impact"),
        client=alert.stream.client,
        model=alert.stream.model,
        environment=alert.stream.environment,
        alert=alert.rule,
        started_at=started,
        value=figure(alert.value, alert.unit),
        limit=figure(alert.limit, alert.unit),
        baseline=figure(alert.baseline, alert.unit),
        sample=f"n = {alert.n:,.0f} over {span(alert.window.seconds if alert.window else 0)}",
        reason=alert.reason,
        checks=_checks(alert),
        links=_links(alert, settings, started),
        ended_at=now if action is Action.RESOLVE else None,
        labels=tuple(sorted(alert_labels(alert).items())),
        said_at=now,
    )


def _checks(alert: Alert) -> tuple[str, ...]:
    return tuple(line.strip() for line in alert.annotation("checks").splitlines() if line.strip())[:3]


def _links(alert: Alert, settings: AlertSettings, started: float) -> tuple[Link, ...]:
    fields = {
        **alert_labels(alert),
        "start": str(round((started - AROUND) * 1000)),
        "end": str(round((started + AROUND) * 1000)),
    }
    links = [Link("Runbook", alert.annotation("runbook_url") or render(settings.runbook_url, fields))]
    if settings.dashboard_url:
        links.append(Link("Dashboard", render(settings.dashboard_url, fields)))
    if settings.public_url:
        page = f"{settings.public_url.rstrip('/')}/c/{alert.stream.client}/m/{alert.stream.model}"
        links.append(Link("Model page", page))
    return tuple(links)
