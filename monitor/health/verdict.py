"""The verdict on a model and on a client: pure, from alerts, freshness and figures. Waiting is never shown as fine."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from monitor.health import wording
from monitor.records import Alert, Severity, State, Stream


class Health(StrEnum):
    """How a model is doing, the best first."""

    WORKING = "working"
    WAITING = "waiting"
    WATCH = "watch"
    ATTENTION = "attention"

    @property
    def icon(self) -> str:
        """A sign that tells the states apart without colour."""
        return {"working": "✔", "waiting": "?", "watch": "◆", "attention": "✖"}[self.value]

    @property
    def word(self) -> str:
        """The state in words."""
        words = {"working": "Working", "waiting": "Waiting for data", "watch": "Being watched"}
        return words.get(self.value, "Needs attention")

    @property
    def code(self) -> int:
        """0 working, 1 waiting, 2 watched, 3 needs attention: the greatest is the worst."""
        return list(Health).index(self)


@dataclass(frozen=True, slots=True)
class Quality:
    """One figure that stands for quality, of one local day, beside what was agreed and what it was a week before."""

    metric: str
    value: float | None
    target: float | None = None
    before: float | None = None
    estimated: bool = False
    n: float = 0
    day: date | None = None

    @property
    def shown(self) -> str:
        """`71 %`, or a dash."""
        return wording.figure(self.metric, self.value)

    @property
    def agreed(self) -> str:
        """`at least 75 %`, or nothing where nothing was agreed."""
        if self.target is None:
            return ""
        bound = "at most" if self.metric in ("mae", "rmse", "mape") else "at least"
        return f"{bound} {wording.figure(self.metric, self.target)}"


@dataclass(frozen=True, slots=True)
class Day:
    """One local day of a model."""

    day: date
    health: Health
    decisions: float = 0
    errors: float = 0
    quality: float | None = None
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Incident:
    """One time that something was outside what was agreed."""

    stream: Stream
    title: str
    rule: str
    severity: Severity
    sentence: str
    started: float
    ended: float | None
    acknowledged: float | None = None
    fingerprint: str = ""
    episode: int = 0

    @property
    def health(self) -> Health:
        """How the model was doing for the incident's sake."""
        return Health.ATTENTION if self.severity is Severity.CRITICAL else Health.WATCH


@dataclass(frozen=True, slots=True)
class ModelHealth:
    """One model: its state with the reason in a sentence, its figures, its last days.

    Until `is_counted`, what came in today is not summed up yet, and its figures are no zeros. `counted_at` is when
    today was summed up last.
    """

    stream: Stream
    title: str
    health: Health
    sentence: str
    since: float | None = None
    last_received: float | None = None
    quality: Quality | None = None
    decisions: float = 0
    decisions_before: float | None = None
    errors: float = 0
    days: tuple[Day, ...] = ()
    incidents: tuple[Incident, ...] = ()
    is_counted: bool = True
    counted_at: float | None = None

    @property
    def strip(self) -> str:
        """The last days in words: `28 working, 2 needs attention`."""
        amounts = [(health, sum(day.health is health for day in self.days)) for health in Health]
        return ", ".join(f"{amount} {health.word.lower()}" for health, amount in amounts if amount)


@dataclass(frozen=True, slots=True)
class ClientHealth:
    """All models of a client, the worst first, and the sentence that comes before everything else."""

    client: str
    name: str
    now: float
    models: tuple[ModelHealth, ...]
    headline: str
    health: Health
    within_limits: float | None = None


def judge(
    stream: Stream,
    title: str,
    alerts: Sequence[Alert],
    last_received: float | None,
    *,
    now: float,
    stale_after: float,
) -> ModelHealth:
    """The state of one model from its open alerts and the time of its last prediction."""
    open_alerts = sorted((alert for alert in alerts if alert.is_open), key=_urgency)
    for tier, health in ((Severity.CRITICAL, Health.ATTENTION), (Severity.WARNING, Health.WATCH)):
        hits = [alert for alert in open_alerts if alert.severity is tier]
        if hits:
            since = min((alert.fired_at for alert in hits if alert.fired_at is not None), default=None)
            return ModelHealth(stream, title, health, told(hits[0], title), since, last_received)
    if last_received is None:
        return ModelHealth(stream, title, Health.WAITING, f"{title} has not sent any data yet.")
    if now - last_received > stale_after:
        sentence = f"{title} has not sent data for {wording.span(now - last_received)}."
        return ModelHealth(stream, title, Health.WAITING, sentence, last_received, last_received)
    return ModelHealth(stream, title, Health.WORKING, f"{title} is working as agreed.", None, last_received)


def told(alert: Alert, title: str) -> str:
    """An alert in a client's words: its `client` annotation, or a sentence that says no more than is known."""
    if alert.state is State.RECOVERING:
        return f"{title} is back within its limits; we watch until that lasts."
    text = alert.annotation("client")
    if text:
        return _about(title, text)
    if alert.severity is Severity.CRITICAL:
        return f"{title} is outside what was agreed."
    return f"{title} behaves differently from before; it is being looked at."


def told_of_end(alert: Alert, title: str) -> str:
    """How far out an episode that is over was, in its own words; empty where they held no figure."""
    text = alert.at_worst
    if not any(letter.isdigit() for letter in text):
        return ""
    return f"{title}, at its worst: {text[0].lower()}{text[1:]}"


def told_of_past(alert: Alert | None, severity: Severity, title: str) -> str:
    """What was wrong, without figures: an alert's words carry those of now, and not those of then."""
    text = alert.annotation("client") if alert is not None else ""
    head, colon, _ = text.partition(":")
    for words in (text, f"{head}." if colon else ""):
        if words and not any(letter.isdigit() for letter in words):
            return _about(title, words)
    if severity is Severity.CRITICAL:
        return f"{title} was outside what was agreed."
    return f"{title} behaved differently from before."


def _about(title: str, text: str) -> str:
    return f"{title}: {text[0].lower()}{text[1:]}" if title.lower() not in text.lower() else text


def headline(models: Sequence[ModelHealth]) -> tuple[str, Health]:
    """The whole verdict in one sentence, and the worst state."""
    total = len(models)
    if not total:
        return "No model has sent data yet.", Health.WAITING
    amount = {health: sum(model.health is health for model in models) for health in Health}
    worst = max((model.health for model in models), key=lambda health: health.code)
    subject = f"{amount[worst]} of {wording.plural(total, 'model')}" if total > 1 else "The model"
    if total > 1 and amount[worst] == total:
        subject = f"All {total} models"
    one = amount[worst] == 1
    if worst is Health.ATTENTION:
        return f"{subject} {'needs' if one else 'need'} attention.", worst
    if worst is Health.WATCH:
        return (
            f"{subject} {'is' if one else 'are'} being watched closely; nothing needs your attention.",
            worst,
        )
    if worst is Health.WAITING:
        rest = (
            f"; {wording.plural(amount[Health.WORKING], 'model')} working" if amount[Health.WORKING] else ""
        )
        return f"{subject} {'is' if one else 'are'} waiting for data{rest}.", worst
    return (
        f"All {total} models are working as agreed." if total > 1 else "The model is working as agreed."
    ), worst


def worst_first(models: Sequence[ModelHealth]) -> tuple[ModelHealth, ...]:
    """The order of a page: what needs attention on top, then by title."""
    return tuple(sorted(models, key=lambda model: (-model.health.code, model.title.lower())))


def within_limits(incidents: Sequence[Incident], models: int, start: float, end: float) -> float | None:
    """The share of time in `[start, end)` in which no model needed attention, averaged over models."""
    if not models or end <= start:
        return None
    broken: dict[Stream, list[tuple[float, float]]] = {}
    for incident in incidents:
        if incident.health is Health.ATTENTION:
            span = (
                max(start, incident.started),
                min(end, incident.ended if incident.ended is not None else end),
            )
            broken.setdefault(incident.stream, []).append(span)
    lost = sum(_covered(spans) for spans in broken.values())
    return max(0.0, 1 - lost / (models * (end - start)))


def _covered(spans: list[tuple[float, float]]) -> float:
    """Length of the union of intervals."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def _urgency(alert: Alert) -> tuple[int, float]:
    order = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.INFO: 2}
    return order[alert.severity], alert.fired_at or 0.0
