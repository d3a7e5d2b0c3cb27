"""The words for one alert and for several: what is wrong now, and how it ended. Pure."""

from collections import Counter
from collections.abc import Collection, Sequence

from monitor.records import Action, Alert, Severity, State
from monitor.rules.language.wording import figure
from monitor.visible import counted

MOST_NAMED = 3
"""How many rules or instances a title names; the others are counted."""
_SEVERITY = {severity: rank for rank, severity in enumerate(Severity)}
_STATE = {State.FIRING: 0, State.RECOVERING: 1}


def urgency(alert: Alert) -> tuple[int, int, float, str]:
    """The order in which alerts are named: firing, recovering, ended; then the most severe, then the oldest."""
    return (
        _STATE.get(alert.state, 2), _SEVERITY[alert.severity], alert.fired_at or 0.0, alert.fingerprint
    )  # fmt: skip


def words(alert: Alert) -> str:
    """An alert in its own words, in one line, as a title or in a list."""
    text = alert.annotation("summary") or f"{alert.stream}: {alert.rule}: {alert.reason}"
    return f"{text}: {alert.diagnosis.what}" if alert.diagnosis is not None and alert.diagnosis.what else text


def member_line(alert: Alert) -> str:
    """A member of an incident in a list: what is wrong, or how it ended."""
    if not alert.is_open:
        return f"ended: {ending(alert)}"
    return f"recovering: {words(alert)}" if alert.state is State.RECOVERING else words(alert)


def ending(alert: Alert) -> str:
    """How an alert ended: `acme/fraud production: HighErrorRate: 0.2 % now, 13.4 % at worst`."""
    figures = [f"{now_figure(alert)} now"] if now_figure(alert) else []
    figures += [f"{worst_figure(alert)} at worst"] if worst_figure(alert) else []
    return f"{_subject(alert)}: {', '.join(figures) or alert.reason}"


def now_figure(alert: Alert) -> str:
    """The figure at the end, such as `0.2 %`; empty if nothing comparable was measured then."""
    peak = alert.peak
    is_comparable = peak is None or (peak.metric, peak.unit) == (alert.metric, alert.unit)
    return figure(alert.value, alert.unit) if alert.value is not None and is_comparable else ""


def worst_figure(alert: Alert) -> str:
    """The figure when the alert was furthest beyond its limit, such as `13.4 %`; empty if it has none."""
    return "" if alert.peak is None else figure(alert.peak.value, alert.peak.unit)


def title(action: Action, members: Sequence[Alert], news: Collection[str] = ()) -> str:
    """The title of a notification about `members`. `news` are the fingerprints of those that an update is about."""
    if len(members) == 1:
        return _single(action, members[0])
    streams = {alert.stream for alert in members}
    new = [alert for alert in members if alert.fingerprint in news and alert.is_open]
    if len(streams) == 1 and len({alert.rule for alert in members}) == 1:
        if action is Action.RESOLVE:
            return f"{_subject(members[0], instances=False)}: {_instances(members)}"
        lead = min(new or members, key=urgency)
        return f"{words(lead)}, and {len(members) - 1:,} more ({_instances(members, lead)})"
    newest = f"; new: {words(min(new, key=urgency))}" if new and len(new) < len(members) else ""
    return f"{_counted(members)}{newest}"


def spread(members: Sequence[Alert], most: int) -> list[Alert]:
    """At most `most` members by urgency, such that each rule has one before any rule has a second."""
    seen: Counter[str] = Counter()
    places = []
    for alert in sorted(members, key=urgency):
        places.append((seen[alert.rule], alert))
        seen[alert.rule] += 1
    chosen = [alert for _, alert in sorted(places, key=lambda one: one[0])[:most]]
    return sorted(chosen, key=urgency)


def _single(action: Action, alert: Alert) -> str:
    if action is not Action.RESOLVE or alert.is_open:
        return words(alert)
    return ending(alert)


def _subject(alert: Alert, *, instances: bool = True) -> str:
    """`acme/fraud production: HighErrorRate`, with its feature or segment if it has one."""
    stream = alert.stream
    of = ", ".join(value for _, value in alert.instance) if instances else ""
    named = f"{alert.rule} of {of}" if of else alert.rule
    return f"{stream.client}/{stream.model} {stream.environment}: {named}"


def _instances(members: Sequence[Alert], without: Alert | None = None) -> str:
    """`amount, age, country, ...`"""
    others = [alert for alert in sorted(members, key=urgency) if alert is not without]
    names = list(dict.fromkeys(", ".join(value for _, value in alert.instance) for alert in others))
    names = [name for name in names if name] or [counted(len(others), "alert")]
    return ", ".join(names[:MOST_NAMED]) + (", ..." if len(names) > MOST_NAMED else "")


def _counted(members: Sequence[Alert]) -> str:
    """`acme production: 8 alerts on 8 models (HighErrorRate 6, HighLatency 2)`."""
    streams = {alert.stream for alert in members}
    clients, environments = {s.client for s in streams}, {s.environment for s in streams}
    client = next(iter(clients)) if len(clients) == 1 else counted(len(clients), "client")
    where = f"{client} {next(iter(environments))}" if len(environments) == 1 else client
    if len(streams) == 1:
        stream = next(iter(streams))
        where = f"{stream.client}/{stream.model} {stream.environment}"
    rules = Counter(alert.rule for alert in members).most_common()
    named = ", ".join(f"{name} {count:,}" for name, count in rules[:MOST_NAMED])
    named += ", ..." if len(rules) > MOST_NAMED else ""
    on = f" on {counted(len(streams), 'model')}" if len(streams) > 1 else ""
    return f"{where}: {counted(len(members), 'alert')}{on} ({named})"
