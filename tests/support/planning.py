"""Alerts and incidents in memory, planned step by step: what channels are told, without a store or a channel."""

from collections.abc import Iterable
from dataclasses import replace

from monitor.alerts.acknowledge import acknowledged
from monitor.alerts.notification import Notification, decode
from monitor.alerts.plan import plan
from monitor.alerts.settings import AlertSettings
from monitor.alerts.situation import Situation
from monitor.records import Action, Alert, Labels, Peak, Severity, State, Stream, Window, fingerprint
from monitor.runtime.faults import Faults
from monitor.store.incidents import Incident
from tests.support.judging import START, STREAM


class Ledger:
    """The alerts and incidents as the store would keep them, and everything that was sent, in order."""

    def __init__(
        self, settings: AlertSettings | None = None, channels: Iterable[str] = ("pagerduty",)
    ) -> None:
        self.settings = settings or AlertSettings()
        self.channels = frozenset(channels)
        self.alerts: dict[str, Alert] = {}
        self.incidents: dict[tuple[str, str], Incident] = {}
        self.sent: list[tuple[str, Notification]] = []
        self.now = START

    def fire(
        self,
        rule: str,
        severity: Severity = Severity.WARNING,
        stream: Stream = STREAM,
        instance: Labels = (),
        value: float = 0.3,
    ) -> Alert:
        """An alert begins; one that is open already stays as it is."""
        identity = fingerprint(rule, stream, instance)
        before = self.alerts.get(identity)
        if before is not None and before.is_open:
            return before
        of = "".join(f" of {text}" for _, text in instance)
        episode = before.episode + 1 if before else 1
        alert = Alert(
            identity,
            rule,
            severity,
            stream,
            instance,
            State.FIRING,
            episode=episode,
            fired_at=self.now,
            value=value,
            unit="share",
            limit=0.05,
            window=Window(0, 60),
            annotations=(("summary", f"{stream.client}/{stream.model}: {rule}{of} is bad ({episode})"),),
            peak=Peak(value, "", "share"),
        )
        self.alerts[identity] = alert
        return alert

    def change(self, alert: Alert, **fields: object) -> None:
        """Change the current state of an alert."""
        self.alerts[alert.fingerprint] = replace(self.alerts[alert.fingerprint], **fields)  # type: ignore[arg-type]

    def end(self, alert: Alert, value: float = 0.002) -> None:
        """An alert ends with this value."""
        self.change(alert, state=State.RESOLVED, resolved_at=self.now, value=value)

    def step(self, seconds: float = 1.0) -> list[Notification]:
        """Move the clock and plan once; what was sent."""
        self.now += seconds
        situation = Situation(self.alerts, list(self.incidents.values()), (), self.channels, self.now)
        faults = Faults()
        planned = plan(situation, self.settings, faults)
        assert not faults.active(), faults.active()
        self.alerts |= acknowledged(situation.incidents, self.alerts)
        self.incidents |= {(i.channel, i.key): i for i in planned.incidents}
        told = [(d.channel, decode(d.body)) for d in planned.deliveries]
        self.sent += told
        return [notification for _, notification in told]

    def run(self, seconds: float, every: float = 10.0) -> list[Notification]:
        """Plan every so often for a while; what was sent."""
        return [one for _ in range(round(seconds / every)) for one in self.step(every)]

    def acknowledge(self, key: str, channel: str = "pagerduty") -> None:
        """A person acknowledges an incident now."""
        incident = self.incidents[channel, key]
        self.incidents[channel, key] = replace(incident, acknowledged_at=self.now, acknowledged_by="ann")

    def open(self, channel: str = "pagerduty") -> list[Incident]:
        """The open incidents of a channel."""
        return [i for i in self.incidents.values() if i.channel == channel and i.closed_at is None]

    def titles(self, action: Action = Action.TRIGGER) -> list[str]:
        """The titles of everything that was sent with this action, in order."""
        return [one.title for _, one in self.sent if one.action is action]
