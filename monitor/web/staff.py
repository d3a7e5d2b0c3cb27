"""What engineers see behind their sign-in: every stream, every measurement, why an alert fires."""

import math
from dataclasses import dataclass
from typing import Any

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from sqlalchemy import Connection

from monitor.clock import iso
from monitor.health import verdict, wording
from monitor.health.verdict import Health, ModelHealth
from monitor.records import Alert, Measurement, Stream, Window
from monitor.store import access, alerts, audit, measurements, predictions, silences
from monitor.store.predictions import StreamFigures
from monitor.web import charts, distributions, rendering, session
from monitor.web import services as surroundings
from monitor.web.charts import Chart, Curve
from monitor.web.figures import SPANS, Sampler
from monitor.web.services import Services
from monitor.web.session import Visitor

HOUR = 3600
MOST_SHOWN = 60


@dataclass(frozen=True, slots=True)
class StreamRow:
    """One line of the overview."""

    stream: Stream
    health: Health
    rows: int
    received: str
    open_alerts: int


@get("/staff/", sync_to_thread=True, include_in_schema=False)
def overview(request: Request[Any, Any, Any]) -> Response[str]:
    """Every stream and every open alert."""
    visitor = session.staff(request)
    services = surroundings.of(request)
    now = services.clock.now()
    with services.store.read() as connection:
        found = [alert for alert in alerts.load_open(connection) if visitor.may_read(alert.stream.client)]
        streams = [f for f in predictions.figures_of_all(connection) if visitor.may_read(f.stream.client)]
        mutes = silences.load(connection, now)
    rows = [_row(services, figures, found, now) for figures in streams]
    rows.sort(key=lambda row: (-row.health.code, row.stream))
    return rendering.page(
        "staff.html",
        visitor=visitor,
        rows=rows,
        alerts=found,
        silences=mutes,
        iso=iso,
        span=wording.span,
        now=now,
    )


@get("/staff/m/{client:str}/{model:str}/{environment:str}", sync_to_thread=True, include_in_schema=False)
def model(
    request: Request[Any, Any, Any],
    client: FromPath[str],
    model: FromPath[str],
    environment: FromPath[str],
    metric: FromQuery[str] = "",
    span: FromQuery[str] = "24h",
) -> Response[str]:
    """One stream with everything that is measured of it."""
    visitor = session.staff(request)
    services, stream = surroundings.of(request), Stream(client, model, environment)
    with services.store.read() as connection:
        known = predictions.figures(connection, stream)
        if known is None or not visitor.may_read(client):
            raise NotFoundException
        page = _model_page(connection, services, known, metric, span)
    return rendering.page("staff_model.html", visitor=visitor, **page)


def _model_page(
    connection: Connection, services: Services, known: StreamFigures, metric: str, span: str
) -> dict[str, Any]:
    stream, now = known.stream, services.clock.now()
    latest = measurements.latest(connection, stream, HOUR)
    if not latest:
        latest = measurements.latest(connection, stream, services.base_seconds)
    of_stream = [alert for alert in alerts.load(connection).values() if alert.stream == stream]
    end = math.ceil(now / HOUR) * HOUR
    baseline, shown = distributions.of_stream(
        connection, stream, Window(end - 24 * HOUR, end), services.base_seconds
    )
    chosen = next((one for one in SPANS if one.key == span), SPANS[1])
    width = chosen.window or services.base_seconds
    until = math.ceil(now / width) * width
    sampler = Sampler(connection, stream, width, until - chosen.seconds, until)
    names = sorted({one.metric for one in latest if not one.labels})
    metric = (
        metric
        if metric in names
        else next((m for m in ("accuracy", "latency_p95", *names) if m in names), "")
    )
    return {
        "stream": stream,
        "known": known,
        "health": _judged(services, known, of_stream, now).health,
        "alerts": sorted(of_stream, key=lambda alert: (not alert.is_open, alert.rule)),
        "measured": sorted(latest, key=lambda one: (one.metric, one.labels)),
        "window": latest[0].window if latest else None,
        "baseline": baseline,
        "distributions": [(one, distributions.draw(one)) for one in shown[:MOST_SHOWN]],
        "left_out": max(0, len(shown) - MOST_SHOWN),
        "drawn": _drawn(sampler, metric, latest, services.client(stream.client).zone) if metric else None,
        "names": names,
        "metric": metric,
        "spans": SPANS,
        "chosen": chosen,
        "iso": iso,
        "figure": _figure,
        "now": now,
    }


def _drawn(sampler: Sampler, metric: str, latest: list[Measurement], zone: Any) -> dict[str, Any]:
    steps = sampler.read(metric, add=metric == "volume")
    unit = next((one.unit for one in latest if one.metric == metric), "")
    versions = sorted({one.label("version") for one in latest if one.metric == metric} - {""})
    curves = [Curve("all", steps.starts, steps.values)]
    for index, version in enumerate(versions[:4]):
        own = sampler.read(metric, of=(("version", version),), add=metric == "volume")
        curves.append(Curve(f"version {version}", own.starts, own.values, "second" if index else "estimated"))
    baseline = next((one.baseline for one in latest if one.metric == metric and not one.labels), None)
    chart = Chart(
        "zoom",
        metric,
        f"in {unit}" if unit else "",
        metric,
        sampler.start,
        sampler.end,
        zone,
        tuple(curves),
        limit=baseline if metric != "volume" else None,
        limit_name="baseline",
        floor=None,
    )
    return {"chart": chart, "svg": charts.draw(chart), "rows": chart.rows()}


@get("/staff/keys", sync_to_thread=True, include_in_schema=False)
def keys(request: Request[Any, Any, Any]) -> Response[str]:
    """Access keys, and when they were last used."""
    visitor = _unbound(session.staff(request, "admin"))
    services = surroundings.of(request)
    with services.store.read() as connection:
        found = access.keys(connection)
    now = services.clock.now()
    return rendering.page("staff_keys.html", visitor=visitor, keys=found, made="", iso=iso, now=now)


@get("/staff/audit", sync_to_thread=True, include_in_schema=False)
def audit_page(request: Request[Any, Any, Any], client: FromQuery[str] = "") -> Response[str]:
    """Who looked at what."""
    visitor = _unbound(session.staff(request, "admin"))
    with surroundings.of(request).store.read() as connection:
        found = audit.latest(connection, client)
    return rendering.page("staff_audit.html", visitor=visitor, entries=found, client=client, iso=iso)


def _unbound(visitor: Visitor) -> Visitor:
    """What concerns every client is not for staff of one."""
    if visitor.client:
        raise NotFoundException
    return visitor


def _row(services: Services, figures: StreamFigures, found: list[Alert], now: float) -> StreamRow:
    mine = [alert for alert in found if alert.stream == figures.stream]
    health = _judged(services, figures, mine, now).health
    received = wording.span(now - figures.last_received) if figures.rows else "never"
    return StreamRow(figures.stream, health, figures.rows, received, len(mine))


def _judged(services: Services, known: StreamFigures, found: list[Alert], now: float) -> ModelHealth:
    settings = services.client(known.stream.client)
    received = known.last_received if known.rows else None
    return verdict.judge(
        known.stream, known.stream.model, found, received, now=now, stale_after=settings.stale_after
    )


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return wording.NOTHING
    text = f"{value:.4g}"
    return f"{text} {unit}" if unit and unit != "share" else text


HANDLERS = (overview, model, keys, audit_page)
