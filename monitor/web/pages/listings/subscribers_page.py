"""Who gets mails about changes of a client's models; staff can remove an address."""

from typing import Any

from litestar import Request, Response, get, post
from litestar.exceptions import NotFoundException

from monitor.clock import iso
from monitor.store import change_subscriptions
from monitor.web import services as web_services
from monitor.web.auth import session
from monitor.web.pages import rendering
from monitor.web.pages.actions import Form, changer
from monitor.web.pages.listings import list_query

ROLE = "operator"
"""Addresses are personal data: viewers do not see them."""


@get("/staff/subscribers", sync_to_thread=True, include_in_schema=False)
def subscribers_page(request: Request[Any, Any, Any]) -> Response[str]:
    """The addresses that the visitor may see, by client."""
    visitor = session.staff(request, ROLE)
    services = web_services.of(request)
    asked = list_query.parse(request.query_params, ("client", "address"), services.clock.now())
    client = visitor.client or asked.filters["client"]
    session.about(request, client)
    part = asked.filters["address"]
    with services.store.read() as connection:
        total = change_subscriptions.count(connection, client, part)
        asked = list_query.at_page(asked, total)
        subscriptions = change_subscriptions.find(connection, client, part, asked.offset, list_query.PER_PAGE)
    return rendering.page(
        "staff_subscribers.html",
        visitor=visitor,
        query=asked,
        subscriptions=subscriptions,
        total=total,
        iso=iso,
    )


@post("/staff/subscribers/remove", sync_to_thread=True, include_in_schema=False, status_code=303)
def remove(request: Request[Any, Any, Any], data: Form) -> Response[Any]:
    """Remove an address: it gets no further mail, unless somebody subscribes it again and confirms."""
    visitor = changer(request, ROLE, data)
    client, address = data.get("client", ""), data.get("address", "")
    with web_services.of(request).store.write() as connection:
        if not visitor.may_read(client) or not change_subscriptions.remove(connection, client, address):
            raise NotFoundException
        session.note(request, connection, visitor, client, "remove a subscription to mails")
    return Response("", status_code=303, headers={"Location": "/staff/subscribers"})


HANDLERS = (subscribers_page, remove)
