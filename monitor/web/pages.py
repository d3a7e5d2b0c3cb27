"""The pages that clients read, and their figures as CSV."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from sqlalchemy import Connection

from monitor.health import reading
from monitor.health.settings import ClientSettings
from monitor.health.verdict import ClientHealth, ModelHealth
from monitor.records import Stream
from monitor.store import versions
from monitor.web import figures, rendering, session, stretch, views
from monitor.web import services as surroundings
from monitor.web.charts import Chart, Mark, moment
from monitor.web.stretch import Stretch


def _health(request: Request[Any, Any, Any], key: FromPath[str]) -> tuple[ClientHealth, ClientSettings]:
    session.reader(request, key)
    services = surroundings.of(request)
    settings = services.client(key)
    with services.store.read() as connection:
        health = reading.client(connection, key, settings, services.clock.now())
    if health is None:
        raise NotFoundException
    return health, settings


@dataclass(frozen=True, slots=True)
class _Seen:
    """One model of a client, and its charts over the stretch that was asked for."""

    health: ClientHealth
    one: ModelHealth
    settings: ClientSettings
    shown: Stretch
    charts: Sequence[Chart]


def _seen(request: Request[Any, Any, Any], key: str, model: str) -> _Seen:
    health, settings = _health(request, key)
    one = next((one for one in health.models if one.stream.model == model), None)
    if one is None:
        raise NotFoundException
    services = surroundings.of(request)
    shown = stretch.chosen(request.query_params, health.now, settings.zone)
    with services.store.read() as connection:
        sampler = stretch.sampler(connection, one.stream, shown, services.base_seconds)
        metric = one.quality.metric if one.quality else settings.view(model).quality
        marks = new_versions(connection, one.stream)
        return _Seen(
            health, one, settings, shown, figures.charts(sampler, settings, one.stream, metric, marks)
        )


@get("/c/{key:str}/", sync_to_thread=True, include_in_schema=False)
def client_page(request: Request[Any, Any, Any], key: FromPath[str]) -> Response[str]:
    """A client's models at one glance."""
    health, settings = _health(request, key)
    return rendering.page("client.html", page=views.client(health, settings))


@get("/c/{key:str}/m/{model:str}", sync_to_thread=True, include_in_schema=False)
def model_page(request: Request[Any, Any, Any], key: FromPath[str], model: FromPath[str]) -> Response[str]:
    """One model: its state, its figures, its charts."""
    seen = _seen(request, key, model)
    drawn = [views.draw(chart) for chart in seen.charts]
    return rendering.page(
        "model.html", page=views.model(seen.health, seen.one, seen.settings, drawn, seen.shown)
    )


@get("/c/{key:str}/days.csv", sync_to_thread=True, include_in_schema=False)
def days_csv(request: Request[Any, Any, Any], key: FromPath[str]) -> Response[str]:
    """The last 30 days of every model of a client."""
    health, _ = _health(request, key)
    rows = [
        [
            one.title,
            day.day.isoformat(),
            day.health.word,
            f"{day.decisions:.0f}",
            f"{day.errors:.0f}",
            "" if day.quality is None else f"{day.quality:.6g}",
            "estimated" if day.estimated else "measured" if day.quality is not None else "",
        ]
        for one in health.models
        for day in one.days
    ]
    return _csv(
        ["model", "day", "state", "decisions", "errors", "quality", "quality is"], rows, f"{key}-days.csv"
    )


@get("/c/{key:str}/m/{model:str}/figures.csv", sync_to_thread=True, include_in_schema=False)
def figures_csv(request: Request[Any, Any, Any], key: FromPath[str], model: FromPath[str]) -> Response[str]:
    """What the charts of a model show."""
    seen = _seen(request, key, model)
    curves = [(f"{chart.title}, {curve.name}", curve) for chart in seen.charts for curve in chart.curves]
    times = sorted({at for _, curve in curves for at in curve.x})
    values = [dict(zip(curve.x, curve.y, strict=True)) for _, curve in curves]
    rows = [
        [
            moment(at, seen.settings.zone),
            *("" if (v := known.get(at)) is None else f"{v:.6g}" for known in values),
        ]
        for at in times
    ]
    return _csv(["time", *(name for name, _ in curves)], rows, f"{key}-{model}.csv")


def new_versions(connection: Connection, stream: Stream) -> tuple[Mark, ...]:
    """When a new version took over; the first one ever is no change."""
    known = versions.load(connection, stream.client).get(stream, [])
    return tuple(
        Mark(one.first_seen, f"new version {one.version}")
        for one in known
        if one.first_seen > known[0].first_seen
    )


def _csv(head: list[str], rows: list[list[str]], name: str) -> Response[str]:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(head)
    writer.writerows([_plain(cell) for cell in row] for row in rows)
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


def _plain(cell: str) -> str:
    """A cell that a spreadsheet does not take for a formula."""
    return (
        f"'{cell}"
        if cell[:1] in ("=", "+", "@", "\t") or (cell[:1] == "-" and not cell[1:2].isdigit())
        else cell
    )


HANDLERS = (client_page, model_page, days_csv, figures_csv)
