"""Alerts into words: the notification for one alert, or for many under one key."""

from collections import Counter
from collections.abc import Sequence, Set
from urllib.parse import quote

from monitor.alerts.notification import MOST_MEMBERS, Link, Notification, alert_labels, one_line
from monitor.alerts.settings import AlertSettings
from monitor.records import DAEMON, Action, Alert, Severity, Stream
from monitor.rules.wording import bound, figure, render, span

AROUND = 6 * 3600
"""A dashboard link shows this many seconds to either side."""

MANY = (
    "What do they share: a host, a network, a database, a feature store, a deployment?",
    "Which was the first? What changed just before it?",
    "Is it our own measuring? Look at a caller's errors, too.",
)
"""What to look at first when several models fail at once: rarely each has a reason of its own."""

_RANK = {severity: index for index, severity in enumerate(Severity)}


def compose(
    action: Action, key: str, members: Sequence[Alert], settings: AlertSettings, now: float
) -> Notification:
    """What to say about `members`, of which there is at least one."""
    lead = min(members, key=lambda alert: (_RANK[alert.severity], alert.fired_at or now, alert.fingerprint))
    if len(members) == 1:
        return _single(action, key, lead, settings, now)
    started = min(alert.fired_at or now for alert in members)
    streams = {alert.stream for alert in members}
    is_one = len(streams) == 1
    listed = tuple(one_line(alert) for alert in members[:MOST_MEMBERS])
    return Notification(
        action=action,
        key=key,
        severity=lead.severity.value,
        title=_title(members, streams),
        impact=lead.annotation("impact")
        if is_one
        else f"{len(streams):,} models are in trouble at the same time.",
        client=lead.stream.client,
        model=lead.stream.model,
        environment=lead.stream.environment,
        alert=lead.rule,
        started_at=started,
        reason=lead.reason if is_one else f"it began with {one_line(lead)}",
        checks=_checks(lead) if is_one else MANY,
        links=_links(lead, settings, started, "" if is_one else "Storm"),
        members=listed,
        count=len(members),
        ended_at=now if action is Action.RESOLVE else None,
        labels=tuple(sorted(alert_labels(lead).items())),
        said_at=now,
    )


def _title(members: Sequence[Alert], streams: Set[Stream]) -> str:
    """`acme production: 8 alerts on 8 models (HighErrorRate 6, HighLatency 2)`."""
    clients, environments = {s.client for s in streams}, {s.environment for s in streams}
    client = next(iter(clients)) if len(clients) == 1 else f"{len(clients)} clients"
    where = f"{client} {next(iter(environments))}" if len(environments) == 1 else client
    if len(streams) == 1:
        stream = next(iter(streams))
        where = f"{stream.client}/{stream.model} {stream.environment}"
    rules = Counter(alert.rule for alert in members).most_common()
    named = ", ".join(f"{name} {count:,}" for name, count in rules[:3]) + (", ..." if len(rules) > 3 else "")
    on = f" on {len(streams):,} models" if len(streams) > 1 else ""
    return f"{where}: {len(members):,} alerts{on} ({named})"


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
        limit=bound(alert.limit, alert.unit),
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


def runbook(alert: Alert, settings: AlertSettings) -> str:
    """Where the runbook of an alert stands."""
    return alert.annotation("runbook_url") or _runbook(alert, alert.rule, settings)


def _runbook(alert: Alert, name: str, settings: AlertSettings) -> str:
    return render(settings.runbook_url, {**alert_labels(alert), "alert": name})


def model_page(stream: Stream, settings: AlertSettings) -> tuple[Link, ...]:
    """The engineers' page of a model; nothing where the daemon's address is not known."""
    parts = (quote(part, safe="") for part in (stream.client, stream.model, stream.environment))
    return _page("Model page", f"/staff/m/{'/'.join(parts)}", settings)


def _page(text: str, path: str, settings: AlertSettings) -> tuple[Link, ...]:
    return (Link(text, settings.public_url.rstrip("/") + path),) if settings.public_url else ()


def _links(alert: Alert, settings: AlertSettings, started: float, shared: str = "") -> tuple[Link, ...]:
    """`shared` is the runbook of several alerts at once."""
    links = [Link("Runbook", _runbook(alert, shared, settings) if shared else runbook(alert, settings))]
    if settings.dashboard_url:
        around = {
            "start": str(round((started - AROUND) * 1000)),
            "end": str(round((started + AROUND) * 1000)),
        }
        links.append(Link("Dashboard", render(settings.dashboard_url, {**alert_labels(alert), **around})))
    if shared or alert.stream == DAEMON:  # it is about many models, or about none
        return (*links, *_page("Overview", "/staff/", settings))
    return (*links, *model_page(alert.stream, settings))
