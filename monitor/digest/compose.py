"""A digest from what is known: pure. The verdict first, gaps said and not hidden."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from monitor.digest.schedule import Due
from monitor.health import wording
from monitor.health.reading import local_date
from monitor.health.settings import ClientSettings
from monitor.health.verdict import ClientHealth, Health, ModelHealth, Quality
from monitor.records import Stream
from monitor.store.days import DayFigures

STALE_TRUTH_DAYS = 3


@dataclass(frozen=True, slots=True)
class Line:
    """One model: its name, what to know about it, where to look."""

    title: str
    text: str
    link: str


@dataclass(frozen=True, slots=True)
class Row:
    """One figure over three spans, and how the first compares, as a share of the greatest (0 to 1)."""

    name: str
    values: tuple[str, str, str]
    shares: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Digest:
    """What a reader gets, before it is a mail or a chat message."""

    client: str
    name: str
    kind: str
    day: date
    subject: str
    verdict: str
    attention: tuple[Line, ...]
    watch: tuple[Line, ...]
    waiting: tuple[Line, ...]
    fine: tuple[str, ...]
    columns: tuple[str, str, str]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    gaps: tuple[str, ...]
    span: str
    page: str

    @property
    def is_news(self) -> bool:
        """Whether there is anything to tell besides that all is well."""
        return bool(self.attention or self.watch or self.waiting or self.gaps or self.notes)


def compose(
    health: ClientHealth,
    days: Mapping[Stream, Sequence[DayFigures]],
    notes: Sequence[str],
    due: Due,
    settings: ClientSettings,
    public_url: str,
) -> Digest:
    """The digest of one client. `notes` is what was collected below a warning, in words."""
    spans = [due.span(0), due.span(due.days), due.span(28 if due.kind == "weekly" else 7)]
    totals = [_total(days, *span) for span in spans]
    page = f"{public_url.rstrip('/')}/c/{health.client}/"
    by_health = {state: [m for m in health.models if m.health is state] for state in Health}
    return Digest(
        health.client,
        health.name,
        due.kind,
        due.day,
        _subject(health, totals[0][0], due),
        _verdict(health, totals[0][0], due),
        tuple(_line(m, days, due, page, settings) for m in by_health[Health.ATTENTION]),
        tuple(_line(m, days, due, page, settings) for m in by_health[Health.WATCH]),
        tuple(_line(m, days, due, page, settings) for m in by_health[Health.WAITING]),
        tuple(model.title for model in by_health[Health.WORKING]),
        _columns(due),
        _rows(health, totals, spans, settings),
        tuple(notes),
        tuple(_gaps(health, days, due)),
        _span(spans[0], settings, health.now),
        page,
    )


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
    working = health.headline.removesuffix(" as agreed.").rstrip(".")
    return f"{health.name}: {working[:1].lower()}{working[1:]} · {week}{when}"


def _verdict(health: ClientHealth, decisions: float, due: Due) -> str:
    if decisions:
        return health.headline
    first, last = due.span()
    when = f"on {_date(last)}" if first == last else f"from {_date(first)} to {_date(last)}"
    return f"No data came in {when}. {health.headline}"


def _line(
    model: ModelHealth,
    days: Mapping[Stream, Sequence[DayFigures]],
    due: Due,
    page: str,
    settings: ClientSettings,
) -> Line:
    parts = [model.sentence]
    if model.quality is not None:
        parts += _quality(model.quality, days.get(model.stream, ()), due)
    if model.since is not None and model.health is not Health.WAITING:
        parts.append(f"Since {wording.moment(model.since, settings.zone, due.at)}.")
    return Line(model.title, " ".join(parts), f"{page}m/{model.stream.model}")


def _quality(quality: Quality, days: Sequence[DayFigures], due: Due) -> list[str]:
    """The figure of the days that the digest is about; where they have none, the newest with its date."""
    name, agreed = wording.name(quality.metric), f" (agreed {quality.agreed})" if quality.agreed else ""
    value, is_estimated = _quality_on(days, due.span(), quality.metric)
    if value is None:
        when = f", {_date(quality.day)}" if quality.day else ""
        value, is_estimated = quality.value, quality.estimated
    else:
        when = ", last week" if due.kind == "weekly" else ", yesterday"
    marked = ", estimated" if is_estimated else ""
    parts = [f"{name}{when}: {wording.figure(quality.metric, value)}{agreed}{marked}."]
    earlier, _ = _quality_on(days, due.span(due.days), quality.metric)
    if earlier is not None:
        before = "The week before" if due.kind == "weekly" else "The day before"
        parts.append(f"{before}: {wording.figure(quality.metric, earlier)}.")
    return parts


def _quality_on(
    days: Sequence[DayFigures], span: tuple[date, date], metric: str
) -> tuple[float | None, bool]:
    """The mean over some days, weighted by what they were taken of, and whether any part of it is estimated."""
    inside = [
        one
        for one in days
        if span[0] <= one.day <= span[1] and one.metric == metric and one.quality is not None
    ]
    n = sum(one.quality_n for one in inside)
    mean = sum((one.quality or 0.0) * one.quality_n for one in inside) / n if n else None
    return mean, any(one.estimated for one in inside)


def _columns(due: Due) -> tuple[str, str, str]:
    if due.kind == "weekly":
        return "Last week", "Week before", "Four weeks earlier"
    return "Yesterday", "Day before", "Same day last week"


def _rows(
    health: ClientHealth,
    totals: Sequence[tuple[float, float, int]],
    spans: Sequence[tuple[date, date]],
    settings: ClientSettings,
) -> tuple[Row, ...]:
    rows = [_row("Decisions", [t[0] if t[2] else None for t in totals], "volume")]
    answered = [1 - errors / decisions if decisions else None for decisions, errors, _ in totals]
    rows.append(_row("Answered", answered, "availability"))
    happened = [incident for model in health.models for incident in model.incidents]
    from_day = [local_date(incident.started, settings) for incident in happened]
    incidents = [float(sum(first <= day <= last for day in from_day)) for first, last in spans]
    rows.append(_row("Incidents", list(incidents), "volume"))
    return tuple(rows)


def _row(name: str, values: Sequence[float | None], metric: str) -> Row:
    greatest = max((value for value in values if value), default=0.0)
    shares = [value / greatest if value and greatest else 0.0 for value in values]
    shown = [wording.figure(metric, value) for value in values]
    return Row(name, (shown[0], shown[1], shown[2]), (shares[0], shares[1], shares[2]))


def _gaps(health: ClientHealth, days: Mapping[Stream, Sequence[DayFigures]], due: Due) -> list[str]:
    """What is not known, said."""
    _, last = due.span()
    gaps = []
    for model in health.models:
        own = days.get(model.stream, ())
        known = [one.day for one in own if one.quality is not None and not one.estimated and one.day <= last]
        answered = any(one.decisions for one in own)
        if answered and not known:
            gaps.append(f"{model.title}: the truth of its answers has not become known yet.")
        elif known and (last - max(known)).days >= STALE_TRUTH_DAYS:
            age = wording.plural((last - max(known)).days, "day")
            gaps.append(
                f"{model.title}: the truth of its answers is {age} behind; quality is estimated since then."
            )
    return gaps


def _span(span: tuple[date, date], settings: ClientSettings, now: float) -> str:
    first, last = span
    zone = wording.clock(now, settings.zone).split()[-1]
    dates = _date(last) if first == last else f"{_date(first)} to {_date(last)}"
    return f"{dates}, midnight to midnight, {zone}"


def _date(day: date) -> str:
    return f"{day:%a} {day.day} {day:%b}"
