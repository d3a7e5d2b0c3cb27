"""Unsubscribe from digests, by one click in a mail program (a bare POST, RFC 8058) or a page with a button; and
subscribe again.
"""

from typing import Any

from litestar import Request, Response, post, route
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from monitor.store import digests
from monitor.web import services as web_services
from monitor.web.auth import session
from monitor.web.auth.session import Visitor
from monitor.web.pages import rendering

_READER = Visitor("link in a mail", "", "")


@route(
    "/unsubscribe/{carried:str}",
    http_method=["GET", "POST"],
    sync_to_thread=True,
    include_in_schema=False,
    status_code=200,
)
def unsubscribe(request: Request[Any, Any, Any], carried: FromPath[str]) -> Response[str]:
    """GET shows a button: following a link must not change anything, because mail scanners follow links."""
    if request.method == "GET":
        return rendering.page("unsubscribe.html", carried=carried, state="asked")
    services = web_services.of(request)
    with services.store.write() as connection:
        left = digests.unsubscribe(connection, carried, services.clock.now())
        if left is None:
            raise NotFoundException
        if left.is_new:
            session.note(request, connection, _READER, left.client, "leave digests")
    return rendering.page("unsubscribe.html", carried=carried, state="left")


@post("/subscribe/{carried:str}", sync_to_thread=True, include_in_schema=False, status_code=200)
def subscribe(request: Request[Any, Any, Any], carried: FromPath[str]) -> Response[str]:
    """Subscribe again, after an unsubscription by mistake."""
    with web_services.of(request).store.write() as connection:
        back = digests.subscribe(connection, carried)
        if back is None:
            raise NotFoundException
        if back.is_new:
            session.note(request, connection, _READER, back.client, "subscribe to digests again")
    return rendering.page("unsubscribe.html", carried=carried, state="back")


HANDLERS = (unsubscribe, subscribe)
