"""Leaving a digest: one click in a mail program (a bare POST, RFC 8058), or a page with a button."""

from typing import Any

from litestar import Request, Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from monitor.store import digests
from monitor.web import rendering
from monitor.web import services as surroundings


@get("/unsubscribe/{carried:str}", sync_to_thread=True, include_in_schema=False)
def ask(carried: FromPath[str]) -> Response[str]:
    """A page with a button: following a link must not change anything, because mail scanners follow links."""
    return rendering.page("unsubscribe.html", carried=carried, done=False)


@post("/unsubscribe/{carried:str}", sync_to_thread=True, include_in_schema=False, status_code=200)
def leave(request: Request[Any, Any, Any], carried: FromPath[str]) -> Response[str]:
    """No more digests for the reader of this link."""
    services = surroundings.of(request)
    with services.store.write() as connection:
        if digests.unsubscribe(connection, carried, services.clock.now()) is None:
            raise NotFoundException
    return rendering.page("unsubscribe.html", carried=carried, done=True)


HANDLERS = (ask, leave)
