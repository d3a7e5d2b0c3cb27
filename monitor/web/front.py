"""The front of the web: the two hot addresses are answered at once, everything else is the application's.

Routing and middleware cost a request more than taking it in does, and the ingest needs none of it: it asks for keys and
keeps to its limits itself (`monitor.web.ingest`), and is neither audited nor shown in a browser.
"""

import logging
from collections.abc import Mapping

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from monitor.web import security
from monitor.web.meters import Meters

log = logging.getLogger(__name__)

_UNFORESEEN = b'{"error":"something went wrong here","hint":"it has been written to the daemon\'s log"}'


class Front:
    """An ASGI application: `hot` by path, `rest` for all other requests."""

    def __init__(
        self, hot: Mapping[str, ASGIApp], rest: ASGIApp, meters: Meters, *, is_secure: bool = False
    ) -> None:
        self._hot = {**hot, **{f"{path}/": endpoint for path, endpoint in hot.items()}}
        self._rest = rest
        self._requests = meters.requests
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
        status = 0

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *self._headers]
            await send(message)

        try:
            await endpoint(scope, receive, sent)
        except Exception as error:  # the border: told to whoever runs the daemon, not to whoever asked
            log.error("%s %s failed", scope.get("method"), scope["path"], exc_info=error)
            if not status:
                await _answer(sent, 500, _UNFORESEEN)
        self._requests.labels(handler=scope["path"].rstrip("/"), code=str(status)).inc()


async def _answer(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
