"""Which notifications are due now: routing, grouping, silences, inhibition, escalation and fallback together.

Pure: alerts and their incidents go in, deliveries for the outbox come out. The plan compares the alerts with their
incidents instead of reacting to transitions. So a page that a silence suppressed goes out when the silence ends, and
a tick that runs twice sends nothing twice.

An incident holds alerts of one rule; only a storm holds those of several, and then it names them when it opens. What
begins after a person has acknowledged an incident, or has closed it by hand, opens another one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from monitor.alerts import dedup_key
from monitor.alerts.acknowledge import covered, is_answered
from monitor.alerts.compose import compose
from monitor.alerts.diagnosis.kinds import about, due_kinds, kinds_of
from monitor.alerts.fallback import plan_fallback
from monitor.alerts.grouping import group
from monitor.alerts.inhibition import Inhibitor
from monitor.alerts.notification import encode
from monitor.alerts.routing import opening, route
from monitor.alerts.settings import AlertSettings, Route
from monitor.alerts.silencing import Silencer
from monitor.alerts.situation import NotificationPlan, Situation
from monitor.records import Action, Alert, Delivery, Priority, Severity, State
from monitor.runtime.faults import Faults, Isolation
from monitor.store.incidents import Incident

GROUPS_ITSELF = frozenset(("alertmanager",))
"""Channels that receive every alert individually, because they group alerts themselves."""

AHEAD = 5.0
"""Seconds by which the clocks of several daemons may differ."""
ESCALATED = "it became critical: a new critical incident replaces this one"

RoutedAlerts = Sequence[tuple[Alert, Route]]
_SINGLE = "single:"
_RANK = {severity.value: place for place, severity in enumerate(Severity)}


def plan(situation: Situation, settings: AlertSettings, faults: Faults | None = None) -> NotificationPlan:
    """Plan the notifications that are due. Whatever raises is reported to `faults` and skipped."""
    planner = _Planner(situation, settings, faults or Faults())
    planner.resolve_finished()
    planner.release_unnotified_members()
    planner.notify_new_alerts()
    planner.notify_new_kinds()
    planner.update_changed_incidents()
    planner.use_fallbacks()
    return planner.result()


class _Planner:
    def __init__(self, situation: Situation, settings: AlertSettings, faults: Faults) -> None:
        self.alerts, self.now = situation.alerts, situation.now
        self.situation, self.settings, self.faults = situation, settings, faults
        self.silencer = Silencer(situation.silences, situation.now, faults)
        self.inhibitor = Inhibitor(settings.inhibitions, situation.alerts.values())
        self.before = {(i.channel, i.key): i for i in situation.incidents}
        self.incidents = {key: _not_ahead(incident, self.now) for key, incident in self.before.items()}
        self.planned = NotificationPlan()

    def result(self) -> NotificationPlan:
        """The plan, with the incidents that changed."""
        changed = [i for key, i in self.incidents.items() if self.before.get(key) != i]
        return replace(self.planned, incidents=changed)

    def resolve_finished(self) -> None:
        """Resolve each incident of which no member is still open."""
        for incident in self._open():
            with self._isolated(incident):
                if not any(self._is_member_open(*member) for member in incident.members):
                    self._close(incident)

    def _close(self, incident: Incident, note: str = "") -> None:
        """Close an incident and notify of its end, with the tier that it was opened with."""
        fingerprints = dict.fromkeys(fingerprint for fingerprint, _ in incident.members)
        members = [self.alerts[f] for f in fingerprints if f in self.alerts]
        if incident.kind in ("single", "kind") and incident.severity in _RANK:
            members = [replace(alert, severity=Severity(incident.severity)) for alert in members]
        closed = replace(incident, closed_at=self.now)
        if members and incident.dismissed_at is None:
            self._notify(closed, Action.RESOLVE, members, 0.0, note)
        else:
            self._store(closed)

    def release_unnotified_members(self) -> None:
        """Remove the members of an answered incident that its channel was not notified of: another incident is opened
        for them.
        """
        for incident in self._open():
            if is_answered(incident) and 0 < incident.told < len(incident.members):
                self._store(replace(incident, members=incident.members[: incident.told]))

    def notify_new_alerts(self) -> None:
        """Open an incident for each firing alert that a channel was not notified of, or join it to an open one."""
        for channel, routed in self._unnotified().items():
            groups: dict[str, list[tuple[Alert, Route]]] = {}
            for alert, route_of_alert in routed:
                is_grouped = bool(route_of_alert.group_by) and channel not in GROUPS_ITSELF
                name = f"{alert.severity.value}|{group(alert, route_of_alert)}" if is_grouped else ""
                name = name or f"{_SINGLE}{alert.stream.client}"
                groups.setdefault(name, []).append((alert, route_of_alert))
            for name, pages in groups.items():
                if not name.startswith(_SINGLE):
                    self._group(channel, name, pages)
                else:
                    self._notify_individually(channel, [(a, r) for a, r in pages if self._has_waited(a, r)])

    def notify_new_kinds(self) -> None:
        """Open an incident for each kind of problem that has joined an alert since its last notification."""
        for channel, alert, incidents in self._notified_alerts():
            first = incidents[0]
            if not any(fingerprint == alert.fingerprint for i in incidents for fingerprint, _ in i.kinds):
                self._store(replace(first, kinds=(*first.kinds, *kinds_of([alert]))))
                continue
            due = due_kinds(alert, incidents, self.now, self.settings.update_every)
            if due and not self._suppressed_by(alert):
                key = self._successor(channel, dedup_key.of_kind(alert, due[0][0]))
                new = Incident(channel, key, "kind", "", "", self.now)
                self._join(
                    new, [(about(alert, due), route(alert, self.settings))], route(alert, self.settings)
                )

    def _notified_alerts(self) -> list[tuple[str, Alert, list[Incident]]]:
        """The firing alerts with known kinds of problem, and the open incidents of each channel that hold them."""
        with_kinds = [a for a in self.alerts.values() if a.state is State.FIRING and kinds_of([a])]
        notified = []
        for alert in with_kinds:
            by_channel: dict[str, list[Incident]] = {}
            for incident in self._open():
                is_mine = (alert.fingerprint, alert.episode) in incident.members
                if is_mine and incident.channel not in GROUPS_ITSELF and incident.kind != "fallback":
                    by_channel.setdefault(incident.channel, []).append(incident)
            notified += [(channel, alert, incidents) for channel, incidents in by_channel.items()]
        return notified

    def update_changed_incidents(self) -> None:
        """Notify of members of a group or storm that began or ended, at most every `update_every` seconds."""
        for incident in self._open():
            grew = len(incident.members) - incident.told
            ended = sum(not self._is_member_open(*member) for member in incident.members)
            is_changed = grew > 0 or ended > incident.told_ended
            if is_changed and self.now - incident.updated_at >= self.settings.update_every:
                with self._isolated(incident):
                    self._update(incident, grew, ended)

    def _update(self, incident: Incident, grew: int, ended: int) -> None:
        if incident.dismissed_at is not None:
            return  # an update would open it again
        counts = ((grew, "more"), (ended - incident.told_ended, "fewer"))
        changes = " and ".join(f"{count} {word}" for count, word in counts if count > 0)
        is_one = grew + max(ended - incident.told_ended, 0) == 1
        note = f"{changes} {'alert' if is_one else 'alerts'} since the last notification"
        self._notify(incident, Action.TRIGGER, self._all_members(incident), 0.0, note)

    def use_fallbacks(self) -> None:
        """Escalate critical pages that their pager did not deliver: notify the fallback channels."""
        for incident in self._open():
            with self._isolated(incident):
                self._use_fallback(incident)

    def _use_fallback(self, incident: Incident) -> None:
        is_confirming = incident.channel in self.situation.confirming
        due = plan_fallback(incident, self.settings.fallback, is_confirming=is_confirming, now=self.now)
        members = self._members(incident)
        if due and all(self._suppressed_by(alert) for alert in members):
            self._store(
                replace(incident, due_at=self.now)
            )  # waits start again when it is no longer suppressed
            return
        for fallback in due:
            current = self.incidents[incident.channel, incident.key]
            self._store(replace(current, steps=current.steps | fallback.step))
            for channel in self._fallback_channels(incident.channel, everybody=fallback.everybody):
                known = self.incidents.get((channel, incident.key))
                copy = Incident(channel, incident.key, "fallback", "", incident.severity, self.now)
                backup = replace(known or copy, members=incident.members, stream=incident.stream)
                self._notify(backup, Action.TRIGGER, members, 0.0, fallback.why)

    def _fallback_channels(self, channel: str, *, everybody: bool) -> list[str]:
        others = self.situation.channels - {channel}
        named = [c for c in self.settings.fallback.channels if c in others]
        return sorted(others) if everybody or not named else named

    def _unnotified(self) -> dict[str, list[tuple[Alert, Route]]]:
        """Firing alerts that are due, by the channel that was not notified of them, or not of their escalation."""
        notified: dict[tuple[str, str, int], int] = {}
        for incident in self._open():
            if not self._is_to_reopen(incident):
                rank = _RANK.get(incident.severity, 0)
                for member in covered(incident):
                    place = (incident.channel, *member)
                    notified[place] = min(rank, notified.get(place, rank))
        unnotified: dict[str, list[tuple[Alert, Route]]] = {}
        for alert in self.alerts.values():
            if alert.state is not State.FIRING:
                continue
            with self.faults.isolate("alerts", alert.fingerprint):
                for channel, route_of_alert in self._channels(alert, notified):
                    unnotified.setdefault(channel, []).append((alert, route_of_alert))
        return unnotified

    def _channels(
        self, alert: Alert, notified: Mapping[tuple[str, str, int], int]
    ) -> list[tuple[str, Route]]:
        """The channels to notify of a firing alert; none while it is silenced or inhibited."""
        chosen = route(alert, self.settings)
        names = [c for c in chosen.channels if c in self.situation.channels]
        names = [
            c for c in names if self._is_news(alert, notified.get((c, alert.fingerprint, alert.episode)))
        ]
        if names and (why := self._suppressed_by(alert)):
            self.planned.suppressed[alert.fingerprint] = why
            return []
        if names:  # raise here if it cannot be rendered, before it joins a group or storm
            encode(compose(Action.TRIGGER, "", [alert], self.settings, self.now))
        return [(channel, chosen) for channel in names]

    def _is_news(self, alert: Alert, notified_rank: int | None) -> bool:
        """Whether a channel was not notified of an alert yet, or the alert has become critical since."""
        is_escalated = alert.severity is Severity.CRITICAL and notified_rank != _RANK[Severity.CRITICAL.value]
        return notified_rank is None or is_escalated

    def _suppressed_by(self, alert: Alert) -> str:
        return self.silencer.reason(alert) or self.inhibitor.reason(alert)

    def _notify_individually(self, channel: str, pages: RoutedAlerts) -> None:
        """Open one incident per alert, or a storm if there are too many at once."""
        if not pages:
            return
        client, first_route = pages[0][0].stream.client, pages[0][1]
        name = f"storm:{client}"
        if channel not in GROUPS_ITSELF:
            pages = self._join_storm(channel, name, pages)
            if self._is_storm(channel, client, len(pages)):
                key = self._successor(channel, dedup_key.of_storm(name, self.now))
                self._join(Incident(channel, key, "storm", name, "critical", self.now), pages, first_route)
                return
        for alert, route_of_alert in pages:
            key = dedup_key.of_alert(alert)
            self._close_milder(channel, key)
            new = Incident(channel, self._successor(channel, key), "single", "", "", self.now)
            self._join(new, [(alert, route_of_alert)], route_of_alert)

    def _close_milder(self, channel: str, key: str) -> None:
        """Escalation: close the open incident of an alert that has become critical; a new one is opened for it."""
        milder = self.incidents.get((channel, key))
        if milder is not None and milder.closed_at is None and milder.dismissed_at is None:
            self._close(milder, ESCALATED)

    def _join_storm(self, channel: str, name: str, pages: RoutedAlerts) -> RoutedAlerts:
        """Join alerts to the ongoing storm if it has their rule already; the others."""
        for incident in self._open():
            is_ongoing = self.now - incident.joined_at <= self.settings.storm.within
            is_same = (incident.channel, incident.group) == (channel, name)
            if is_same and is_ongoing and not is_answered(incident):
                rules = {self.alerts[f].rule for f, _ in incident.members if f in self.alerts}
                joining = [page for page in pages if page[0].rule in rules]
                if joining:
                    self._join(incident, joining, joining[0][1])
                pages = [page for page in pages if page[0].rule not in rules]
        return pages

    def _is_storm(self, channel: str, client: str, count: int) -> bool:
        """Whether `count` new alerts, with those of the last minute, are too many to be sent individually."""
        mine = [i for i in self.incidents.values() if i.channel == channel and i.kind == "single"]
        recent = [i for i in mine if i.stream.client == client]
        recently = sum(self.now - i.opened_at <= self.settings.storm.within for i in recent)
        return count > 0 and count + recently > self.settings.storm.more_than

    def _group(self, channel: str, name: str, pages: RoutedAlerts) -> None:
        """Join the open incident of the group, or open one when the first alert has waited for `wait` seconds."""
        mine = (i for i in self._open() if i.channel == channel and i.group == name)
        ongoing = next((i for i in mine if not is_answered(i)), None)
        if ongoing is not None:
            self._join(ongoing, pages, pages[0][1])
        elif any(self._has_waited(alert, route_of_alert) for alert, route_of_alert in pages):
            alert = min((alert for alert, _ in pages), key=lambda a: (a.fired_at or 0.0, a.fingerprint))
            new = Incident(channel, dedup_key.of_group(alert, self.now), "group", name, "", self.now)
            self._join(new, pages, pages[0][1])

    def _join(self, incident: Incident, pages: RoutedAlerts, route_of_alert: Route) -> None:
        """Make alerts members of an incident; notify at once if it is new."""
        alerts = [alert for alert, _ in pages]
        members = dict.fromkeys((*incident.members, *((a.fingerprint, a.episode) for a in alerts)))
        joined = replace(incident, members=tuple(members), joined_at=self.now)
        if incident.sequence:
            self._store(joined)
            return
        lead = alerts[0]
        severity = incident.severity or lead.severity.value
        joined = replace(joined, severity=severity, stream=lead.stream, rule=lead.rule)
        opens_at = opening(route_of_alert.hours, self.now)
        joined = replace(joined, due_at=opens_at)
        # 0 means "at once" even if the clock is set back later; only a delivery that must wait has a time.
        self._notify(joined, Action.TRIGGER, alerts, opens_at if opens_at > self.now else 0.0)

    def _notify(
        self, incident: Incident, action: Action, members: Sequence[Alert], not_before: float, note: str = ""
    ) -> None:
        told_at = incident.told_at or (incident.opened_at,) * incident.told
        untold = incident.members[len(told_at) :]
        notified = replace(
            incident,
            sequence=incident.sequence + 1,
            updated_at=self.now,
            told=len(incident.members),
            told_at=(*told_at, *(self.now for _ in untold)),
            told_ended=sum(not self._is_member_open(*member) for member in incident.members),
        )
        if not incident.sequence:
            notified = replace(notified, kinds=kinds_of(members))
        news = frozenset(fingerprint for fingerprint, _ in untold)
        notification = replace(
            compose(action, incident.key, members, self.settings, self.now, news),
            note=note,
            sequence=notified.sequence,
        )
        fingerprint, episode = incident.members[0]
        delivery = Delivery(
            incident.channel,
            incident.key,
            notified.sequence,
            action,
            encode(notification),
            max(self.now, not_before),  # lateness counts from when it may be sent
            Priority.of(incident.severity, is_resolve=action is Action.RESOLVE),
            not_before,
            fingerprint=fingerprint,
            episode=episode,
        )
        self.planned.deliveries.append(delivery)
        self._store(notified)

    def _successor(self, channel: str, key: str) -> str:
        """The key, or the next one if the incident of that key was closed by hand."""
        while (channel, key) in self.incidents:
            dismissed = self.incidents[channel, key]
            self._store(replace(dismissed, closed_at=dismissed.closed_at or self.now))
            key = dedup_key.successor(key)
        return key

    def _has_waited(self, alert: Alert, route_of_alert: Route) -> bool:
        waited = self.now - (alert.fired_at or 0.0)
        return waited >= route_of_alert.wait or waited < 0  # below 0: the clock was set back

    def _is_to_reopen(self, incident: Incident) -> bool:
        waited = None if incident.dismissed_at is None else self.now - incident.dismissed_at
        return waited is not None and waited >= self.settings.reopen_after

    def _is_member_open(self, fingerprint: str, episode: int) -> bool:
        alert = self.alerts.get(fingerprint)
        return alert is not None and alert.is_open and alert.episode == episode

    def _all_members(self, incident: Incident) -> list[Alert]:
        """The members, those that have ended included."""
        known = ((self.alerts.get(f), episode) for f, episode in incident.members)
        return [alert for alert, episode in known if alert is not None and alert.episode == episode]

    def _members(self, incident: Incident) -> list[Alert]:
        return [self.alerts[f] for f, episode in incident.members if self._is_member_open(f, episode)]

    def _open(self) -> list[Incident]:
        return [incident for incident in self.incidents.values() if incident.closed_at is None]

    def _isolated(self, incident: Incident) -> Isolation:
        return self.faults.isolate("incidents", f"{incident.channel} {incident.key}")

    def _store(self, incident: Incident) -> None:
        self.incidents[incident.channel, incident.key] = incident


def _not_ahead(incident: Incident, now: float) -> Incident:
    """The incident with times in the future set to now: after the clock was set back, its waits start again."""
    times = ("opened_at", "updated_at", "joined_at", "accepted_at", "dismissed_at")
    ahead: dict[str, Any] = {name: now for name in times if (getattr(incident, name) or 0.0) > now + AHEAD}
    return replace(incident, **ahead) if ahead and incident.closed_at is None else incident
