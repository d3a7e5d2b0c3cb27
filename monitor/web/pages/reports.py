"""Drill-down reports of alerts: requested with one click, a page waits, and opens when they are ready."""

from typing import Any

from litestar import MediaType, Request, Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, URLEncodedBody

from monitor.clock import iso
from monitor.health import wording
from monitor.records import Alert
from monitor.reports.drilldowns import Drilldowns, ReportStage
from monitor.store import alerts
from monitor.web import services as web_services
from monitor.web.auth import session
from monitor.web.pages import actions, rendering

Form = URLEncodedBody[dict[str, str]]

# Evidently's page is one file with inline scripts. It runs in a sandbox: no cookies, no requests, no frames.
_SANDBOX = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data:; font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@post("/staff/reports/{fingerprint:str}/make", sync_to_thread=True, include_in_schema=False, status_code=303)
def ask(request: Request[Any, Any, Any], fingerprint: FromPath[str], data: Form) -> Response[Any]:
    """Request a report."""
    visitor = actions.changer(request, "viewer", data)
    services = web_services.of(request)
    drilldowns, alert = _report_of(request, fingerprint)
    with services.store.write() as connection:
        what = f"make a report on {alert.stream} {alert.rule}"
        session.note(request, connection, visitor, alert.stream.client, what)
    drilldowns.ask(alert)
    return Response("", status_code=303, headers={"Location": f"/staff/reports/{fingerprint}"})


@get("/staff/reports/{fingerprint:str}", sync_to_thread=True, include_in_schema=False)
def waiting(request: Request[Any, Any, Any], fingerprint: FromPath[str]) -> Response[str]:
    """The progress of a report; the page reloads until it is ready."""
    visitor = session.staff(request)
    drilldowns, alert = _report_of(request, fingerprint)
    now = web_services.of(request).clock.now()
    state = drilldowns.state(alert)
    return rendering.page(
        "staff_report.html", visitor=visitor, alert=alert, state=state, iso=iso, now=now, span=wording.span
    )


@get("/staff/reports/{fingerprint:str}/report.html", sync_to_thread=True, include_in_schema=False)
def report(request: Request[Any, Any, Any], fingerprint: FromPath[str]) -> Response[bytes]:
    """The finished report, in a sandbox."""
    session.staff(request)
    drilldowns, alert = _report_of(request, fingerprint)
    state = drilldowns.state(alert)
    if state is None or state.stage is not ReportStage.READY:
        raise NotFoundException
    headers = {"Content-Security-Policy": _SANDBOX}
    return Response(drilldowns.read(alert), media_type=MediaType.HTML, headers=headers)


def _report_of(request: Request[Any, Any, Any], fingerprint: str) -> tuple[Drilldowns, Alert]:
    visitor, services = session.staff(request), web_services.of(request)
    with services.store.read() as connection:
        alert = alerts.get(connection, fingerprint)
    if services.drilldowns is None or alert is None or not visitor.may_read(alert.stream.client):
        raise NotFoundException
    session.about(request, alert.stream.client)
    return services.drilldowns, alert


HANDLERS = (ask, waiting, report)
