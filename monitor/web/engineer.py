"""One stream as engineers see it: any figure over any stretch, why alerts fire, inputs beside the baseline."""

from typing import Any
from urllib.parse import urlencode

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from sqlalchemy import Connection

from monitor import status
from monitor.clock import iso
from monitor.health import wording
from monitor.records import Alert, Labels, Measurement, Severity, Stream, Window
from monitor.rules.wording import figure as told
from monitor.store import alerts, measurements, register, versions
from monitor.store.register import StreamFigures
from monitor.web import charts, distributions, drifting, failures, refusals, rendering, session, stretch
from monitor.web import services as surroundings
from monitor.web.api import read_labels
from monitor.web.charts import Chart, Curve, Mark
from monitor.web.figures import HOUR, SPANS, Sampler
from monitor.web.pages import new_versions
from monitor.web.services import Services
from monitor.web.staff import judged
from monitor.web.stretch import Stretch

MOST_SHOWN = 60
MOST_CURVES = 4
COMPARED = 7 * 24 * HOUR
"""Inputs are held against the baseline over the stretch shown, or over its last day where it is longer than this."""
_FIRST = ("accuracy", "latency_p95")


@get("/staff/m/{client:str}/{model:str}/{environment:str}", sync_to_thread=True, include_in_schema=False)
def model(
    request: Request[Any, Any, Any],
    client: FromPath[str],
    model: FromPath[str],
    environment: FromPath[str],
    metric: FromQuery[str] = "",
    of: FromQuery[str] = "",
) -> Response[str]:
    """One stream with everything that is measured of it."""
    visitor = session.staff(request)
    session.about(request, client)
    services, stream = surroundings.of(request), Stream(client, model, environment)
    shown = stretch.chosen(request.query_params, services.clock.now(), services.client(client).zone)
    with services.store.read() as connection:
        known = register.figures(connection, stream)
        if known is None or not visitor.may_read(client):
            raise NotFoundException
        page = _page(connection, services, known, shown)
        judged_last = next((one.metric for one in page["alerts"] if one.is_open and not one.instance), "")
        asked = metric or judged_last
        page |= _chart(connection, services, stream, shown, page["measured"], asked, read_labels(of))
    return rendering.page("staff_model.html", visitor=visitor, **page)


def _page(connection: Connection, services: Services, known: StreamFigures, shown: Stretch) -> dict[str, Any]:
    stream, now = known.stream, services.clock.now()
    hour = measurements.latest(connection, stream, HOUR)
    latest = hour or measurements.latest(connection, stream, services.base_seconds)
    of_stream = alerts.of_stream(connection, stream)
    compared = _compared(shown)
    baseline, found = distributions.of_stream(connection, stream, compared, services.base_seconds)
    return {
        "stream": stream,
        "known": known,
        "health": judged(services, known, of_stream, now).health,
        "alerts": sorted(of_stream, key=_urgency),
        "measured": sorted(latest, key=lambda one: (one.metric, one.labels)),
        "window": latest[0].window if latest else None,
        "versions": versions.load(connection, stream.client).get(stream, []),
        "notes": status.notes(connection, known, services.base_seconds, hour),
        "failures": failures.of_stream(connection, stream, now, services.base_seconds),
        "drift": drifting.of_stream(connection, stream),
        "refused": refusals.of_stream(connection, stream, now),
        "baseline": baseline,
        "compared": compared,
        "distributions": [(one, distributions.draw(one)) for one in found[:MOST_SHOWN]],
        "left_out": max(0, len(found) - MOST_SHOWN),
        "as_it_came": refusals.record,
        "can_report": services.drilldowns is not None,
        "iso": iso,
        "figure": figure,
        "told": told,
        "runbook": services.runbook,
        "now": now,
    }


def _chart(
    connection: Connection,
    services: Services,
    stream: Stream,
    shown: Stretch,
    latest: list[Measurement],
    metric: str,
    labels: Labels,
) -> dict[str, Any]:
    names = sorted({one.metric for one in latest if not one.labels})
    if metric not in {one.metric for one in latest if one.labels == labels}:
        metric, labels = next((m for m in (*_FIRST, *names) if m in names), ""), ()
    zone = services.client(stream.client).zone
    sampler = stretch.sampler(connection, stream, shown, services.base_seconds)
    marks = new_versions(connection, stream)
    kept = {"metric": metric} | ({"of": _written(labels)} if labels else {})

    def address(stretch_of: Stretch = shown, **fields: str) -> str:
        return f"?{urlencode(kept | fields)}&{stretch_of.query}"

    return {
        "drawn": _drawn(sampler, metric, labels, latest, zone, marks) if metric else None,
        "names": names,
        "metric": metric,
        "of": _written(labels),
        "shown": shown,
        "from_field": stretch.local(shown.start, zone),
        "to_field": stretch.local(shown.end, zone),
        "zone": zone.key,
        "spans": [(span.label, address(stretch.usual(span.key, shown.end)), span.key) for span in SPANS],
        "moves": [
            ("◀ Earlier", address(shown.moved(-0.5))),
            ("Later ▶", address(shown.moved(0.5))),
            ("Closer", address(shown.scaled(0.5))),
            ("Wider", address(shown.scaled(2.0))),
        ],
        "link": lambda one: address(metric=one.metric, of=_written(one.labels)),
    }


def _drawn(
    sampler: Sampler,
    metric: str,
    labels: Labels,
    latest: list[Measurement],
    zone: Any,
    marks: tuple[Mark, ...],
) -> dict[str, Any]:
    added = metric == "volume"
    mine = [one for one in latest if one.metric == metric]
    steps = sampler.read(metric, of=labels, add=added)
    curves = [Curve(_written(labels) or "all", steps.starts, steps.values)]
    for index, version in enumerate(_versions(mine, labels)[:MOST_CURVES]):
        own = sampler.read(metric, of=_with(labels, version), add=added)
        curves.append(Curve(f"version {version}", own.starts, own.values, f"other-{index}"))
    unit = next((one.unit for one in mine), "")
    baseline = next((one.baseline for one in mine if one.labels == labels), None)
    chart = Chart(
        "zoom",
        f"{metric} {_written(labels)}".strip(),
        f"in {unit}" if unit else "",
        metric,
        sampler.start,
        sampler.end,
        zone,
        tuple(curves),
        limit=None if added else baseline,
        limit_name="baseline",
        marks=marks,
        floor=None,
        width=960,
        height=300,
        can_zoom=True,
    )
    return {"chart": chart, "svg": charts.draw(chart), "rows": chart.rows()}


def _versions(mine: list[Measurement], labels: Labels) -> list[str]:
    """The versions of which this figure is measured apart."""
    found = {one.label("version") for one in mine if one.labels == _with(labels, one.label("version"))}
    return sorted(found - {""})


def _with(labels: Labels, version: str) -> Labels:
    return tuple(sorted({**dict(labels), "version": version}.items()))


def _compared(shown: Stretch) -> Window:
    whole = stretch.Stretch(shown.start, shown.end, HOUR).aligned(HOUR)
    start = whole.start if whole.seconds <= COMPARED else whole.end - 24 * HOUR
    return Window(int(start), int(whole.end))


def _written(labels: Labels) -> str:
    return ",".join(f"{name}={value}" for name, value in labels)


def _urgency(alert: Alert) -> tuple[bool, int, str]:
    return not alert.is_open, list(Severity).index(alert.severity), alert.rule


def figure(value: float | None, unit: str) -> str:
    """A number with its unit, as engineers read it."""
    if value is None:
        return wording.NOTHING
    text = f"{value:.4g}"
    return f"{text} {unit}" if unit and unit != "share" else text


HANDLERS = (model,)
