"""The front of the web: the two hot addresses are answered at once, everything else is the application's.

Routing and middleware cost a request more than taking it in does, and the ingest needs none of it: it asks for keys and
keeps to its limits itself (`monitor.web.ingest`), and is neither audited nor shown in a browser.
"""

import logging
from collections.abc import Mapping
from functools import lru_cache

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from monitor.web import reply, security
from monitor.web.meters import Meters
from monitor.web.reply import Endpoint, Reply

log = logging.getLogger(__name__)

_UNFORESEEN = b'{"error":"something went wrong here","hint":"it has been written to the daemon\'s log"}'


class Front:
    """An ASGI application: `hot` by path, `rest` for all other requests."""

    def __init__(
        self, hot: Mapping[str, Endpoint], rest: ASGIApp, meters: Meters, *, is_secure: bool = False
    ) -> None:
        self._hot = {**hot, **{f"{path}/": endpoint for path, endpoint in hot.items()}}
        self._rest = rest
        self._count = lru_cache(
            lambda path, status: meters.requests.labels(handler=path.rstrip("/"), code=str(status))
        )
        self._headers = [
            (name.lower().encode(), value.encode())
            for name, value in security.headers(is_secure=is_secure).items()
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        endpoint = self._hot.get(scope["path"]) if scope["type"] == ScopeType.HTTP else None
        if endpoint is None:
            await self._rest(scope, receive, send)
            return
        answer = await _answer(endpoint, scope, receive)  # type: ignore[arg-type]
        if answer is not None:
            headers = [*answer.headers, *self._headers]
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            await send({"type": "http.response.body", "body": answer.body, "more_body": False})
        self._count(scope["path"], answer.status if answer is not None else 0).inc()


async def _answer(endpoint: Endpoint, scope: HTTPScope, receive: Receive) -> Reply | None:
    try:
        return await endpoint(scope, receive)
    except Exception as error:  # the border: told to whoever runs the daemon, not to whoever asked
        log.error("%s %s failed", scope.get("method"), scope["path"], exc_info=error)
        return reply.of_json(500, _UNFORESEEN)
