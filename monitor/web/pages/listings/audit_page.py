"""The audit log: who looked at which client's data, and who changed what."""

from typing import Any

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException

from monitor.clock import iso
from monitor.store import audit
from monitor.store.audit import AuditFilter
from monitor.web import services as web_services
from monitor.web.auth import session
from monitor.web.pages import rendering
from monitor.web.pages.listings import list_query

FILTERS = ("client", "action", "who", "address", "target")


@get("/staff/audit", sync_to_thread=True, include_in_schema=False)
def audit_page(request: Request[Any, Any, Any]) -> Response[str]:
    """The entries that the address asks for, newest first."""
    visitor = session.staff(request, "admin")
    if visitor.client:  # a page about all clients is not for staff of one
        raise NotFoundException
    services = web_services.of(request)
    asked = list_query.parse(request.query_params, FILTERS, services.clock.now())
    wanted = AuditFilter(**asked.filters, start=asked.start, end=asked.end)
    with services.store.read() as connection:
        total = audit.count(connection, wanted)
        asked = list_query.at_page(asked, total)
        entries = audit.find(connection, wanted, asked.offset, list_query.PER_PAGE)
        actions = audit.actions(connection)
    return rendering.page(
        "staff_audit.html",
        visitor=visitor,
        query=asked,
        entries=entries,
        total=total,
        actions=sorted(actions),
        iso=iso,
    )


HANDLERS = (audit_page,)
