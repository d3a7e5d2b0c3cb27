"""The incidents of a client for its delivery lead, with a form for updates that the client reads."""

from typing import Any
from urllib.parse import quote

from litestar import Request, Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery

from monitor.clock import iso
from monitor.health import client_state, notes, wording
from monitor.store import alerts, streams
from monitor.web import services as web_services
from monitor.web.auth import session
from monitor.web.pages import rendering
from monitor.web.pages.actions import Form, changer_of


@get("/staff/incidents", sync_to_thread=True, include_in_schema=False)
def incidents(request: Request[Any, Any, Any], client: FromQuery[str] = "") -> Response[str]:
    """The incidents of one client, newest first; of the first client with an open alert if none is named."""
    visitor = session.staff(request)
    services = web_services.of(request)
    now = services.clock.now()
    with services.store.read() as connection:
        known = {*services.clients, *(one.client for one in streams.streams(connection))}
        names = sorted(name for name in known if visitor.may_read(name))
        firing = [one.stream.client for one in alerts.load_open(connection)]
        chosen = client or next((name for name in [*firing, *names] if name in names), "")
        if client and client not in names:
            raise NotFoundException
        session.about(request, chosen)
        settings = services.client(chosen)
        shown = client_state.incidents(connection, chosen, settings, now) if chosen else []
    return rendering.page(
        "staff_incidents.html",
        visitor=visitor,
        clients=[(name, services.client(name).name or name) for name in names],
        chosen=chosen,
        name=settings.name or chosen,
        incidents=shown,
        zone=settings.zone,
        longest=notes.LONGEST,
        moment=wording.moment,
        span=wording.span,
        iso=iso,
        now=now,
    )


@post(
    "/staff/incidents/{client:str}/{identity:str}/note",
    sync_to_thread=True,
    include_in_schema=False,
    status_code=303,
)
def write_note(
    request: Request[Any, Any, Any], client: FromPath[str], identity: FromPath[str], data: Form
) -> Response[Any]:
    """Write an update on an incident."""
    visitor = changer_of(request, "operator", data, client)
    services = web_services.of(request)
    now, settings = services.clock.now(), services.client(client)
    with services.store.write() as connection:
        listed = client_state.incidents(connection, client, settings, now)
        chosen = next((one for one in listed if one.id == identity), None)
        if chosen is None:
            raise NotFoundException
        address, text = session.address_of(request), data.get("text", "")
        notes.write(connection, chosen, text, author=visitor.audit_name, address=address, now=now)
    return _back(client)


@post(
    "/staff/incidents/{client:str}/notes/{identity:str}/withdraw",
    sync_to_thread=True,
    include_in_schema=False,
    status_code=303,
)
def withdraw_note(
    request: Request[Any, Any, Any], client: FromPath[str], identity: FromPath[str], data: Form
) -> Response[Any]:
    """Take an update back."""
    visitor = changer_of(request, "operator", data, client)
    services = web_services.of(request)
    with services.store.write() as connection:
        now = services.clock.now()
        notes.withdraw(
            connection,
            client,
            identity,
            author=visitor.audit_name,
            address=session.address_of(request),
            now=now,
        )
    return _back(client)


def _back(client: str) -> Response[Any]:
    where = f"/staff/incidents?client={quote(client, safe='')}"
    return Response("", status_code=303, headers={"Location": where})


HANDLERS = (incidents, write_note, withdraw_note)
