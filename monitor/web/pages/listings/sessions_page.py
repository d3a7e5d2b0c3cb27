"""Who is signed in, and an end for each sign-in: one's own, and for admins of all clients everybody's."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

from litestar import Request, Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from monitor.clock import iso
from monitor.health import wording
from monitor.store import api_keys, sessions
from monitor.store.sessions import Session
from monitor.visible import counted
from monitor.web import services as web_services
from monitor.web.auth import recent_sign_in, session
from monitor.web.auth.session import Visitor
from monitor.web.pages import rendering
from monitor.web.pages.actions import Form, changer

MayEnd = Callable[[Visitor, Session], bool]


@get("/staff/sessions", sync_to_thread=True, include_in_schema=False)
def sessions_page(request: Request[Any, Any, Any]) -> Response[str]:
    """The open sessions that the visitor may end."""
    visitor = session.staff(request)
    listed, own = _listed(request, visitor, _may_end)
    count, worth = Counter(one.principal for one in listed), _worth(request, listed)
    return rendering.page(
        "staff_sessions.html",
        visitor=visitor,
        listed=listed,
        own=own,
        iso=iso,
        worth=lambda one: worth[one.id],
        several=lambda one: count[one.principal] > 1,
    )


@post("/staff/sessions/{identity:str}/end", sync_to_thread=True, include_in_schema=False, status_code=303)
def end_session(request: Request[Any, Any, Any], identity: FromPath[str], data: Form) -> Response[Any]:
    """End a session, or all of the same key or person (`all`): the user has to sign in again."""
    _end(request, changer(request, "viewer", data), identity, _may_end, of_same=bool(data.get("all")))
    return Response("", status_code=303, headers={"Location": "/staff/sessions"})


@get("/c/{key:str}/sessions", sync_to_thread=True, include_in_schema=False)
def own_sessions(request: Request[Any, Any, Any], key: FromPath[str]) -> Response[str]:
    """The visitor's own sessions: of a reader, those of the same key."""
    visitor, services = session.reader(request, key), web_services.of(request)
    settings = services.client(key)
    moment = partial(wording.moment, zone=settings.zone, now=services.clock.now())
    listed, own = _listed(request, visitor, _is_own)
    return rendering.page(
        "sessions.html",
        visitor=visitor,
        client=key,
        name=settings.name or key,
        listed=listed,
        own=own,
        iso=iso,
        moment=moment,
        zone=settings.zone,
    )


@post(
    "/c/{key:str}/sessions/{identity:str}/end", sync_to_thread=True, include_in_schema=False, status_code=303
)
def end_own(
    request: Request[Any, Any, Any], key: FromPath[str], identity: FromPath[str], data: Form
) -> Response[Any]:
    """End a session of the visitor's own."""
    visitor = session.reader(request, key)
    session.check_form(request, visitor, data.get("csrf", ""))
    _end(request, visitor, identity, _is_own)
    return Response("", status_code=303, headers={"Location": f"/c/{quote(key, safe='')}/sessions"})


def _listed(request: Request[Any, Any, Any], visitor: Visitor, may_end: MayEnd) -> tuple[list[Session], str]:
    """The open sessions that the visitor may end, newest first, and the id of the one in use."""
    services = web_services.of(request)
    now, idle = services.clock.now(), services.settings.session_idle
    with services.store.read() as connection:
        listed = [one for one in sessions.open_sessions(connection, now, idle) if may_end(visitor, one)]
        own = sessions.find(connection, visitor.secret, now) if visitor.secret else None
    return listed, own.id if own else ""


def _worth(request: Request[Any, Any, Any], listed: Sequence[Session]) -> dict[str, str]:
    """The role that each session has today, in words, by its id."""
    services = web_services.of(request)
    with services.store.read() as connection:
        keys = {key.id: key for key in api_keys.keys(connection)}
    now, words = services.clock.now(), dict[str, str]()
    for one in listed:
        today = session.in_force(services, one, keys.get(one.key_id), "", now)
        words[one.id] = "none any more" if today is None else today.role or "reader"
    return words


def _end(
    request: Request[Any, Any, Any],
    visitor: Visitor,
    identity: str,
    may_end: MayEnd,
    *,
    of_same: bool = False,
) -> None:
    services = web_services.of(request)
    now, idle = services.clock.now(), services.settings.session_idle
    with services.store.write() as connection:
        listed = sessions.open_sessions(connection, now, idle)
        one = next((one for one in listed if one.id == identity and may_end(visitor, one)), None)
        if one is not None and not _is_own(visitor, one):
            recent_sign_in.check(request, visitor, "/staff/sessions")
        if one is None or not sessions.end(connection, identity):
            raise NotFoundException
        others = sessions.end_all_of(connection, one) if of_same else 0
        more = f" and {counted(others, 'other')} of the same" if of_same else ""
        what = f"end session {identity} of {one.who}{more}"
        session.note(request, connection, visitor, one.client, what)


def _may_end(visitor: Visitor, one: Session) -> bool:
    return (visitor.may("admin") and not visitor.client) or _is_own(visitor, one)


def _is_own(visitor: Visitor, one: Session) -> bool:
    """Whether the visitor opened a session: a name proves nothing."""
    return any(visitor.principal) and visitor.principal == one.principal


HANDLERS = (sessions_page, end_session, own_sessions, end_own)
