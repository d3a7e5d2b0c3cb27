"""Inhibition: while a source alert is open, alerts that match the target are suppressed (`alerts.inhibitions`).

Only new notifications are suppressed. What still fires when the source has resolved is sent then. A resolve always goes
out, otherwise its incident would stay open.
"""

from collections.abc import Iterable, Sequence

from monitor.alerts.notification import alert_labels
from monitor.alerts.settings import AlertSettings, Inhibition
from monitor.alerts.silencing import Silencer
from monitor.records import Alert, DataState, Silence, State
from monitor.rules.language.matchers import all_match
from monitor.runtime.faults import Faults

NEVER_INHIBITED = frozenset(("NoData", "Watchdog"))
"""Alerts about Watchkeeper's own measurements. No other alert may hide them."""


class Inhibitor:
    """The inhibitions in force at one moment, with the alerts that are their sources."""

    def __init__(self, inhibitions: Sequence[Inhibition], alerts: Iterable[Alert]) -> None:
        self._sources: list[tuple[Inhibition, dict[tuple[str, ...], Alert]]] = []
        firing = [a for a in alerts if a.is_open and a.data is DataState.OK] if inhibitions else []
        labelled = [(alert, alert_labels(alert)) for alert in firing]
        self._labels = {alert.fingerprint: labels for alert, labels in labelled}
        for inhibition in inhibitions:
            sources: dict[tuple[str, ...], Alert] = {}
            for alert, labels in labelled:
                if all_match(inhibition.source, labels) and all(
                    labels.get(name) for name in inhibition.equal
                ):
                    sources.setdefault(tuple(labels[name] for name in inhibition.equal), alert)
            if sources:
                self._sources.append((inhibition, sources))

    def reason(self, alert: Alert) -> str:
        """Why an alert is inhibited, or the empty string."""
        if alert.rule in NEVER_INHIBITED or not self._sources:
            return ""
        labels = self._labels.get(alert.fingerprint) or alert_labels(alert)
        for inhibition, sources in self._sources:
            source = sources.get(tuple(labels.get(name, "") for name in inhibition.equal))
            if source is None or source.fingerprint == alert.fingerprint:
                continue
            if all_match(inhibition.target, labels):
                return f"inhibited by {source.rule}"
        return ""


def suppressed(
    alerts: Iterable[Alert], silences: Sequence[Silence], now: float, settings: AlertSettings
) -> dict[str, str]:
    """The reasons, by fingerprint, of the firing alerts that are suppressed; `alerts` are all that are open."""
    everything = list(alerts)
    silencer, inhibitor = Silencer(silences, now, Faults()), Inhibitor(settings.inhibitions, everything)
    firing = [alert for alert in everything if alert.state is State.FIRING]
    reasons = {alert.fingerprint: silencer.reason(alert) or inhibitor.reason(alert) for alert in firing}
    return {fingerprint: reason for fingerprint, reason in reasons.items() if reason}
