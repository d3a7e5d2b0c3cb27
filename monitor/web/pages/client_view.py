"""The texts of a client's page, ready for the template."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from monitor.clock import iso
from monitor.health import targets as agreed_targets
from monitor.health import wording
from monitor.health.model_state import (
    SITE_STALE_AFTER,
    ClientHealth,
    ClientIncident,
    Health,
    ModelHealth,
    Quality,
)
from monitor.health.settings import ClientSettings
from monitor.health.targets import Standing
from monitor.store.targets import TargetPeriod
from monitor.visible import counted
from monitor.web.api.time_range import TimeRange
from monitor.web.pages.charts import svg as svg_charts
from monitor.web.pages.charts.daily_quality import daily_quality
from monitor.web.pages.charts.series import SPANS
from monitor.web.pages.charts.svg import Chart

MOST_INCIDENTS = 20
"""Rows of the history that a page shows."""
MOST_CHARTS = 6
"""Charts on a client's first page: those of the models in the worst state."""
STATES = (Health.WORKING, Health.WATCH, Health.ATTENTION, Health.WAITING)
"""The states in the order of the legend."""


@dataclass(frozen=True, slots=True)
class ClientFigure:
    """One figure of a page, and its comparison."""

    label: str
    value: str
    note: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """One row of the history. `health` is the state that an incident meant; None if it is no incident."""

    started: str
    started_iso: str
    health: Health | None
    sentence: str
    outcome: str
    cause: str = ""
    notes: tuple[tuple[str, str, str], ...] = ()
    """Updates: the time as it is read, the time as ISO 8601, and the text."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A chart with its SVG and its table."""

    chart: Chart
    svg: Markup
    rows: list[tuple[str, list[str]]]


def client(health: ClientHealth, settings: ClientSettings) -> dict[str, object]:
    """The values of a client's page."""
    return _frame(health.client, health.models, settings, health.now) | {
        "headline": health.headline,
        "health": health.health,
        "lines": _lines(health, settings),
        "figures": _client_figures(health, settings),
        "models": [_model_row(model, settings) for model in health.models],
        "states": [(state, svg_charts.strip([state.value], state.word)) for state in STATES],
        **_quality_charts(health, settings),
    }


def _quality_charts(health: ClientHealth, settings: ClientSettings) -> dict[str, object]:
    """The quality of the first models per day, and how many more have figures."""
    charts = [
        chart
        for number, one in enumerate(health.models)
        if (chart := daily_quality(one, settings, f"quality-{number}")) is not None
    ]
    return {"quality": [draw(chart) for chart in charts[:MOST_CHARTS]], "more": len(charts[MOST_CHARTS:])}


def model(
    one: ModelHealth, settings: ClientSettings, drawn: Sequence[Drawn], shown: TimeRange, now: float
) -> dict[str, object]:
    """The values of a model's page."""
    return _frame(one.stream.client, (one,), settings, now) | {
        "key": one.stream.model,
        "title": one.title,
        "headline": one.sentence,
        "health": one.health,
        "lines": _model_lines(one, settings, now),
        "explanation": settings.view(one.stream.model).explanation,
        "figures": _model_figures(one, settings, now),
        "strip": svg_charts.strip([day.health.value for day in one.days], one.strip, fills=True),
        "strip_words": one.strip,
        "states": [(state, svg_charts.strip([state.value], state.word)) for state in STATES],
        "spans": [{"key": s.key, "label": s.label, "current": s.key == shown.key} for s in SPANS],
        "query": shown.query,
        "shown": "" if shown.key else _named(shown, settings),
        "charts": drawn,
    }


def _named(shown: TimeRange, settings: ClientSettings) -> str:
    start, end = (svg_charts.moment(at, settings.zone) for at in (shown.start, shown.end))
    return f"{start} to {end}"


def draw(chart: Chart) -> Drawn:
    """A chart with its SVG and its table."""
    return Drawn(chart, svg_charts.draw(chart), chart.rows())


def incident(one: ClientIncident, settings: ClientSettings, now: float) -> IncidentRow:
    """One row of the incident history, with its outcome."""
    zone = settings.zone
    parts = []
    if one.acknowledged is not None:
        parts.append(f"acknowledged {wording.moment(one.acknowledged, zone, now)}")
    if one.ended is None:
        parts.append(f"ongoing for {wording.span(now - one.started)}")
    else:
        ended = wording.moment(one.ended, zone, now)
        parts.append(f"resolved {ended}, after {wording.span(one.ended - one.started)}")
    outcome = " · ".join(parts)
    return IncidentRow(
        wording.moment(one.started, zone, now),
        iso(one.started),
        one.health,
        one.full_sentence,
        outcome[:1].upper() + outcome[1:],
        one.cause,
        tuple((wording.moment(note.at, zone, now), iso(note.at), note.text) for note in one.notes),
    )


def _frame(
    key: str, models: Sequence[ModelHealth], settings: ClientSettings, now: float
) -> dict[str, object]:
    zone, newest = settings.zone, _newest(models)
    return {
        "client": key,
        "name": settings.name or key,
        "now": f"{wording.day(now, zone)} {wording.clock(now, zone)}",
        "now_iso": iso(now),
        "data_until": "no data yet" if newest is None else f"data to {wording.moment(newest, zone, now)}",
        "contact": settings.contact,
        "zone": wording.clock(now, zone).split()[-1],
    }


def _newest(models: Sequence[ModelHealth]) -> float | None:
    return max((model.last_received for model in models if model.last_received is not None), default=None)


def _lines(health: ClientHealth, settings: ClientSettings) -> list[str]:
    """What is wrong, model by model, who acts, and when the next update comes."""
    affected = [model for model in health.models if model.health is not Health.WORKING]
    lines = [_with_since(model, settings, health.now) for model in affected[:3]]
    if len(affected) > 3:
        lines.append(f"{counted(len(affected) - 3, 'more model')} below.")
    return lines + _acting(health.models, settings, health.now)


def _model_lines(one: ModelHealth, settings: ClientSettings, now: float) -> list[str]:
    lines = [] if one.since is None else [f"Since {wording.moment(one.since, settings.zone, now)}."]
    others = [
        agreed_targets.sentence(period, one.title)
        for period in agreed_targets.by_urgency(one.targets)
        if period.standing in (Standing.MISSED, Standing.AT_RISK)
    ]
    others += [i.sentence for i in one.incidents if i.ended is None and not i.is_missed]
    others = [sentence for sentence in others if sentence != one.sentence]
    return lines + list(dict.fromkeys(others))[:3] + _acting((one,), settings, now)


def _with_since(one: ModelHealth, settings: ClientSettings, now: float) -> str:
    if one.since is None or one.health is Health.WAITING:
        return one.sentence
    return f"{one.sentence} Since {wording.moment(one.since, settings.zone, now)}."


def _acting(models: Sequence[ModelHealth], settings: ClientSettings, now: float) -> list[str]:
    broken = [model for model in models if model.health is Health.ATTENTION]
    if not broken:
        return []
    started = min((model.since for model in broken if model.since is not None), default=now)
    rounds = int((now - started) // settings.next_update) + 1
    at = wording.clock(started + rounds * settings.next_update, settings.zone)
    is_acknowledged = any(
        i.acknowledged is not None and i.ended is None for model in broken for i in model.incidents
    )
    status = "Our team is working on it." if is_acknowledged else "Our team has been notified."
    return [f"{status} Next update by {at}."]


def _client_figures(health: ClientHealth, settings: ClientSettings) -> list[ClientFigure]:
    decisions = sum(model.decisions for model in health.models)
    before = [model.decisions_before for model in health.models if model.decisions_before is not None]
    counted = [model.is_counted for model in health.models]
    against = _against(decisions, sum(before) if before else None)
    if any(settings.sample(model.stream.model) for model in health.models):
        against += " · some models: of a sample of the calls"
    as_of = _as_of(health.models, settings, health.now)
    figures = [
        ClientFigure("Decisions today", wording.count(decisions), _notes(against, as_of))
        if any(counted) or not counted
        else ClientFigure("Decisions today", wording.NOTHING, "being counted"),
        _within(health, settings),
    ]
    errors = sum(model.errors for model in health.models)
    if decisions:
        figures.append(
            ClientFigure("Answered today", wording.share(1 - errors / decisions), _of_requests(as_of))
        )
    return [
        *figures,
        _freshness(_newest(health.models), health.now, settings.stale_after, _site(health.models)),
    ]


def _site(models: Sequence[ModelHealth]) -> str:
    """The site that has delivered the newest answer; empty if it came here directly."""
    newest = max(models, key=lambda one: one.last_received or 0.0, default=None)
    return newest.site if newest is not None else ""


def _as_of(models: Sequence[ModelHealth], settings: ClientSettings, now: float) -> str:
    """The time until which today is counted, if newer answers are not counted yet."""
    late = [
        one.counted_at
        for one in models
        if one.counted_at is not None and one.last_received is not None and one.counted_at < one.last_received
    ]
    return f"as of {wording.clock(min(late), settings.zone).split()[0]}" if late and min(late) < now else ""


def _model_figures(one: ModelHealth, settings: ClientSettings, now: float) -> list[ClientFigure]:
    figures = []
    quality = one.quality
    if quality is not None:
        change = wording.change(quality.value, quality.before, quality.metric)
        compared = "" if change == wording.NOTHING else f"{change} vs last week"
        if quality.period is not None:
            figures.append(_target(quality.period, compared))
        else:
            notes = [quality.agreed and f"agreed: {quality.agreed}", "estimated" if quality.estimated else ""]
            label = f"{wording.name(quality.metric)}, {_of_day(quality, one) or 'today'}"
            figures.append(ClientFigure(label, quality.shown, " · ".join(filter(None, [*notes, compared]))))
    others = [period for period in one.targets if quality is None or period != quality.period]
    figures += [_target(period) for period in others]
    as_of = _as_of((one,), settings, now)
    against = _against(one.decisions, one.decisions_before) if one.is_counted else "being counted"
    note = _notes(against, as_of, settings.sample(one.stream.model))
    figures.append(ClientFigure("Decisions today", _decisions(one), note))
    if one.decisions:
        answered = wording.share(1 - one.errors / one.decisions)
        figures.append(ClientFigure("Answered today", answered, _of_requests(as_of)))
    return [*figures, _freshness(one.last_received, now, None, one.site)]


def _notes(*notes: str) -> str:
    return " · ".join(filter(None, notes))


def _of_requests(as_of: str) -> str:
    return ", ".join(filter(None, ("of all requests", as_of)))


def _target(period: TargetPeriod, compared: str = "") -> ClientFigure:
    """An agreed target: its figure, what was agreed, and whether that is met."""
    standing = Standing(period.standing)
    bound = agreed_targets.agreed(period.metric, period.target, least=period.is_least)
    notes = [
        f"agreed: {bound} {standing.words}",
        "estimated" if period.estimated else "",
        agreed_targets.interval(period),
        period.reason,
        compared,
    ]
    when = "" if period.value is None else f", {agreed_targets.over(period.seconds)}"
    value = wording.NOTHING if period.value is None else agreed_targets.shown(period)
    tone = {Standing.KEPT: "good", Standing.MISSED: "bad"}.get(standing, "")
    return ClientFigure(f"{wording.name(period.metric)}{when}", value, " · ".join(filter(None, notes)), tone)


def _of_day(quality: Quality, one: ModelHealth) -> str:
    """The day of a quality figure if it is not today, or the period of its agreed target."""
    if quality.period is not None:
        return agreed_targets.over(quality.period.seconds)
    if quality.day is None or not one.days or quality.day == one.days[-1].day:
        return ""
    return wording.date_words(quality.day)


def _against(value: float, before: float | None) -> str:
    change = wording.change(value, before, "volume")
    return "no figure from last week" if change == wording.NOTHING else f"{change} vs this time last week"


def _within(health: ClientHealth, settings: ClientSettings) -> ClientFigure:
    """The time within limits, of the last 30 days or since the first data, and the target if one is agreed."""
    share, target = health.within_limits, settings.availability_target
    over = (
        "30 days"
        if health.since is None
        else f"since {wording.moment(health.since, settings.zone, health.now)}"
    )
    label, value = f"Within limits, {over}", wording.NOTHING if share is None else wording.share(share)
    if target is None:
        return ClientFigure(label, value, "of the time" if share is not None else "")
    agreed = f"agreed: {wording.share(target)}"
    if share is None:
        return ClientFigure(label, value, agreed)
    met = share >= target
    return ClientFigure(label, value, f"{agreed} {'✔ met' if met else '✖ missed'}", "good" if met else "bad")


def _freshness(newest: float | None, now: float, stale_after: float | None, site: str) -> ClientFigure:
    if newest is None:
        return ClientFigure("Data freshness", wording.NOTHING, "waiting for the first data")
    age = wording.span(max(now - newest, 0.0))
    if site:
        is_old = now - newest > SITE_STALE_AFTER
        return ClientFigure("Data freshness", age, f"as delivered by site {site}", "bad" if is_old else "")
    late = stale_after is not None and now - newest > stale_after
    return ClientFigure(
        "Data freshness", age, "✖ late" if late else "since the last answer", "bad" if late else ""
    )


def _decisions(one: ModelHealth) -> str:
    """The decisions of today; unknown for a model that waits for data, or whose day is not summed up yet."""
    if not one.is_counted or (one.health is Health.WAITING and not one.decisions):
        return wording.NOTHING
    return wording.count(one.decisions)


def _model_row(one: ModelHealth, settings: ClientSettings) -> dict[str, object]:
    quality = one.quality
    shown, change = wording.NOTHING, wording.NOTHING
    if quality is not None:
        agreed = f" ({quality.agreed})" if quality.agreed else ""
        day = _of_day(quality, one)
        kept = "" if quality.standing is None else quality.standing.words
        shown = ", ".join(
            filter(None, (quality.shown + agreed, kept, "estimated" if quality.estimated else "", day))
        )
        change = wording.change(quality.value, quality.before, quality.metric)
    return {
        "key": one.stream.model,
        "title": one.title,
        "health": one.health,
        "quality": shown,
        "change": change,
        "decisions": _decisions(one) + (" (sampled)" if settings.sample(one.stream.model) else ""),
        "strip": svg_charts.strip([day.health.value for day in one.days], one.strip),
        "strip_words": one.strip,
    }
