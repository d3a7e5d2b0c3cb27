"""The pages of clients, and their figures as CSV."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from monitor.config.units import DAY, HOUR
from monitor.health import answers, client_state, fairness, locale, targets, wording
from monitor.health.declared import custom_metrics, expectations
from monitor.health.model_state import ClientHealth, ModelHealth
from monitor.health.settings import ClientSettings
from monitor.health.version_events import VersionEvent
from monitor.records import Measurement
from monitor.store import measurements
from monitor.visible import cell
from monitor.web import services as web_services
from monitor.web.api import time_range
from monitor.web.api.time_range import TimeRange
from monitor.web.auth import session
from monitor.web.pages import approvals, client_view, rendering, subscriptions, version_history
from monitor.web.pages.charts import marks, series
from monitor.web.pages.charts.svg import Chart, moment

_LENGTHS = {DAY: "24 hours", HOUR: "hour"}


def _health(request: Request[Any, Any, Any], key: FromPath[str]) -> tuple[ClientHealth, ClientSettings]:
    session.reader(request, key)
    services, recent = web_services.of(request), request.app.state["recent"]
    settings = services.client(key)

    def read() -> ClientHealth | None:
        with services.store.read() as connection:
            return client_state.client(connection, key, settings, services.clock.now())

    health = recent.of((key, locale.CURRENT.get()), request.state["arrived"], read)
    if health is None:
        raise NotFoundException
    return health, settings


def _for_reader(request: Request[Any, Any, Any]) -> None:
    """Write numbers and dates as the reader's browser asks for; files of figures stay as they are."""
    locale.CURRENT.set(locale.of(request.headers.get("accept-language", "")))


@dataclass(frozen=True, slots=True)
class _ModelPage:
    """One model of a client, and its charts over the requested time range."""

    one: ModelHealth
    settings: ClientSettings
    shown: TimeRange
    charts: Sequence[Chart]
    happened: Sequence[VersionEvent]
    rollout: Sequence[str]
    now: float


def _model_page(request: Request[Any, Any, Any], key: str, model: str) -> _ModelPage:
    session.reader(request, key)
    services = web_services.of(request)
    settings, now = services.client(key), services.clock.now()
    shown = time_range.time_range_of(request.query_params, now, settings.zone)
    with services.store.read() as connection:
        health_of_model = client_state.model(connection, key, model, settings, now)
        if health_of_model is None:
            raise NotFoundException
        sampler = time_range.sampler(connection, health_of_model.stream, shown, services.base_seconds)
        metric = health_of_model.quality.metric if health_of_model.quality else settings.view(model).quality
        drawn = marks.of_versions(connection, health_of_model.stream, with_names=False)
        happened = version_history.events(connection, key, (health_of_model,), now)
        return _ModelPage(
            health_of_model,
            settings,
            shown,
            series.charts(sampler, settings, health_of_model.stream, metric, drawn),
            happened,
            version_history.current(connection, (health_of_model,), happened, settings, now),
            now,
        )


@get("/c/{key:str}/", sync_to_thread=True, include_in_schema=False)
def client_page(request: Request[Any, Any, Any], key: FromPath[str]) -> Response[str]:
    """The overview of a client's models."""
    _for_reader(request)
    health, settings = _health(request, key)
    services, visitor = web_services.of(request), request.state["visitor"]
    with services.store.read() as connection:
        waiting = approvals.waiting(connection, services, key)
        happened = version_history.events(connection, key, health.models, health.now)
        rollout = version_history.current(connection, health.models, happened, settings, health.now)
    incidents = [incident for model in health.models for incident in model.incidents]
    offered = {
        "approvals": waiting,
        "rollouts": rollout,
        "incidents": version_history.rows(incidents, happened, settings, health.now),
        "can_subscribe": subscriptions.is_offered(web_services.of(request)),
        "csrf": visitor.csrf,
    }
    return rendering.page("client.html", visitor=visitor, page=client_view.client(health, settings) | offered)


@get("/c/{key:str}/m/{model:str}", sync_to_thread=True, include_in_schema=False)
def model_page(request: Request[Any, Any, Any], key: FromPath[str], model: FromPath[str]) -> Response[str]:
    """One model: its state, figures and charts."""
    _for_reader(request)
    data = _model_page(request, key, model)
    drawn = [client_view.draw(chart) for chart in data.charts]
    history = version_history.rows(data.one.incidents, data.happened, data.settings, data.now)
    with web_services.of(request).store.read() as connection:
        hour = measurements.latest(connection, data.one.stream, HOUR)
    is_recent = bool(hour) and data.now - hour[0].window.end < 2 * HOUR
    sentence = _answers(data, hour) if is_recent else ""
    page = client_view.model(data.one, data.settings, drawn, data.shown, data.now)
    page |= {"incidents": history, "answers": sentence, "groups": _groups(request, data, hour)}
    page["rollouts"] = data.rollout
    page["own"] = _own(request, data, hour)
    page["expected"] = expectations.sentence(hour, _hour(data, hour)) if is_recent else ""
    return rendering.page("model.html", visitor=request.state["visitor"], page=page)


def _hour(data: _ModelPage, hour: Sequence[Measurement]) -> str:
    """The hour in words; one that goes on is measured up to now."""
    window, zone = hour[0].window, data.settings.zone
    is_over = window.end <= data.now
    return (
        f"in the hour until {wording.clock(window.end, zone)}"
        if is_over
        else f"since {wording.clock(window.start, zone)}"
    )


def _own(
    request: Request[Any, Any, Any], data: _ModelPage, hour: Sequence[Measurement]
) -> list[tuple[str, str]]:
    """What is known of each own metric: of the day that rules have read, else of the newest hour."""
    stream = data.one.stream
    view = data.settings.view(stream.model)
    of_day = web_services.of(request).measured().get((stream, DAY), ())
    measured = [one for one in of_day if custom_metrics.is_for_client(view, one)]
    measured = measured or [one for one in hour if custom_metrics.is_for_client(view, one)]
    if not measured or data.now - measured[0].window.end >= 2 * HOUR:
        return []
    window = measured[0].window
    until = wording.clock(window.end, data.settings.zone)
    return custom_metrics.sentences(
        view,
        measured,
        f"over the {_LENGTHS.get(window.seconds) or wording.span(window.seconds)} until {until}",
    )


def _answers(data: _ModelPage, hour: Sequence[Measurement]) -> str:
    """The signals of the answers of an hour."""
    zone = data.settings.zone
    period = answers.of_hour(hour[0].window, data.now, lambda moment: wording.clock(moment, zone))
    is_leaking = any(
        incident.ended is None and incident.rule in answers.LEAK_RULES for incident in data.one.incidents
    )
    return answers.sentence(answers.of_measurements(hour), period, is_leaking=is_leaking)


def _groups(
    request: Request[Any, Any, Any], data: _ModelPage, hour: Sequence[Measurement]
) -> list[tuple[str, str]]:
    """What is known of each group: of the day that rules have read, else of the newest hour."""
    stream = data.one.stream
    of_day = web_services.of(request).measured().get((stream, DAY), ())
    compared = [one for one in of_day if one.metric in fairness.METRICS]
    compared = compared or [one for one in hour if one.metric in fairness.METRICS]
    if not compared or data.now - compared[0].window.end >= 2 * HOUR:
        return []
    window = compared[0].window
    until = wording.clock(window.end, data.settings.zone)
    period = f"of the {targets.over(window.seconds)}, until {until},"
    return fairness.sentences(data.settings.view(stream.model).fairness, compared, period)


@get("/c/{key:str}/days.csv", sync_to_thread=True, include_in_schema=False)
def days_csv(request: Request[Any, Any, Any], key: FromPath[str]) -> Response[str]:
    """The last 30 days of all models of a client."""
    health, _ = _health(request, key)
    rows = [
        [
            model.title,
            day.day.isoformat(),
            day.health.word,
            f"{day.decisions:.0f}",
            f"{day.errors:.0f}",
            "" if day.quality is None else f"{day.quality:.6g}",
            "estimated" if day.estimated else "measured" if day.quality is not None else "",
        ]
        for model in health.models
        for day in model.days
    ]
    return _csv(
        ["model", "day", "state", "decisions", "errors", "quality", "quality is"], rows, f"{key}-days.csv"
    )


@get("/c/{key:str}/m/{model:str}/figures.csv", sync_to_thread=True, include_in_schema=False)
def figures_csv(request: Request[Any, Any, Any], key: FromPath[str], model: FromPath[str]) -> Response[str]:
    """The values in the charts of a model."""
    data = _model_page(request, key, model)
    curves = [(f"{chart.title}, {curve.name}", curve) for chart in data.charts for curve in chart.curves]
    times = sorted({at for _, curve in curves for at in curve.x})
    values = [dict(zip(curve.x, curve.y, strict=True)) for _, curve in curves]
    rows = [
        [
            moment(at, data.settings.zone),
            *("" if (v := values_by_time.get(at)) is None else f"{v:.6g}" for values_by_time in values),
        ]
        for at in times
    ]
    return _csv(["time", *(name for name, _ in curves)], rows, f"{key}-{model}.csv")


def _csv(head: list[str], rows: list[list[str]], name: str) -> Response[str]:
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerows([cell(text) for text in row] for row in (head, *rows))
    headers = {"Content-Disposition": rendering.attachment(name)}
    return Response(written.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


HANDLERS = (client_page, model_page, days_csv, figures_csv)
