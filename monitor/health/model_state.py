"""The state of a model and of a client, from alerts, freshness and figures. Pure. Waiting is never shown as working."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from monitor.config.units import DAY
from monitor.health import targets as agreed_targets
from monitor.health import wording
from monitor.health.targets import Standing
from monitor.records import Alert, Severity, State, Stream
from monitor.store.incident_notes import IncidentNote
from monitor.store.targets import TargetPeriod
from monitor.visible import counted

_TOLD = (Severity.CRITICAL, Severity.WARNING)
"""The severities that clients see."""


class Health(StrEnum):
    """The state of a model, best first."""

    WORKING = "working"
    WAITING = "waiting"
    WATCH = "watch"
    ATTENTION = "attention"

    @property
    def icon(self) -> str:
        """A symbol that distinguishes the states without colour."""
        return {"working": "✔", "waiting": "?", "watch": "◆", "attention": "✖"}[self.value]

    @property
    def word(self) -> str:
        """The state in words."""
        words = {"working": "Working", "waiting": "Waiting for data", "watch": "Being watched"}
        return words.get(self.value, "Needs attention")

    @property
    def of_day(self) -> str:
        """The words for days in this state, after a number."""
        words = {"working": "working", "waiting": "without data", "watch": "being watched"}
        return words.get(self.value, "needing attention")

    @property
    def code(self) -> int:
        """0 working, 1 waiting, 2 watched, 3 needs attention: the greatest is the worst."""
        return _CODES[self]


_CODES = {health: code for code, health in enumerate(Health)}


@dataclass(frozen=True, slots=True)
class Quality:
    """The quality of one local day, with its agreed limit and the value of a week before.

    Where a target is judged, `period` holds the figure that it is judged by, and so does `value`.
    """

    metric: str
    value: float | None
    target: float | None = None
    before: float | None = None
    estimated: bool = False
    n: float = 0
    day: date | None = None
    period: TargetPeriod | None = None

    @property
    def shown(self) -> str:
        """`71 %`, or a dash."""
        if self.value is None or self.target is None:
            return wording.figure(self.metric, self.value)
        return wording.beside(self.metric, self.value, self.target)

    @property
    def agreed(self) -> str:
        """`at least 75 %`, or empty without an agreed limit."""
        if self.target is None:
            return ""
        return agreed_targets.agreed(self.metric, self.target, least=agreed_targets.is_least(self.metric))

    @property
    def standing(self) -> Standing | None:
        """Whether the target is kept; None without one."""
        return None if self.period is None else Standing(self.period.standing)


@dataclass(frozen=True, slots=True)
class Day:
    """One local day of a model."""

    day: date
    health: Health
    decisions: float = 0
    errors: float = 0
    quality: float | None = None
    estimated: bool = False
    metric: str = ""
    """The metric of `quality`."""


@dataclass(frozen=True, slots=True)
class ClientIncident:
    """One incident of a model, in a client's words. `is_missed`: an agreed target was missed, whatever the severity.

    `about` names the input, answer or segment; `cause` is the diagnosis, `notes` are the updates of the delivery lead.
    """

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
    is_missed: bool = False
    about: str = ""
    cause: str = ""
    notes: tuple[IncidentNote, ...] = ()

    @property
    def full_sentence(self) -> str:
        """The sentence with its subject: `Churn: one of the inputs is missing: age.`"""
        return naming(self.sentence, self.about)

    @property
    def id(self) -> str:
        """The id in commands and forms: the alert and the second of its start."""
        return f"{self.fingerprint}-{int(self.started)}"

    @property
    def health(self) -> Health:
        """The state of the model because of this incident."""
        is_bad = self.is_missed or self.severity is Severity.CRITICAL
        return Health.ATTENTION if is_bad else Health.WATCH


@dataclass(frozen=True, slots=True)
class ModelHealth:
    """One model: its state with the reason in a sentence, its figures, its last days.

    While `is_counted` is False, today is not summarized yet, so its zeros are not real. `counted_at` is when today was
    last summarized.
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
    incidents: tuple[ClientIncident, ...] = ()
    is_counted: bool = True
    counted_at: float | None = None
    targets: tuple[TargetPeriod, ...] = ()
    site: str = ""

    @property
    def strip(self) -> str:
        """The last days in words: `28 working, 2 needing attention`."""
        amounts = [(health, sum(day.health is health for day in self.days)) for health in Health]
        return ", ".join(f"{amount} {health.of_day}" for health, amount in amounts if amount)


@dataclass(frozen=True, slots=True)
class ClientHealth:
    """All models of a client, worst first, and the headline.

    `within_limits` counts from `since`, the first data of a client that is younger than the period, in seconds since
    the epoch.
    """

    client: str
    name: str
    now: float
    models: tuple[ModelHealth, ...]
    headline: str
    health: Health
    within_limits: float | None = None
    since: float | None = None


def model_health(
    stream: Stream,
    title: str,
    alerts: Sequence[Alert],
    last_received: float | None,
    *,
    now: float,
    stale_after: float,
    targets: Sequence[TargetPeriod] = (),
    site: str = "",
) -> ModelHealth:
    """The state of one model from its open alerts, its agreed targets and the time of its last prediction.

    A model that a `site` delivers is as old as its last delivery.
    """
    stale_after = max(stale_after, SITE_STALE_AFTER) if site else stale_after
    health, sentence, since = _state(title, alerts, last_received, now, stale_after, targets)
    if site and last_received is not None:
        sentence += f" As of {wording.span(max(now - last_received, 0.0))} ago, from site {site}."
    return ModelHealth(
        stream, title, health, sentence, since, last_received, targets=tuple(targets), site=site
    )


SITE_STALE_AFTER = 2.0 * DAY
"""Age from which the data of a site counts as missing for its client."""
_State = tuple[Health, str, float | None]


def _state(
    title: str,
    alerts: Sequence[Alert],
    last_received: float | None,
    now: float,
    stale_after: float,
    targets: Sequence[TargetPeriod],
) -> _State:
    """State, sentence and since when; the first that holds, worst first."""
    open_alerts = sorted((alert for alert in alerts if alert.is_open), key=_urgency)
    return (
        _of_alerts(open_alerts, Severity.CRITICAL, Health.ATTENTION, title)
        or _of_targets(targets, Standing.MISSED, Health.ATTENTION, title)
        or _of_alerts(open_alerts, Severity.WARNING, Health.WATCH, title)
        or _of_targets(targets, Standing.AT_RISK, Health.WATCH, title)
        or _of_data(last_received, now, stale_after, title)
        or (Health.WORKING, _working(title, targets), None)
    )


def _of_alerts(alerts: Sequence[Alert], tier: Severity, health: Health, title: str) -> _State | None:
    hits = [alert for alert in alerts if alert.severity is tier]
    if not hits:
        return None
    since = min((alert.fired_at for alert in hits if alert.fired_at is not None), default=None)
    # Firing alerts come before recovering ones, even if those are more severe. Targets have sentences of their own.
    firing = [one for one in alerts if one.state is State.FIRING and one.severity in _TOLD]
    others = [one for one in (*firing, *hits) if one.rule != agreed_targets.RULE]
    return health, state_sentence((others or hits)[0], title), since


def _of_targets(
    targets: Sequence[TargetPeriod], standing: Standing, health: Health, title: str
) -> _State | None:
    hits = [one for one in agreed_targets.by_urgency(targets) if one.standing == standing]
    if not hits:
        return None
    return health, agreed_targets.sentence(hits[0], title), min(one.since for one in hits)


def _of_data(last_received: float | None, now: float, stale_after: float, title: str) -> _State | None:
    if last_received is None:
        return Health.WAITING, f"{title} has not sent any data yet.", None
    if now - last_received > stale_after:
        return (
            Health.WAITING,
            f"{title} has not sent data for {wording.span(now - last_received)}.",
            last_received,
        )
    return None


def _working(title: str, targets: Sequence[TargetPeriod]) -> str:
    """`working as agreed` if targets are agreed and all are known to be met; `working normally` without targets."""
    if not targets:
        return f"{title} is working normally."
    unknown = [one for one in targets if one.standing == Standing.UNKNOWN]
    if not unknown:
        return f"{title} is working as agreed."
    names = " and ".join(wording.name(one.metric).lower() for one in unknown[:2])
    if len(unknown) > 2:
        names = counted(len(unknown), "agreed target")
    return f"{title} is working. Not known yet: {names} ({unknown[0].reason})."


def state_sentence(alert: Alert, title: str) -> str:
    """An alert in a client's words: its `client` annotation, or a generic sentence."""
    if alert.state is State.RECOVERING:
        return f"{title} is back within its limits; we keep watching until it is stable."
    text = alert.annotation("client")
    if text:
        return _about(title, text)
    if alert.severity is Severity.CRITICAL:
        return f"{title} has a serious problem; we are looking into it."
    return f"{title} is behaving differently than before; we are looking into it."


def end_sentence(alert: Alert, title: str) -> str:
    """The sentence of a resolved episode at its worst; empty if it contains no figure."""
    text = alert.at_worst
    if not any(letter.isdigit() for letter in text):
        return ""
    return f"{title}, at its worst: {text[0].lower()}{text[1:]}"


def past_sentence(alert: Alert | None, severity: Severity, title: str) -> str:
    """What was wrong, without figures, because the alert's texts contain current figures."""
    text = alert.annotation("client") if alert is not None else ""
    head, colon, _ = text.partition(":")
    for words in (text, f"{head}." if colon else ""):
        if words and not any(letter.isdigit() for letter in words):
            return _about(title, words)
    if severity is Severity.CRITICAL:
        return f"{title} had a serious problem."
    return f"{title} behaved differently from before."


def _about(title: str, text: str) -> str:
    return f"{title}: {text[0].lower()}{text[1:]}" if title.lower() not in text.lower() else text


def naming(sentence: str, names: str) -> str:
    """A sentence that ends with the names of its subjects; unchanged without names."""
    return f"{sentence.rstrip('.')}: {names}." if names else sentence


def headline(models: Sequence[ModelHealth]) -> tuple[str, Health]:
    """The verdict in one sentence, and the worst state."""
    if not models:
        return "No model has sent data yet.", Health.WAITING
    worst = max((model.health for model in models), key=lambda health: health.code)
    affected = [model for model in models if model.health is worst]
    subject, is_one = _subject(len(affected), len(models)), len(affected) == 1
    are = "is" if is_one else "are"
    if worst is Health.ATTENTION:
        sentence = f"{subject} {'needs' if is_one else 'need'} attention."
    elif worst is Health.WATCH:
        at_risk = sum(_has(model, Standing.AT_RISK) for model in affected)
        rest = f"{counted(at_risk, 'model')} may miss a target" if at_risk else "nothing needs your attention"
        sentence = f"{subject} {are} being watched closely; {rest}."
    elif worst is Health.WAITING:
        working = sum(model.health is Health.WORKING for model in models)
        rest = f"; {counted(working, 'model')} working" if working else ""
        sentence = f"{subject} {are} waiting for data{rest}."
    else:
        sentence = f"{subject} {are} working{_how_well(models)}."
    return sentence, worst


def _subject(affected: int, total: int) -> str:
    """`The model`, `All 3 models` or `2 of 3 models`."""
    if total == 1:
        return "The model"
    return (
        f"All {counted(total, 'model')}" if affected == total else f"{affected} of {counted(total, 'model')}"
    )


def _how_well(models: Sequence[ModelHealth]) -> str:
    unknown = sum(_has(model, Standing.UNKNOWN) for model in models)
    if unknown:
        whose = f" of {counted(unknown, 'model')}" if len(models) > 1 else ""
        return f"; not every agreed target{whose} can be measured yet"
    return " as agreed" if all(model.targets for model in models) else " normally"


def _has(model: ModelHealth, standing: Standing) -> bool:
    return any(one.standing == standing for one in model.targets)


def worst_first(models: Sequence[ModelHealth]) -> tuple[ModelHealth, ...]:
    """The order on a page: worst state first, then by title."""
    return tuple(sorted(models, key=lambda model: (-model.health.code, model.title.lower())))


def _urgency(alert: Alert) -> tuple[int, float]:
    order = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.INFO: 2}
    return order[alert.severity], alert.fired_at or 0.0
