"""Every refused record that is kept, with its reason and what to do about it."""

from typing import Any

from litestar import Request, Response, get

from monitor.clock import iso
from monitor.store import quarantine
from monitor.store.quarantine import QuarantineFilter
from monitor.web import services as web_services
from monitor.web.auth import session
from monitor.web.pages import rendering
from monitor.web.pages.listings import list_query
from monitor.web.pages.model.quarantine import record

FILTERS = ("client", "model", "reason", "q")


@get("/staff/quarantine", sync_to_thread=True, include_in_schema=False)
def quarantine_page(request: Request[Any, Any, Any]) -> Response[str]:
    """The refused records of the clients that the visitor may read."""
    visitor = session.staff(request)
    services = web_services.of(request)
    asked = list_query.parse(request.query_params, FILTERS, services.clock.now())
    chosen = asked.filters
    if visitor.client:
        session.about(request, visitor.client)
    elif chosen["client"]:
        session.about(request, chosen["client"])
    # Records that name no client, or one that does not exist, are for staff of all clients.
    client = visitor.client or chosen["client"] or None
    wanted = QuarantineFilter(client, chosen["model"], chosen["reason"], chosen["q"], asked.start, asked.end)
    with services.store.read() as connection:
        total = quarantine.count(connection, wanted)
        asked = list_query.at_page(asked, total)
        records = quarantine.find(connection, wanted, asked.offset, list_query.PER_PAGE)
        reasons = quarantine.reasons(connection, wanted)
    return rendering.page(
        "staff_quarantine.html",
        visitor=visitor,
        query=asked,
        records=records,
        total=total,
        refused=sum(number for _, number in reasons),
        reasons=reasons,
        all_reasons=quarantine.REASONS,
        as_it_came=record,
        iso=iso,
    )


HANDLERS = (quarantine_page,)
