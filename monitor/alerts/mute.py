"""What is held back: by a person's silence, or because something worse already says it.

Only new pages are held back. A resolve always goes out, or an incident would stay open for ever.
"""

from collections.abc import Iterable, Sequence

from monitor.alerts.notification import alert_labels
from monitor.alerts.settings import Inhibition
from monitor.records import Alert, DataState, Silence, State
from monitor.rules import matchers
from monitor.rules.matchers import all_match

NEVER_INHIBITED = frozenset(("NoData", "Watchdog"))
"""Alerts about the watching itself: what is wrong with it must not hide behind what it still sees."""


def is_active(silence: Silence, now: float) -> bool:
    """Whether a silence is in force."""
    return silence.expired_at is None and silence.starts_at <= now < silence.ends_at


def silenced(alert: Alert, silences: Iterable[Silence], now: float) -> str:
    """Why an alert is silenced, or the empty string."""
    for silence in silences:
        if is_active(silence, now) and all_match(map(matchers.parse, silence.matchers), alert_labels(alert)):
            return f"silenced by {silence.author}: {silence.comment}"
    return ""


class Inhibitor:
    """Knows which alerts hold others back at one moment."""

    def __init__(self, rules: Sequence[Inhibition], alerts: Iterable[Alert]) -> None:
        self._sources: list[tuple[Inhibition, dict[tuple[str, ...], Alert]]] = []
        firing = [a for a in alerts if a.state is State.FIRING and a.data is DataState.OK] if rules else []
        labelled = [(alert, alert_labels(alert)) for alert in firing]
        self._labels = {alert.fingerprint: labels for alert, labels in labelled}
        for rule in rules:
            found: dict[tuple[str, ...], Alert] = {}
            for alert, labels in labelled:
                if all_match(rule.source, labels) and all(labels.get(name) for name in rule.equal):
                    found.setdefault(tuple(labels[name] for name in rule.equal), alert)
            if found:
                self._sources.append((rule, found))

    def reason(self, alert: Alert) -> str:
        """Why an alert is held back, or the empty string."""
        if alert.rule in NEVER_INHIBITED or not self._sources:
            return ""
        labels = self._labels.get(alert.fingerprint) or alert_labels(alert)
        for rule, sources in self._sources:
            source = sources.get(tuple(labels.get(name, "") for name in rule.equal))
            if source is None or source.fingerprint == alert.fingerprint:
                continue
            if all_match(rule.target, labels):
                return f"held back while {source.rule} fires"
        return ""
