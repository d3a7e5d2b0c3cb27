"""Plain ASGI in front of the application, for all requests.

The ingest endpoints are answered here, because routing, middleware and parsing of unused data would cost more than
accepting a prediction. All other requests go to the application, without a body where no route reads one. Invalid
requests (late protocol upgrades, control characters in a path, hundreds of headers, a parameter that is there twice)
are answered here.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import lru_cache
from typing import Protocol
from urllib.parse import unquote_plus

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send
from litestar.types.asgi_types import ReceiveMessage

from monitor.errors import WatchkeeperError
from monitor.exporters.prometheus.daemon_meters import DaemonMeters
from monitor.visible import beginning
from monitor.web.auth import response_headers
from monitor.web.connections import MOST_HEADERS, Connection
from monitor.web.ingest import reply, request_body
from monitor.web.ingest.incoming_body import DisconnectedError
from monitor.web.ingest.reply import Headers, Reply
from monitor.web.ingest.request import USED
from monitor.web.statuses import status_of, words_of
from monitor.web.transport.fair_turns import Turns

log = logging.getLogger(__name__)

_CLOSE = ("connection", "close")
_CLOSE_HEADER = (b"connection", b"close")
_WRONG_METHOD = reply.of_error(
    405, "this method is not allowed here", "", ("allow", "GET, HEAD, POST"), _CLOSE
)
_UPGRADE_REJECTED = reply.of_error(
    400, "only HTTP/1.1 is supported", "send the request without the header Upgrade", _CLOSE
)
_TOO_MANY_HEADERS = reply.of_error(431, f"more than {MOST_HEADERS} headers", "send fewer", _CLOSE)
_NO_HOST = reply.of_error(400, "the header Host is missing", "HTTP/1.1 requires it", _CLOSE)
_CONTROL_CHARACTER = reply.of_error(
    400, "the URL contains a control character", "remove it from path and query"
)
_WITHOUT_BODY = (204, 304)
"""Statuses of answers that never have a body."""
_INTERNAL_ERROR = reply.of_error(500, "internal error", "the daemon's log has the details")


class HotEndpoint(Protocol):
    """A handler for a frequently requested path."""

    async def answer(self, scope: HTTPScope, receive: Receive) -> Reply:
        """The response to a request.

        Raises:
            DisconnectedError: the sender is gone.
        """
        ...


class Front:
    """The ASGI application of the server. `hot` are the endpoints by path.

    Requests of one sender, as `sender_of` tells it, are begun in turns with those of others.
    """

    def __init__(
        self,
        application: ASGIApp,
        hot: Mapping[str, HotEndpoint],
        meters: DaemonMeters,
        sender_of: Callable[[HTTPScope], str] = lambda _scope: "",
        *,
        strict_transport: str = "",
        body_within: float = 60.0,
    ) -> None:
        self._application = application
        self._hot = {f"{path}{end}": (path, endpoint) for path, endpoint in hot.items() for end in ("", "/")}
        self._meters = meters
        self._sender_of, self._turns = sender_of, Turns()
        self._page_turns = Turns(of_each=1)  # a page costs the loop several times what a record does
        self._body_within = body_within
        self._headers: Headers = [
            (name.lower().encode(), value.encode())
            for name, value in response_headers.of_data(strict_transport=strict_transport).items()
        ]
        self._count = lru_cache(lambda path, code: meters.requests.labels(handler=path, code=code))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it to the application."""
        if scope["type"] != ScopeType.HTTP:
            await self._application(scope, receive, send)
            return
        connection = scope["state"].get("connection")
        if not isinstance(connection, Connection):
            await self._respond(scope, receive, send, None)
            return
        is_whole = not request_body.announced(scope)
        connection.open(has_body=not is_whole)
        left: int | None = None

        async def read() -> ReceiveMessage:
            nonlocal is_whole, left
            message = await receive()
            is_whole = message["type"] != "http.request" or not message["more_body"]
            if message["type"] == "http.request" and not is_whole:
                left = max(0, (request_body.length(scope) if left is None else left) - len(message["body"]))
            connection.read(is_whole=is_whole, left=0 if is_whole or left is None else left)
            return message

        if connection.is_for_one_request:
            send = _last(send)
        try:
            turns = self._turns if scope["path"] in self._hot else self._page_turns
            if not turns.take(sender := self._sender_of(scope)):
                await turns.later(sender)
            await self._respond(scope, receive if is_whole else read, send, connection)
        finally:
            connection.close(is_whole=is_whole)

    def _respond(
        self, scope: HTTPScope, receive: Receive, send: Send, connection: Connection | None
    ) -> Awaitable[None]:
        """Whatever responds to a request."""
        rejection = _rejection(scope)
        if rejection is not None:
            return self._reject(rejection, send, connection)
        if (route := self._hot.get(scope["path"])) is not None:
            return self._answer(scope, receive, send, connection, *route)
        receive = request_body.in_time(receive, self._body_within)
        if connection is not None:
            send = _last_if_stream(_to_those_who_left(send, connection), connection)
        return self._pass(scope, receive, send)

    async def _reject(self, rejection: Reply, send: Send, connection: Connection | None) -> None:
        await self._send(rejection, send, connection)
        self._count("none", str(rejection.status)).inc()

    async def _pass(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        """Have the application answer."""
        try:
            if request_body.has_unread_body(scope):
                receive = await request_body.dropped(scope, receive)
        except WatchkeeperError as error:
            status, more = status_of(error)
            self._count("none", str(status)).inc()
            await reply.of_error(status, *words_of(error), *more).send(send, self._headers)
            return
        if scope["method"] == "HEAD":
            # uvicorn sends no body for HEAD, so the application can treat it as GET.
            await self._application({**scope, "method": "GET"}, receive, _only_head(send))
        else:
            await self._application(scope, receive, send)

    async def _answer(
        self,
        scope: HTTPScope,
        receive: Receive,
        send: Send,
        connection: Connection | None,
        path: str,
        endpoint: HotEndpoint,
    ) -> None:
        try:
            answer = await endpoint.answer(scope, receive)
        except DisconnectedError:
            self._count(path, "0").inc()
            return
        except Exception as error:  # boundary: logged for the operator, not shown to the sender
            log.error("%s %s failed", scope["method"], path, exc_info=error)
            answer = _INTERNAL_ERROR
        is_lost = connection is not None and connection.is_lost
        self._count(path, "0" if is_lost else str(answer.status)).inc()
        await self._send(answer, send, connection)

    async def _send(self, answer: Reply, send: Send, connection: Connection | None) -> None:
        try:
            await answer.send(send, self._headers)
        except RuntimeError:
            if connection is None or not connection.is_lost:
                raise


def _rejection(scope: HTTPScope) -> Reply | None:
    """The response to an invalid request; None for valid ones."""
    if scope["method"] == "CONNECT":
        return _WRONG_METHOD
    names = [name for name, _ in scope["headers"]]
    if len(names) > MOST_HEADERS:
        return _TOO_MANY_HEADERS
    if len(set(names)) < len(names) and (
        repeated := next((one for one in USED if names.count(one) > 1), b"")
    ):
        return _twice(f"header {repeated.decode().title()}")
    if b"host" not in names and scope["http_version"] == "1.1":
        return _NO_HOST
    if b"upgrade" in names:
        return _UPGRADE_REJECTED
    path = scope["path"]
    if not path.isprintable() and any(character < " " or character == "\x7f" for character in path):
        return _CONTROL_CHARACTER
    query = scope["query_string"]
    if not query:
        return None
    if b"%00" in query:
        return _CONTROL_CHARACTER
    parameter = _repeated(query)
    return None if parameter is None else _twice(f"parameter {beginning(parameter, 40)!r}")


def _repeated(query: bytes) -> str | None:
    """The first name that a query string has twice: of two values, handlers and proxies may read either one."""
    seen = set()
    for part in filter(None, query.decode("latin-1").split("&")):
        name = unquote_plus(part.partition("=")[0])
        if name in seen:
            return name
        seen.add(name)
    return None


def _twice(what: str) -> Reply:
    hint = "a proxy may interpret it differently; send it once"
    return reply.of_error(400, f"the {what} is duplicated", hint, _CLOSE)


def _to_those_who_left(send: Send, connection: Connection) -> Send:
    """`send` that raises nothing where the peer is gone: uvicorn notifies only the last of pipelined requests."""

    async def send_response(message: Message) -> None:
        try:
            await send(message)
        except RuntimeError:
            if not connection.is_lost:
                raise

    return send_response


def _last(send: Send) -> Send:
    """`send` that makes an answer the last one of its connection."""

    async def send_last(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*_without_connection(message["headers"]), _CLOSE_HEADER]
        await send(message)

    return send_last


def _without_connection(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    return [(name, value) for name, value in headers if name.lower() != b"connection"]


def _last_if_stream(send: Send, connection: Connection) -> Send:
    """`send` that makes an answer of unknown length the last one of its connection.

    Requests that wait behind a stream would wait for ever, and keep the server from seeing that the peer has gone.
    """

    async def send_last(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] not in _WITHOUT_BODY:
            headers = _without_connection(message["headers"])
            if all(name.lower() != b"content-length" for name, _ in headers):
                message["headers"] = [*headers, _CLOSE_HEADER]
                connection.drop_further()
        await send(message)

    return send_last


def _only_head(send: Send) -> Send:
    """`send` that completes the response after its head: an endless page would keep the connection."""
    is_sent = False

    async def send_head(message: Message) -> None:
        nonlocal is_sent
        if not is_sent:
            await send(message)
            if message["type"] == "http.response.start":
                is_sent = True
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    return send_head
