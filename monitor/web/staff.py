"""What staff see behind their sign-in: every stream and every open alert, keys, and who looked at what."""

from dataclasses import dataclass
from typing import Any

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromQuery

from monitor.clock import iso
from monitor.health import verdict, wording
from monitor.health.verdict import Health, ModelHealth
from monitor.records import Alert, Severity, Stream
from monitor.store import access, alerts, audit, register, silences
from monitor.store.register import StreamFigures
from monitor.web import rendering, session
from monitor.web import services as surroundings
from monitor.web.services import Services
from monitor.web.session import Visitor


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
        streams = [f for f in register.figures_of_all(connection) if visitor.may_read(f.stream.client)]
        mutes = silences.load(connection, now)
    rows = [_row(services, figures, found, now) for figures in streams]
    rows.sort(key=lambda row: (-row.health.code, row.stream))
    return rendering.page(
        "staff.html",
        visitor=visitor,
        rows=rows,
        shown={row.stream for row in rows},
        urgent=[alert for alert in found if alert.severity is not Severity.INFO],
        informing=[alert for alert in found if alert.severity is Severity.INFO],
        silences=mutes,
        can_report=services.drilldowns is not None,
        runbook=services.runbook,
        iso=iso,
        span=wording.span,
        now=now,
    )


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
    health = judged(services, figures, mine, now).health
    received = f"{wording.span(now - figures.last_received)} ago" if figures.rows else "never"
    return StreamRow(figures.stream, health, figures.rows, received, len(mine))


def judged(services: Services, known: StreamFigures, found: list[Alert], now: float) -> ModelHealth:
    """The state of a stream from its alerts."""
    settings = services.client(known.stream.client)
    received = known.last_received if known.rows else None
    return verdict.judge(
        known.stream, known.stream.model, found, received, now=now, stale_after=settings.stale_after
    )


HANDLERS = (overview, keys, audit_page)
