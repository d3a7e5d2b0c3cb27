"""Compose a digest: the verdict first, then models, charts, figures, and gaps in the data. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType
from urllib.parse import quote

from monitor.digest import chart_images
from monitor.digest.schedule import Due
from monitor.digest.section import ModelSection, Observed, section
from monitor.health import targets, wording
from monitor.health.client_state import local_date
from monitor.health.model_state import ClientHealth, Health, ModelHealth
from monitor.health.settings import ClientSettings
from monitor.records import Stream
from monitor.store.daily_summaries import DayFigures
from monitor.visible import one_line

CHART_DAYS = 28


@dataclass(frozen=True, slots=True)
class FigureRow:
    """One figure in three periods, and each as a share of the greatest (0 to 1)."""

    name: str
    values: tuple[str, str, str]
    shares: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Picture:
    """A chart: its name within the mail, the PNG, and all that it shows in words."""

    name: str
    png: bytes
    words: str


@dataclass(frozen=True, slots=True)
class Digest:
    """The content of a digest, before it is rendered as a mail or chat message. `models` are in the page's order.

    `checkpoint` is the end of the client's audit log, as `watchkeeper audit verify --mailed` takes it.
    """

    client: str
    name: str
    kind: str
    day: date
    subject: str
    verdict: str
    models: tuple[ModelSection, ...]
    columns: tuple[str, str, str]
    rows: tuple[FigureRow, ...]
    notes: tuple[str, ...]
    span: str
    page: str
    charts: tuple[Picture, ...] = ()
    checkpoint: str = ""

    def of(self, health: Health) -> tuple[ModelSection, ...]:
        """The models in one state."""
        return tuple(model for model in self.models if model.health is health)

    @property
    def is_news(self) -> bool:
        """Whether there is anything to report besides working models."""
        return bool(self.notes) or any(
            model.health is not Health.WORKING or model.coming or model.has_rollout for model in self.models
        )


def compose(
    health: ClientHealth,
    days: Mapping[Stream, Sequence[DayFigures]],
    notes: Sequence[str],
    due: Due,
    settings: ClientSettings,
    public_url: str,
    observed: Mapping[Stream, Observed] = MappingProxyType({}),
) -> Digest:
    """The digest of one client. `notes` are sentences about info alerts."""
    spans = [due.span(0), due.span(due.days), due.span(28 if due.kind == "weekly" else 7)]
    totals = [_total(days, *span) for span in spans]
    page = f"{public_url.rstrip('/')}/c/{quote(health.client, safe='')}/" if public_url else ""
    return Digest(
        health.client,
        health.name,
        due.kind,
        due.day,
        _subject(health, totals[0][0], due),
        _verdict(health, totals[0][0], due),
        tuple(
            section(
                model, days.get(model.stream, ()), observed.get(model.stream, Observed()), due, page, settings
            )
            for model in health.models
        ),
        _columns(due),
        _rows(health, totals, spans, settings),
        tuple(notes),
        _span(spans[0], settings, health.now),
        page,
        tuple(_charts(health, days, due, settings)),
    )


def _charts(
    health: ClientHealth,
    days: Mapping[Stream, Sequence[DayFigures]],
    due: Due,
    settings: ClientSettings,
) -> list[Picture]:
    """The decisions per day of all models, and the quality of the model that needs it most."""
    last = due.span()[1]
    dates = [last - timedelta(days=back) for back in reversed(range(CHART_DAYS))]
    decided: dict[date, float] = {}
    for one in (one for own in days.values() for one in own):
        decided[one.day] = decided.get(one.day, 0.0) + one.decisions
    volume = [decided.get(day) for day in dates]
    pictures = []
    if sum(value is not None for value in volume) > 1:
        words = f"{_decisions(health, settings)} per day, all models: {_course('volume', dates, volume)}"
        pictures.append(Picture("decisions", chart_images.bars(volume), words))
    shown = next((model for model in health.models if model.quality is not None), None)
    if shown is not None and shown.quality is not None:
        metric = shown.quality.metric
        by_day = {one.day: one.quality for one in days.get(shown.stream, ()) if one.metric == metric}
        values = [by_day.get(day) for day in dates]
        if sum(value is not None for value in values) > 1:
            pictures.append(_quality_chart(shown, metric, dates, values, settings))
    return pictures


def _quality_chart(
    model: ModelHealth,
    metric: str,
    dates: Sequence[date],
    values: Sequence[float | None],
    settings: ClientSettings,
) -> Picture:
    limit = targets.limits_of(settings.view(model.stream.model), (metric,)).get(metric)
    words = f"{wording.name(metric)} per day, {one_line(model.title)[:80]}: {_course(metric, dates, values)}"
    if limit is not None:
        bound = targets.agreed(metric, limit, least=targets.is_least(metric))
        words += f" Dashed: agreed, {bound}."
    return Picture("quality", chart_images.line(values, limit), words)


def _course(metric: str, dates: Sequence[date], values: Sequence[float | None]) -> str:
    """The lowest, highest and newest value with their days."""
    known = [(value, day) for value, day in zip(values, dates, strict=True) if value is not None]
    low, high, newest = min(known), max(known), known[-1]
    parts = [
        f"{word} {wording.figure(metric, value)} ({wording.date_words(day)})"
        for word, (value, day) in (("lowest", low), ("highest", high), ("last", newest))
    ]
    return f"{', '.join(parts)}; from {wording.date_words(dates[0])} to {wording.date_words(dates[-1])}."


def _total(days: Mapping[Stream, Sequence[DayFigures]], first: date, last: date) -> tuple[float, float, int]:
    """Decisions, errors, and how many days have any figure."""
    inside = [one for own in days.values() for one in own if first <= one.day <= last]
    return (
        sum(one.decisions for one in inside),
        sum(one.errors for one in inside),
        len({one.day for one in inside}),
    )


def _subject(health: ClientHealth, decisions: float, due: Due) -> str:
    when = f"{due.day:%a} {due.day.day} {due.day:%b}"
    week = "week to " if due.kind == "weekly" else ""
    if health.health is Health.ATTENTION:
        return f"{health.name}: {health.headline.rstrip('.')} · {week}{when}"
    if not decisions:
        return f"{health.name}: no data · {week}{when}"
    working = health.headline.removesuffix(" as agreed.").removesuffix(" normally.").rstrip(".")
    return f"{health.name}: {working[:1].lower()}{working[1:]} · {week}{when}"


def _verdict(health: ClientHealth, decisions: float, due: Due) -> str:
    if decisions:
        return health.headline
    first, last = due.span()
    begin, end = wording.date_words(first), wording.date_words(last)
    when = f"on {end}" if first == last else f"from {begin} to {end}"
    return f"No data was received {when}. {health.headline}"


def _columns(due: Due) -> tuple[str, str, str]:
    if due.kind == "weekly":
        return "Last week", "Week before", "Four weeks earlier"
    return "Yesterday", "Day before", "Same day last week"


def _rows(
    health: ClientHealth,
    totals: Sequence[tuple[float, float, int]],
    spans: Sequence[tuple[date, date]],
    settings: ClientSettings,
) -> tuple[FigureRow, ...]:
    rows = [_row(_decisions(health, settings), [t[0] if t[2] else None for t in totals], "volume")]
    answered = [1 - errors / decisions if decisions else None for decisions, errors, _ in totals]
    rows.append(_row("Answered", answered, "availability"))
    happened = [incident for model in health.models for incident in model.incidents]
    from_day = [local_date(incident.started, settings) for incident in happened]
    incidents = [float(sum(first <= day <= last for day in from_day)) for first, last in spans]
    rows.append(_row("Incidents", list(incidents), "volume"))
    return tuple(rows)


def _decisions(health: ClientHealth, settings: ClientSettings) -> str:
    """What the sum over all models is called: with a model of which only a sample is captured, it is no total."""
    is_partial = any(settings.sample(model.stream.model) for model in health.models)
    return "Decisions (some sampled)" if is_partial else "Decisions"


def _row(name: str, values: Sequence[float | None], metric: str) -> FigureRow:
    greatest = max((value for value in values if value), default=0.0)
    shares = [value / greatest if value and greatest else 0.0 for value in values]
    shown = [wording.figure(metric, value) for value in values]
    return FigureRow(name, (shown[0], shown[1], shown[2]), (shares[0], shares[1], shares[2]))


def _span(span: tuple[date, date], settings: ClientSettings, now: float) -> str:
    first, last = span
    zone = wording.clock(now, settings.zone).split()[-1]
    dates = (
        wording.date_words(last)
        if first == last
        else f"{wording.date_words(first)} to {wording.date_words(last)}"
    )
    return f"{dates}, midnight to midnight, {zone}"
