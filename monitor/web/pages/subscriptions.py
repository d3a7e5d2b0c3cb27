"""Subscribing to changes on a client's page by mail. Following a link changes nothing: mail scanners follow links."""

from typing import Any, Literal, cast

from litestar import Request, Response, post, route
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from monitor.digest.changes import subscriptions
from monitor.digest.changes.subscriptions import Purpose
from monitor.digest.email_delivery import EMAIL
from monitor.health import client_state
from monitor.store import change_subscriptions
from monitor.web import services as web_services
from monitor.web.auth import session
from monitor.web.auth.session import Visitor
from monitor.web.pages import rendering
from monitor.web.pages.actions import Form
from monitor.web.services import Services

_READER = Visitor("link in a mail", "", "")
State = Literal["asked", "confirm", "confirmed", "leave", "left"]


def is_offered(services: Services) -> bool:
    """Whether mails can be sent, and their links lead anywhere."""
    return EMAIL in services.channels and bool(services.settings.public_url)


@post("/c/{key:str}/changes", sync_to_thread=True, include_in_schema=False, status_code=200)
def ask(request: Request[Any, Any, Any], key: FromPath[str], data: Form) -> Response[str]:
    """Ask an address for its confirmation. The answer does not tell whether it is subscribed already."""
    visitor = session.reader(request, key)
    session.check_form(request, visitor, data.get("csrf", ""))
    services = web_services.of(request)
    settings, url = services.client(key), services.settings.public_url
    with services.store.write() as connection:
        known = any(client_state.streams_of(connection, key, settings))
        if not is_offered(services) or not known:
            raise NotFoundException
        address = data.get("address", "")
        if subscriptions.ask(connection, key, settings.name or key, address, url, services.clock.now()):
            session.note(request, connection, visitor, key, "ask an address for mails on changes")
    return _page("asked", client=key, visitor=visitor)


@route(
    "/changes/{purpose:str}/{carried:str}",
    http_method=["GET", "POST"],
    sync_to_thread=True,
    include_in_schema=False,
    status_code=200,
)
def follow(request: Request[Any, Any, Any], purpose: FromPath[str], carried: FromPath[str]) -> Response[str]:
    """The page of a link in a mail: GET shows a button, POST (also that of a mail program, RFC 8058) acts."""
    if purpose not in ("confirm", "leave"):
        raise NotFoundException
    services, chosen = web_services.of(request), cast("Purpose", purpose)
    now = services.clock.now()
    with services.store.read() as connection:
        one = subscriptions.opened(connection, chosen, carried, now)
    if one is None:
        raise NotFoundException
    session.about(request, one.client)
    if request.method == "GET":
        return _page(chosen, one.client, services.client(one.client).name, carried)
    with services.store.write() as connection:
        act = change_subscriptions.confirm if chosen == "confirm" else change_subscriptions.leave
        if act(connection, one, now):
            session.note(request, connection, _READER, one.client, f"{chosen} mails on changes")
    return _page("confirmed" if chosen == "confirm" else "left", one.client)


def _page(
    state: State, client: str, name: str = "", carried: str = "", visitor: Visitor | None = None
) -> Response[str]:
    return rendering.page(
        "subscription.html", state=state, client=client, name=name or client, carried=carried, visitor=visitor
    )


HANDLERS = (ask, follow)
