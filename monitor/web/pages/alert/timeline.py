"""What happened in an episode of an alert, in order of time and in words. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from monitor.alerts.notification import decode
from monitor.records import Action, Delivery, Receipt, State, Status, Transition
from monitor.web.pages.alert.episode import Conversation, EpisodeView

MOST_SHOWN = 200
_WORDS = {
    State.PENDING: "Pending",
    State.FIRING: "Fired",
    State.RECOVERING: "Recovering",
    State.RESOLVED: "Resolved",
    State.INACTIVE: "Back to normal before it fired",
}
_VERBS = {
    Action.TRIGGER: "notified",
    Action.ACKNOWLEDGE: "notified of the acknowledgement",
    Action.RESOLVE: "notified of the resolution",
    Action.CHANGE: "notified of a change",
    Action.MESSAGE: "sent a message",
    Action.ROLLBACK: "ordered to roll back",
}
_OUTCOMES = {
    Status.SENT: "accepted",
    Status.PENDING: "waiting to be sent",
    Status.LEASED: "is being sent",
    Status.SUPERSEDED: "not sent: no longer necessary",
    Status.DEAD: "given up",
}


@dataclass(frozen=True, slots=True)
class Event:
    """One event: when, of which kind (`state`, `delivery` or `person`), what, and details."""

    at: float
    kind: str
    what: str
    details: tuple[str, ...] = ()


def timeline(one: EpisodeView) -> list[Event]:
    """Everything that is known of an episode, oldest first; the newest if there is too much."""
    events = [*_changes(one), *_deliveries(one), *_people(one)]
    return sorted(events, key=lambda event: event.at)[-MOST_SHOWN:]


def _changes(one: EpisodeView) -> Iterator[Event]:
    for change in one.transitions:
        yield Event(change.at, "state", _word(change), (change.reason,) if change.reason else ())
    diagnosis = one.diagnosis
    if diagnosis is not None and diagnosis.what:
        yield Event(diagnosis.at, "state", "Last diagnosis", (diagnosis.what, *diagnosis.causes))


def _word(change: Transition) -> str:
    if change.to is State.FIRING and change.before is State.RECOVERING:
        return "Firing again"
    return _WORDS[change.to]


def _deliveries(one: EpisodeView) -> Iterator[Event]:
    for conversation in one.conversations:
        for delivery in conversation.deliveries:
            answers = conversation.receipts.get(delivery.id or 0, [])
            yield Event(
                delivery.created_at,
                "delivery",
                f"{delivery.channel} {_verb(delivery, conversation)}: {outcome(delivery, answers)}",
                tuple(_details(delivery, answers)),
            )


def _verb(delivery: Delivery, conversation: Conversation) -> str:
    if delivery.action is Action.TRIGGER and delivery.sequence > conversation.deliveries[0].sequence:
        return "updated"
    return _VERBS[delivery.action]


def outcome(delivery: Delivery, answers: list[Receipt]) -> str:
    """What became of a delivery: `accepted after 2 attempts`."""
    words = _OUTCOMES[delivery.status]
    tried = len(answers) or delivery.attempts
    if tried > 1 or (tried and delivery.status in (Status.PENDING, Status.DEAD)):
        words += f" after {tried} {'attempt' if tried == 1 else 'attempts'}"
    return words


def _details(delivery: Delivery, answers: list[Receipt]) -> Iterator[str]:
    try:
        yield decode(delivery.body).title
    except ValueError:  # msgspec's errors are ValueErrors too
        yield "the text of the notification cannot be read"
    for number, answer in enumerate(answers, 1):
        if answer.outcome != Status.SENT.value or answer.detail:
            code = f" {answer.code}" if answer.code is not None else ""
            words = f"{answer.outcome}{code}{': ' if answer.detail else ''}{answer.detail}"
            yield f"attempt {number}: {words}"


def _people(one: EpisodeView) -> Iterator[Event]:
    if one.is_newest and one.alert.acknowledged_at is not None:
        by = one.alert.acknowledged_by or "an unknown person"
        yield Event(one.alert.acknowledged_at, "person", f"Acknowledged by {by}")
    for note in one.notes:
        yield Event(note.at, "person", f"Update for the client by {note.author}", (note.text,))
