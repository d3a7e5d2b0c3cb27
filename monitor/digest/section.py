"""What a digest says of one model: targets, quality, volume, incidents, inputs that moved, what is coming. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from urllib.parse import quote

from monitor.config.units import DAY
from monitor.digest.schedule import Due
from monitor.health import targets, wording
from monitor.health.attainment import attained
from monitor.health.daily_summary import bounds
from monitor.health.model_state import ClientIncident, Health, ModelHealth, naming
from monitor.health.settings import ClientSettings
from monitor.health.targets import Standing
from monitor.store.daily_summaries import DayFigures
from monitor.store.targets import TargetPeriod
from monitor.visible import counted, one_line

STALE_TRUTH_DAYS = 3
OLD_DAYS = 90
"""Days after which what a model is compared with is called old."""
MOST_INCIDENTS, MOST_NAMED = 5, 3
MOST_CHARACTERS = 400
"""Of each text: names come from outside and may be long."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A figure with its name, complete in words."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class ModelSection:
    """One model: its state and the reason, its figures, its incidents, and what is coming."""

    title: str
    health: Health
    link: str
    text: str
    facts: tuple[Fact, ...] = ()
    incidents: tuple[str, ...] = ()
    coming: tuple[str, ...] = ()
    has_rollout: bool = False


@dataclass(frozen=True, slots=True)
class Observed:
    """What is read of a model besides its state.

    `moved` names the inputs that moved, with sizes; `compared_since` is when the data that the model is compared with
    ends; `periods` are those of its targets; `answers` is what signals say of its answers;
    `rolled_out` says what happened to versions since the last digest; `groups` what is known of groups, by segment;
    `own` what the model's own metrics say, by name; `expected` whether the data is as expected.
    """

    moved: str = ""
    compared_since: float | None = None
    periods: tuple[TargetPeriod, ...] = ()
    rolled_out: str = ""
    answers: str = ""
    groups: tuple[tuple[str, str], ...] = ()
    own: tuple[tuple[str, str], ...] = ()
    expected: str = ""


def section(
    model: ModelHealth,
    days: Sequence[DayFigures],
    seen: Observed,
    due: Due,
    page: str,
    settings: ClientSettings,
) -> ModelSection:
    """The section of one model."""
    since = ""
    if model.since is not None and model.health is not Health.WAITING:
        since = f" Since {wording.moment(model.since, settings.zone, due.at)}."
    facts = [Fact("Versions", seen.rolled_out)] if seen.rolled_out else []
    facts += [*_targets(model, seen, due, settings), *_quality(model, days, due, settings)]
    facts += _volume(days, due, settings.sample(model.stream.model))
    facts += [Fact("Answers", seen.answers)] if seen.answers else []
    facts += [Fact(name, text) for name, text in seen.own]
    facts += [Fact("Data", seen.expected)] if seen.expected else []
    facts += [Fact("Inputs that moved", seen.moved)] if seen.moved else []
    shown = [Fact(fact.name, _cut(fact.text)) for fact in facts]
    shown += [
        Fact(f"Groups by {segment}", text) for segment, text in seen.groups
    ]  # whole: the end is a caveat
    return ModelSection(
        _cut(model.title),
        model.health,
        f"{page}m/{quote(model.stream.model, safe='')}" if page else "",
        _cut(model.sentence + since),
        tuple(shown),
        tuple(_incidents(model.incidents, due, settings)),
        tuple(_coming(model, days, seen, due, settings)),
        bool(seen.rolled_out),
    )


def _targets(model: ModelHealth, seen: Observed, due: Due, settings: ClientSettings) -> Iterable[Fact]:
    """Each agreed target as the page has it: the figure with its interval, what was agreed, and how that stands."""
    start, end = _bounds(due, settings)
    met = {(one.metric, one.target): one for one in attained(seen.periods, start, end)}
    for one in targets.by_urgency(model.targets):
        standing, bound = Standing(one.standing), targets.agreed(one.metric, one.target, least=one.is_least)
        notes = ["estimated" if one.estimated else "", targets.interval(one), one.reason]
        noted = ", ".join(filter(None, notes))
        text = f"{standing.words}: {targets.shown(one)}{f' ({noted})' if noted else ''}, agreed {bound}"
        over = met.get((one.metric, one.target))
        if over is not None and over.share is not None:
            text += f"; met {over.words} {_period(due)}"
        when = "" if one.value is None else f", {targets.over(one.seconds)}"
        yield Fact(wording.name(one.metric) + when, text)


def _quality(
    model: ModelHealth, days: Sequence[DayFigures], due: Due, settings: ClientSettings
) -> Iterable[Fact]:
    """Quality in the period of the digest and in the one before; if it has none, the newest figure with its date."""
    if model.quality is None:
        return
    metric, name = model.quality.metric, wording.name(model.quality.metric)
    value, n, is_estimated = quality_over(days, due.span(), metric)
    if value is None:
        if model.quality.period is None:
            when = f", {wording.date_words(model.quality.day)}" if model.quality.day else ""
            yield Fact(
                name + when, _marked(model.quality.shown, model.quality.agreed, model.quality.estimated)
            )
        return
    limit = targets.limits_of(settings.view(model.stream.model), (metric,)).get(metric)
    shown = wording.figure(metric, value) if limit is None else wording.beside(metric, value, limit)
    bound = "" if limit is None else targets.agreed(metric, limit, least=targets.is_least(metric))
    text = _marked(shown, bound, is_estimated)
    stood = targets.of_day(metric, value, n, settings.view(model.stream.model), estimated=is_estimated)
    text = f"{stood.words}: {text}" if stood is not None else text
    earlier, _, _ = quality_over(days, due.span(due.days), metric)
    if earlier is not None:
        change = wording.change(value, earlier, metric)
        text += f"; {_before(due)} {wording.figure(metric, earlier)} ({change})"
    yield Fact(f"{name}, {_period(due)}", text)


def _marked(shown: str, bound: str, is_estimated: bool) -> str:
    notes = ("estimated" if is_estimated else "", f"agreed {bound}" if bound else "")
    return ", ".join((shown, *filter(None, notes)))


def quality_over(
    days: Sequence[DayFigures], span: tuple[date, date], metric: str
) -> tuple[float | None, float, bool]:
    """The mean over the days of `span` weighted by sample size, the sample size, and whether a part is estimated."""
    inside = [
        day
        for day in days
        if span[0] <= day.day <= span[1] and day.metric == metric and day.quality is not None
    ]
    n = sum(one.quality_n for one in inside)
    mean = sum((one.quality or 0.0) * one.quality_n for one in inside) / n if n else None
    return mean, n, any(one.estimated for one in inside)


def _volume(days: Sequence[DayFigures], due: Due, sample: str) -> Iterable[Fact]:
    name = f"Decisions{f' {sample}' if sample else ''}, {_period(due)}"
    now, before = (_decisions(days, due.span(back)) for back in (0, due.days))
    if now is None:
        if days:
            yield Fact(name, "none")
        return
    text = wording.count(now[0])
    if before is not None:
        text += f"; {_before(due)} {wording.count(before[0])} ({wording.change(now[0], before[0], 'volume')})"
    if now[0] and now[1]:
        text += f"; {wording.share(now[1] / now[0])} without an answer"
    yield Fact(name, text)


def _decisions(days: Sequence[DayFigures], span: tuple[date, date]) -> tuple[float, float] | None:
    """Decisions and those without an answer; None without a day."""
    inside = [day for day in days if span[0] <= day.day <= span[1]]
    return (sum(one.decisions for one in inside), sum(one.errors for one in inside)) if inside else None


def _incidents(incidents: Sequence[ClientIncident], due: Due, settings: ClientSettings) -> list[str]:
    """The incidents from the start of the period up to now, newest first."""
    start, _ = _bounds(due, settings)
    mine = [i for i in incidents if i.started < due.at and (i.ended is None or i.ended > start)]
    mine.sort(key=lambda one: (-(one.started // 60), one.rule, one.about))
    alike = [list(run) for _, run in groupby(mine, key=_alike)]
    lines = [incident_words(run, due.at, settings) for run in alike[:MOST_INCIDENTS]]
    more = sum(len(run) for run in alike[MOST_INCIDENTS:])
    return [*lines, f"and {counted(more, 'more incident')} on the page"] if more > 0 else lines


def _alike(one: ClientIncident) -> tuple[str, int, int]:
    """Incidents of one rule in the same minutes are reported together, such as those of each input of a broken feed."""
    return one.rule, int(one.started // 60), -1 if one.ended is None else int(one.ended // 60)


def incident_words(run: Sequence[ClientIncident], now: float, settings: ClientSettings) -> str:
    """`Sun 21:40, lasted 1 h 20 min: ...`: start, duration, what it was, about what, its cause, the newest update."""
    one, names = run[0], [incident.about for incident in run if incident.about]
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    sentence = naming(one.sentence, ", ".join(names[:MOST_NAMED]) + more)
    zone = settings.zone
    length = wording.span((now if one.ended is None else one.ended) - one.started)
    lasted = f"ongoing for {length}" if one.ended is None else f"lasted {length}"
    parts = [f"{wording.moment(one.started, zone, now)}, {lasted}: {sentence}"]
    parts += [f"Possible cause at the start: {one.cause}."] if one.cause else []
    newest = sorted((note for incident in run for note in incident.notes), key=lambda note: note.at)
    updates = [_cut(f"Update {wording.moment(n.at, zone, now)}: {n.text}") for n in newest[-1:]]
    return " ".join((_cut(" ".join(parts)), *updates))


def _coming(
    model: ModelHealth, days: Sequence[DayFigures], seen: Observed, due: Due, settings: ClientSettings
) -> Iterable[str]:
    """What needs attention soon."""
    _, last = due.span()
    known = [day.day for day in days if day.quality is not None and not day.estimated]
    is_judged = any(
        target.metric in wording.QUALITY and target.value and not target.estimated for target in model.targets
    )
    if any(day.decisions for day in days) and not known and not is_judged:
        yield "There are no confirmed outcomes yet, so quality is not measured."
    elif known and not is_judged and (last - max(known)).days >= STALE_TRUTH_DAYS:
        age = counted((last - max(known)).days, "day")
        is_estimated = any(day.estimated and day.day > max(known) for day in days)
        since = "estimated" if is_estimated else "not known"
        yield f"Outcomes are late: the last confirmed ones are {age} old. Since then, quality is {since}."
    if seen.compared_since is not None and due.at - seen.compared_since > OLD_DAYS * DAY:
        age = counted(int((due.at - seen.compared_since) // DAY), "day")
        when = wording.day(seen.compared_since, settings.zone)
        yield (
            f"The reference data of the model is {age} old ({when}). "
            "Check whether it still describes normal behaviour."
        )


def _bounds(due: Due, settings: ClientSettings) -> tuple[float, float]:
    """The period of the digest in seconds since the epoch."""
    first, last = due.span()
    return bounds(first, settings.zone)[0], bounds(last, settings.zone)[1]


def _period(due: Due) -> str:
    return "last week" if due.kind == "weekly" else "yesterday"


def _before(due: Due) -> str:
    return "the week before" if due.kind == "weekly" else "the day before"


def _cut(text: str) -> str:
    text = one_line(text)
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"
