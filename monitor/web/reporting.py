"""From an alert to its drill-down report: asked for with one click, waited for on a page, opened when it is ready."""

from typing import Any

from litestar import MediaType, Request, Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, URLEncodedBody

from monitor.clock import iso
from monitor.health import wording
from monitor.records import Alert
from monitor.reports.drilldowns import Drilldowns, Stage
from monitor.store import alerts
from monitor.web import changes, rendering, session
from monitor.web import services as surroundings

Form = URLEncodedBody[dict[str, str]]

# Evidently's page is one file with its scripts inside. It runs as a stranger: no cookie, no request, no frame.
_ALONE = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data:; font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@post("/staff/reports/{fingerprint:str}/make", sync_to_thread=True, include_in_schema=False, status_code=303)
def ask(request: Request[Any, Any, Any], fingerprint: FromPath[str], data: Form) -> Response[Any]:
    """Have a report made."""
    visitor = changes.changer(request, "viewer", data)
    services = surroundings.of(request)
    drilldowns, alert = _found(request, fingerprint)
    drilldowns.ask(alert)
    with services.store.write() as connection:
        what = f"make a report on {alert.stream} {alert.rule}"
        changes.note(request, connection, visitor, alert.stream.client, what)
    return Response("", status_code=303, headers={"Location": f"/staff/reports/{fingerprint}"})


@get("/staff/reports/{fingerprint:str}", sync_to_thread=True, include_in_schema=False)
def waiting(request: Request[Any, Any, Any], fingerprint: FromPath[str]) -> Response[str]:
    """How far a report is; the page asks again by itself until it is ready."""
    visitor = session.staff(request)
    drilldowns, alert = _found(request, fingerprint)
    now = surroundings.of(request).clock.now()
    state = drilldowns.state(alert)
    return rendering.page(
        "staff_report.html", visitor=visitor, alert=alert, state=state, iso=iso, now=now, span=wording.span
    )


@get("/staff/reports/{fingerprint:str}/report.html", sync_to_thread=True, include_in_schema=False)
def report(request: Request[Any, Any, Any], fingerprint: FromPath[str]) -> Response[bytes]:
    """The finished report, shut off from everything else."""
    session.staff(request)
    drilldowns, alert = _found(request, fingerprint)
    state = drilldowns.state(alert)
    if state is None or state.stage is not Stage.READY:
        raise NotFoundException
    headers = {"Content-Security-Policy": _ALONE}
    return Response(drilldowns.read(alert), media_type=MediaType.HTML, headers=headers)


def _found(request: Request[Any, Any, Any], fingerprint: str) -> tuple[Drilldowns, Alert]:
    visitor, services = session.staff(request), surroundings.of(request)
    with services.store.read() as connection:
        alert = alerts.get(connection, fingerprint)
    if services.drilldowns is None or alert is None or not visitor.may_read(alert.stream.client):
        raise NotFoundException
    session.about(request, alert.stream.client)
    return services.drilldowns, alert


HANDLERS = (ask, waiting, report)
