"""One episode of an alert as it is stored: its transitions, what each channel was sent about it, and its notes."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from monitor.records import Alert, Delivery, Diagnosis, Receipt, State, Transition
from monitor.store import alerts, diagnoses, incident_notes, incidents, outbox
from monitor.store.incident_notes import IncidentNote
from monitor.store.incidents import Incident

MOST_MEMBERS = 50


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation with one channel: its incident, its deliveries in order, and the answers by delivery."""

    incident: Incident
    deliveries: tuple[Delivery, ...]
    receipts: dict[int, list[Receipt]]


@dataclass(frozen=True, slots=True)
class EpisodeView:
    """Episode `number` of an alert, `is_newest` if the alert's own figures are of it. `fired_at` is None if it never
    fired, or if its history is not kept any more. `others` are the alerts of the same conversations, with the episode.
    """

    alert: Alert
    number: int
    is_newest: bool
    fired_at: float | None
    ended_at: float | None
    transitions: tuple[Transition, ...]
    conversations: tuple[Conversation, ...]
    others: tuple[tuple[Alert, int], ...]
    left_out: int
    notes: tuple[IncidentNote, ...]
    diagnosis: Diagnosis | None = None


def read(connection: Connection, alert: Alert, number: int, now: float) -> EpisodeView:
    """An episode of an alert; `number` is at most that of the alert."""
    everything = alerts.load_transitions(connection, 0.0, now + 1, fingerprint=alert.fingerprint)
    mine = of_episode(everything, number)
    is_newest = number == alert.episode
    fired = next((one.at for one in mine if _is_first_fire(one)), alert.fired_at if is_newest else None)
    ended = next((one.at for one in mine if one.to is State.RESOLVED), None)
    conversations = _conversations(connection, alert.fingerprint, number, fired)
    members = sorted(
        {member for each in conversations for member in each.incident.members} - {(alert.fingerprint, number)}
    )
    others = [
        (alerts.get(connection, fingerprint), episode) for fingerprint, episode in members[:MOST_MEMBERS]
    ]
    notes = incident_notes.of_client(connection, alert.stream.client) if fired is not None else []
    known = diagnoses.of_alerts(connection, [alert.fingerprint])
    return EpisodeView(
        alert,
        number,
        is_newest,
        fired,
        ended,
        tuple(mine),
        tuple(conversations),
        tuple((other, episode) for other, episode in others if other is not None),
        max(0, len(members) - MOST_MEMBERS),
        tuple(
            note
            for note in notes
            if note.fingerprint == alert.fingerprint and note.started == int(fired or 0.0)
        ),
        (alert.diagnosis if is_newest else None) or known.get((alert.fingerprint, number)),
    )


def of_episode(everything: Sequence[Transition], number: int) -> list[Transition]:
    """The transitions of an episode, with the wait before it fired; of an alert that never fired, its waits."""
    transitions: list[Transition] = []
    for index, one in enumerate(everything):
        follows = everything[index + 1] if index + 1 < len(everything) else None
        waits_for_next = one.to is State.PENDING and follows is not None and _is_first_fire(follows)
        if waits_for_next:
            if follows is not None and follows.episode == number:
                transitions.append(one)
        elif one.episode == number and (number or one.to in (State.PENDING, State.INACTIVE)):
            transitions.append(one)
    return transitions


def _is_first_fire(one: Transition) -> bool:
    return one.to is State.FIRING and one.before is not State.RECOVERING


def _conversations(
    connection: Connection, fingerprint: str, number: int, fired: float | None
) -> list[Conversation]:
    """The conversations about an episode: those that go on, and those that ended after it fired."""
    if fired is None:
        return []
    known = [*incidents.load_closed_since(connection, fired), *incidents.load_open(connection)]
    mine = [one for one in known if (fingerprint, number) in one.members]
    conversations = []
    for incident in sorted(mine, key=lambda one: (one.opened_at, one.channel, one.key)):
        deliveries = outbox.conversation(connection, incident.channel, incident.key)
        ids = [delivery.id for delivery in deliveries if delivery.id is not None]
        conversations.append(Conversation(incident, tuple(deliveries), outbox.receipts_of(connection, ids)))
    return conversations
