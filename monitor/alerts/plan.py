"""Who must be told what now. Pure: alerts and what was said about them go in, deliveries come out.

It compares what is with what was told, instead of reacting to transitions: a page that was held back by a
silence goes out when the silence ends, and a tick that runs twice tells nothing twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from monitor.alerts.compose import compose
from monitor.alerts.ladder import climb
from monitor.alerts.mute import Inhibitor, silenced
from monitor.alerts.notification import encode
from monitor.alerts.route import group, opening, route
from monitor.alerts.settings import AlertSettings, Route
from monitor.records import Action, Alert, Delivery, Silence, State
from monitor.store.incidents import Incident

PRIORITY = {"critical": 0, "warning": 2, "info": 4}
"""Lower goes first; a resolve comes right behind the pages of its tier."""

GROUPS_ITSELF = frozenset(("alertmanager",))
"""Channels that get every alert by itself, because grouping is their own business."""

Fresh = Sequence[tuple[Alert, Route]]


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that the decision rests on.

    `incidents` are those still open, and those opened within the storm's time. `channels` are the names of
    the channels that are configured, `confirming` those that tell us back what became of a page.
    """

    alerts: Mapping[str, Alert]
    incidents: Sequence[Incident]
    silences: Sequence[Silence]
    channels: frozenset[str]
    now: float
    confirming: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Plan:
    """Rows for the outbox, the incidents as they are then, and why some alerts are held back.

    `after` is the situation as it is once all of this is stored.
    """

    deliveries: list[Delivery] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)
    held_back: dict[str, str] = field(default_factory=dict)
    after: Situation | None = None


def plan(situation: Situation, settings: AlertSettings) -> Plan:
    """Decide what to tell."""
    planner = _Planner(situation, settings)
    planner.close_what_is_over()
    planner.tell_what_is_new()
    planner.update_what_grew()
    planner.take_another_way()
    return planner.result()


class _Planner:
    def __init__(self, situation: Situation, settings: AlertSettings) -> None:
        self.alerts, self.now = situation.alerts, situation.now
        self.situation, self.settings = situation, settings
        self.before = {(i.channel, i.key): i for i in situation.incidents}
        self.incidents = dict(self.before)
        self.made = Plan()

    def result(self) -> Plan:
        """What was decided."""
        changed = [i for key, i in self.incidents.items() if self.before.get(key) != i]
        return replace(self.made, incidents=changed)

    def close_what_is_over(self) -> None:
        """Resolve each incident that has no member left that is on."""
        for incident in self._open():
            if not any(self._is_on(*member) for member in incident.members):
                members = [self.alerts[f] for f, _ in incident.members if f in self.alerts]
                closed = replace(incident, closed_at=self.now)
                if members and incident.dismissed_at is None:
                    self._say(closed, Action.RESOLVE, members, 0.0)
                else:
                    self._keep(closed)

    def tell_what_is_new(self) -> None:
        """Open an incident for what fires and its channels have not heard of, or let it join one."""
        for channel, found in self._untold().items():
            buckets: dict[str, list[tuple[Alert, Route]]] = {}
            for alert, wanted in found:
                is_grouped = bool(wanted.group_by) and channel not in GROUPS_ITSELF
                name = f"{alert.severity.value}|{group(alert, wanted)}" if is_grouped else ""
                buckets.setdefault(name or f"one by one:{alert.stream.client}", []).append((alert, wanted))
            for name, pages in buckets.items():
                if not name.startswith("one by one:"):
                    self._group(channel, name, pages)
                else:
                    self._one_by_one(channel, [(a, r) for a, r in pages if self._has_waited(a, r)])

    def update_what_grew(self) -> None:
        """Tell of the new members of a group or storm, but not too often."""
        for incident in self._open():
            grew = len(incident.members) - incident.told
            if grew > 0 and self.now - incident.updated_at >= self.settings.update_every:
                note = f"{grew} more since it was last told"
                self._say(incident, Action.TRIGGER, self._members(incident), 0.0, note)

    def take_another_way(self) -> None:
        """Climb the fallback ladder for critical pages that their pager did not take."""
        settings, confirming = self.settings.fallback, self.situation.confirming
        for incident in self._open():
            is_confirming = incident.channel in confirming
            for step in climb(incident, settings, is_confirming=is_confirming, now=self.now):
                current = self.incidents[incident.channel, incident.key]
                self._keep(replace(current, steps=current.steps | step.rung))
                for channel in self._other_ways(incident.channel, everybody=step.everybody):
                    known = self.incidents.get((channel, incident.key))
                    copy = Incident(channel, incident.key, "fallback", "", incident.severity, self.now)
                    way = replace(known or copy, members=incident.members, stream=incident.stream)
                    self._say(way, Action.TRIGGER, self._members(incident), 0.0, step.why)

    def _other_ways(self, channel: str, *, everybody: bool) -> list[str]:
        others = self.situation.channels - {channel}
        named = [c for c in self.settings.fallback.channels if c in others]
        return sorted(others) if everybody or not named else named

    def _untold(self) -> dict[str, list[tuple[Alert, Route]]]:
        """What fires and may be told, by channel that does not know of it."""
        told = {(i.channel, *m) for i in self._open() if not self._is_to_reopen(i) for m in i.members}
        inhibitor = Inhibitor(self.settings.inhibitions, self.alerts.values())
        untold: dict[str, list[tuple[Alert, Route]]] = {}
        for alert in self.alerts.values():
            if alert.state is not State.FIRING:
                continue
            wanted = route(alert, self.settings)
            names = [c for c in wanted.channels if c in self.situation.channels]
            names = [c for c in names if (c, alert.fingerprint, alert.episode) not in told]
            why = names and (silenced(alert, self.situation.silences, self.now) or inhibitor.reason(alert))
            if why:
                self.made.held_back[alert.fingerprint] = why
                continue
            for channel in names:
                untold.setdefault(channel, []).append((alert, wanted))
        return untold

    def _one_by_one(self, channel: str, pages: Fresh) -> None:
        """An incident each, or one for all where they are too many at once."""
        if not pages:
            return
        client, wanted = pages[0][0].stream.client, pages[0][1]
        storm = None if channel in GROUPS_ITSELF else self._storm(channel, f"storm:{client}", len(pages))
        if storm is not None:
            new = Incident(channel, storm, "storm", f"storm:{client}", "critical", self.now)
            self._join(self.incidents.get((channel, storm), new), pages, wanted)
            return
        for alert, route_of_alert in pages:
            key = f"watchkeeper:{alert.stream.environment}:{alert.rule}:{alert.fingerprint}:{alert.episode}"
            new = Incident(channel, self._successor(channel, key), "single", "", "", self.now)
            self._join(new, [(alert, route_of_alert)], route_of_alert)

    def _storm(self, channel: str, name: str, count: int) -> str | None:
        """The key of the storm that `count` new alerts belong to, or None where they are few."""
        within = self.settings.storm.within
        mine = [i for i in self.incidents.values() if i.channel == channel]
        for incident in mine:
            is_blowing = incident.group == name and self.now - incident.joined_at <= within
            if is_blowing and incident.closed_at is None and incident.dismissed_at is None:
                return incident.key
        client = name.removeprefix("storm:")
        recent = [i for i in mine if i.kind == "single" and i.stream.client == client]
        count += sum(self.now - i.opened_at <= within for i in recent)
        return f"watchkeeper:{name}:{round(self.now)}" if count > self.settings.storm.more_than else None

    def _group(self, channel: str, name: str, pages: Fresh) -> None:
        """Join the open incident of the group, or open one when the first has waited long enough."""
        mine = (i for i in self._open() if i.channel == channel and i.group == name)
        found = next((i for i in mine if i.dismissed_at is None), None)
        if found is not None:
            self._join(found, pages, pages[0][1])
        elif any(self._has_waited(alert, wanted) for alert, wanted in pages):
            alert = min((alert for alert, _ in pages), key=lambda a: (a.fired_at or 0.0, a.fingerprint))
            key = f"watchkeeper:{alert.stream.environment}:group:{alert.fingerprint}:{alert.episode}"
            new = Incident(channel, f"{key}:{round(self.now)}", "group", name, "", self.now)
            self._join(new, pages, pages[0][1])

    def _join(self, incident: Incident, pages: Fresh, wanted: Route) -> None:
        """Make alerts members of an incident; say so at once if nothing was said yet."""
        alerts = [alert for alert, _ in pages]
        members = dict.fromkeys((*incident.members, *((a.fingerprint, a.episode) for a in alerts)))
        joined = replace(incident, members=tuple(members), joined_at=self.now)
        if incident.sequence:
            self._keep(joined)
            return
        lead = alerts[0]
        severity = incident.severity or lead.severity.value
        joined = replace(joined, severity=severity, stream=lead.stream, rule=lead.rule)
        opens_at = opening(wanted.hours, self.now)
        # 0 is "at once" whatever the clock does; a time is only given where it has to wait.
        self._say(joined, Action.TRIGGER, alerts, opens_at if opens_at > self.now else 0.0)

    def _say(
        self, incident: Incident, action: Action, members: Sequence[Alert], not_before: float, note: str = ""
    ) -> None:
        said = replace(
            incident, sequence=incident.sequence + 1, updated_at=self.now, told=len(incident.members)
        )
        notification = replace(
            compose(action, incident.key, members, self.settings, self.now), note=note, sequence=said.sequence
        )
        fingerprint, episode = incident.members[0]
        delivery = Delivery(
            incident.channel,
            incident.key,
            said.sequence,
            action,
            encode(notification),
            self.now,
            PRIORITY.get(incident.severity, 4) + (action is Action.RESOLVE),
            not_before,
            fingerprint=fingerprint,
            episode=episode,
        )
        self.made.deliveries.append(delivery)
        self._keep(said)

    def _successor(self, channel: str, key: str) -> str:
        """The key, or the one after it where somebody closed the incident of that key by hand."""
        while (channel, key) in self.incidents:
            dismissed = self.incidents[channel, key]
            self._keep(replace(dismissed, closed_at=dismissed.closed_at or self.now))
            base, _, count = key.partition("#")
            key = f"{base}#{int(count or 1) + 1}"
        return key

    def _has_waited(self, alert: Alert, wanted: Route) -> bool:
        waited = self.now - (alert.fired_at or 0.0)
        return (
            waited >= wanted.wait or waited < 0
        )  # the clock was set back: nobody waits for it to come round

    def _is_to_reopen(self, incident: Incident) -> bool:
        waited = None if incident.dismissed_at is None else self.now - incident.dismissed_at
        return waited is not None and waited >= self.settings.reopen_after

    def _is_on(self, fingerprint: str, episode: int) -> bool:
        alert = self.alerts.get(fingerprint)
        return alert is not None and alert.is_open and alert.episode == episode

    def _members(self, incident: Incident) -> list[Alert]:
        return [self.alerts[f] for f, episode in incident.members if self._is_on(f, episode)]

    def _open(self) -> list[Incident]:
        return [incident for incident in self.incidents.values() if incident.closed_at is None]

    def _keep(self, incident: Incident) -> None:
        self.incidents[incident.channel, incident.key] = incident
