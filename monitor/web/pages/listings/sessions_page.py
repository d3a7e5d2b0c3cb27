"""Who is signed in, and an end for each sign-in: one's own, and for admins of all clients everybody's."""

from typing import Any

from litestar import Request, Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from monitor.clock import iso
from monitor.store import sessions
from monitor.store.sessions import Session
from monitor.web import services as web_services
from monitor.web.auth import session
from monitor.web.auth.session import Visitor
from monitor.web.pages import rendering
from monitor.web.pages.actions import Form, changer, note


@get("/staff/sessions", sync_to_thread=True, include_in_schema=False)
def sessions_page(request: Request[Any, Any, Any]) -> Response[str]:
    """The open sessions that the visitor may end."""
    visitor = session.staff(request)
    services = web_services.of(request)
    now, idle = services.clock.now(), services.settings.session_idle
    with services.store.read() as connection:
        found = [one for one in sessions.open_sessions(connection, now, idle) if _may_end(visitor, one)]
        own = sessions.find(connection, visitor.secret, now) if visitor.secret else None
    return rendering.page(
        "staff_sessions.html", visitor=visitor, found=found, own=own.id if own else "", iso=iso
    )


@post("/staff/sessions/{identity:str}/end", sync_to_thread=True, include_in_schema=False, status_code=303)
def end_session(request: Request[Any, Any, Any], identity: FromPath[str], data: Form) -> Response[Any]:
    """End a session: whoever uses it has to sign in again."""
    visitor = changer(request, "viewer", data)
    services = web_services.of(request)
    now, idle = services.clock.now(), services.settings.session_idle
    with services.store.write() as connection:
        found = sessions.open_sessions(connection, now, idle)
        one = next((one for one in found if one.id == identity and _may_end(visitor, one)), None)
        if one is None or not sessions.end(connection, identity):
            raise NotFoundException
        note(request, connection, visitor, one.client, f"end session {identity} of {one.who}")
    return Response("", status_code=303, headers={"Location": "/staff/sessions"})


def _may_end(visitor: Visitor, one: Session) -> bool:
    if visitor.may("admin") and not visitor.client:
        return True
    return (visitor.who, visitor.role, visitor.client) == (one.who, one.role, one.client)


HANDLERS = (sessions_page, end_session)
