"""What senders speak to: the paths of the daemon for records and OTLP, `/healthz` and `/metrics`."""

import asyncio
import contextlib
import hmac
import logging
import time
import uuid
from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from monitor.errors import AccessError, InputError, NotFoundError, TooSlowError, WatchkeeperError
from monitor.relay.buffer import Buffer, BufferedRequest
from monitor.relay.frames import RelayedRequest, size_of
from monitor.relay.metrics_text import RelayFigures, exposition
from monitor.relay.otlp_responses import PATHS as OTLP_PATHS
from monitor.relay.settings import RelaySettings
from monitor.web.auth.authentication import is_local
from monitor.web.connections import MOST_HEADERS, Connection
from monitor.web.ingest import otlp_reply, reply
from monitor.web.ingest.body_budget import BodyBudget
from monitor.web.ingest.incoming_body import BodyLimits, DisconnectedError, Headers, IncomingBody, is_unread
from monitor.web.ingest.otlp_reply import Encoding, encoding_of
from monitor.web.ingest.reply import Reply
from monitor.web.statuses import status_of, words_of

if TYPE_CHECKING:
    from litestar.types import HTTPScope, Receive, Send
    from litestar.types.asgi_types import ReceiveMessage

log = logging.getLogger(__name__)

PATHS = ("/v1/predictions", "/v1/outcomes")
_LONGEST_VALUE = 1000
_USED = frozenset(
    (b"authorization", b"content-encoding", b"content-length", b"content-type", b"idempotency-key",
     b"transfer-encoding")
)  # fmt: skip
_ONCE = (*sorted(_USED), b"host")
"""Headers that may be there once: of two, another program may read the other one."""
_STORED = reply.of_json(202, {"accepted": 0, "rejected": [], "relayed": True})
"""How many records there are is not known: the daemon reads them."""
_HEADERS = [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]
_CLOSE = ("connection", "close")
_INTERNAL = reply.of_error(500, "internal error", "the relay's log has the details")
_TOO_MANY_HEADERS = reply.of_error(431, f"more than {MOST_HEADERS} headers", "send fewer", _CLOSE)
_NO_HOST = reply.of_error(400, "the header Host is missing", "HTTP/1.1 requires it", _CLOSE)
_TWICE = "a proxy may interpret it differently; send it once"
_ONLY_POST = reply.of_error(
    405, "only POST is supported here", "send the records in the body", ("allow", "POST")
)


class RelayApplication:
    """The ASGI application of a relay."""

    def __init__(self, settings: RelaySettings, buffer: Buffer, figures: RelayFigures) -> None:
        self._senders = {
            sha256(one.key.get_secret_value().encode()).digest(): (name, one.client)
            for name, one in settings.keys.items()
        }
        self._metrics_key = settings.metrics_key.get_secret_value()
        self._buffer, self._figures = buffer, figures
        self._limits = BodyLimits(settings.body_limit, settings.body_within)
        self._budget = BodyBudget(settings.memory)

    async def __call__(self, scope: Any, receive: "Receive", send: "Send") -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await _lifespan(receive, send)
            return
        connection = scope["state"].get("connection")
        assert isinstance(connection, Connection)
        is_whole = not _has_body(scope)
        connection.open(has_body=not is_whole)

        async def read() -> "ReceiveMessage":
            nonlocal is_whole
            message = await receive()
            is_whole = message["type"] != "http.request" or not message["more_body"]
            connection.read(is_whole=is_whole)
            return message

        try:
            answer = await self._answered(scope, read)
            if answer is not None and not connection.is_lost:
                with contextlib.suppress(RuntimeError):  # the peer has gone
                    await answer.send(send, _HEADERS)
        finally:
            connection.close(is_whole=is_whole)

    async def _answered(self, scope: "HTTPScope", receive: "Receive") -> Reply | None:
        """The answer; None if the sender is gone."""
        headers = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in scope["headers"]
            if name in _USED
        }
        try:
            answer = await self._answer(scope, receive, headers)
        except DisconnectedError:
            return None
        except WatchkeeperError as error:
            answer = _refusal(error, scope["path"], headers)
        except Exception as error:  # boundary: logged for the operator, not shown to the sender
            log.error("%s failed", scope["path"], exc_info=error)
            answer = _INTERNAL
        self._figures.answered(answer.status)
        return answer

    async def _answer(self, scope: "HTTPScope", receive: "Receive", headers: Headers) -> Reply:
        if (refused := _malformed(scope)) is not None:
            return refused
        path = scope["path"].removesuffix("/")
        if path in PATHS or path in OTLP_PATHS:
            if scope["method"] != "POST":
                return _ONLY_POST
            return await self._take(path, _peer_of(scope), receive, headers)
        if scope["method"] not in ("GET", "HEAD"):
            raise NotFoundError(
                "a relay takes predictions, outcomes and OTLP only",
                hint=f"POST to {' or '.join((*PATHS, *OTLP_PATHS))}",
            )
        if path == "/healthz":
            return reply.of_json(200, {"status": "ok"})
        if path == "/metrics":
            self._may_read(scope, headers)
            return _text(exposition(self._figures, time.time()))
        raise NotFoundError("no such page")

    async def _take(self, path: str, address: str, receive: "Receive", headers: Headers) -> Reply:
        """Put a request on disk."""
        name, client = self._sender(headers)
        encoding = encoding_of(headers.get("content-type", ""))
        if path in OTLP_PATHS and encoding is None:
            hint = "use application/x-protobuf or application/json"
            raise InputError("this Content-Type is not supported by OTLP", hint=hint)
        self._buffer.ensure_room(name, 0, time.time())
        own = _value(headers, "idempotency-key")
        request = RelayedRequest(
            path,
            client,
            own or f"relay-{uuid.uuid4().hex}",
            bool(own),
            _value(headers, "content-type"),
            _value(headers, "content-encoding"),
            time.time(),
            address,
        )
        incoming = IncomingBody(headers, name, self._budget, self._limits)
        try:
            body = await incoming.read(receive)
            if not body and path in PATHS:
                raise InputError("the body is empty", hint="send records in it")
            if body:
                await self._stored(name, request, body)
        finally:
            incoming.release()
        if path in OTLP_PATHS:
            return otlp_reply.of_success(encoding or Encoding.JSON, OTLP_PATHS[path])
        return _STORED

    async def _stored(self, name: str, request: RelayedRequest, body: bytes) -> None:
        """Wait until a request is on disk.

        Raises:
            WatchkeeperError: it is not.
        """
        loop = asyncio.get_running_loop()
        stored: asyncio.Future[WatchkeeperError | None] = loop.create_future()

        def settle(result: WatchkeeperError | None) -> None:
            if not stored.done():
                stored.set_result(result)

        def done(result: WatchkeeperError | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(settle, result)

        self._buffer.put(BufferedRequest(name, request, body, size_of(request, body), done), time.time())
        error = await stored
        if error is not None:
            raise error

    def _sender(self, headers: Headers) -> tuple[str, str]:
        """The name of the key, and its client.

        Raises:
            AccessError: the key is missing or unknown.
        """
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if not token or scheme.lower() != "bearer":
            hint = "send the header Authorization: Bearer with one of relay.keys"
            raise AccessError("a key is required", hint=hint)
        digest, matching = sha256(token.strip().encode("latin-1", "replace")).digest(), None
        for known, sender in self._senders.items():
            if hmac.compare_digest(known, digest):
                matching = sender
        if matching is None:
            self._figures.refused_keys += 1
            raise AccessError("the key is not valid", hint="it is none of relay.keys")
        return matching

    def _may_read(self, scope: "HTTPScope", headers: Headers) -> None:
        token = headers.get("authorization", "").partition(" ")[2].strip()
        if self._metrics_key:
            if not hmac.compare_digest(token.encode("latin-1", "replace"), self._metrics_key.encode()):
                raise AccessError("the key is not valid", hint="use relay.metrics_key")
            return
        named = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if not is_local(named, _peer_of(scope), scope["http_version"]):
            raise AccessError(
                "without a key, only this machine may read metrics", hint="set relay.metrics_key"
            )


def _malformed(scope: "HTTPScope") -> Reply | None:
    """The answer to a head that somebody on the way may read otherwise, as the daemon answers it; None to others."""
    names = [name for name, _ in scope["headers"]]
    if len(names) > MOST_HEADERS:
        return _TOO_MANY_HEADERS
    for name in _ONCE:
        if names.count(name) > 1:
            return reply.of_error(400, f"the header {name.decode().title()} is duplicated", _TWICE, _CLOSE)
    return _NO_HOST if b"host" not in names and scope["http_version"] == "1.1" else None


def _refusal(error: WatchkeeperError, path: str, headers: Headers) -> Reply:
    """The answer to a request that is not taken, in the form that its sender reads."""
    status, more = status_of(error)
    if isinstance(error, TooSlowError) and path.removesuffix("/") in OTLP_PATHS:
        status, more = 503, [("retry-after", "5")]  # exporters drop what is answered with 408
    if is_unread(headers) and _CLOSE not in more:
        more = [*more, _CLOSE]
    if path.removesuffix("/") not in OTLP_PATHS:
        return reply.of_error(status, *words_of(error), *more)
    spoken = encoding_of(headers.get("content-type", "")) or Encoding.JSON
    return otlp_reply.of_failure(spoken, status, "; ".join(filter(None, words_of(error))), *more)


async def _lifespan(receive: "Receive", send: "Send") -> None:
    while True:
        message: Any = await receive()
        complete: Any = {"type": f"{message['type']}.complete"}
        await send(complete)
        if message["type"] == "lifespan.shutdown":
            return


def _value(headers: Mapping[str, str], name: str) -> str:
    """The value of a header that is passed on.

    Raises:
        InputError: it is too long, or has a control character, with which it could not be sent.
    """
    value = headers.get(name, "").strip()
    if len(value) > _LONGEST_VALUE or any(character < " " or character == "\x7f" for character in value):
        hint = f"use at most {_LONGEST_VALUE} characters, and no control character"
        raise InputError(f"the header {name} cannot be passed on", hint=hint)
    return value


def _peer_of(scope: "HTTPScope") -> str:
    return scope["client"][0] if scope["client"] else ""


def _has_body(scope: "HTTPScope") -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in scope["headers"]
    )


def _text(content: str) -> Reply:
    body = content.encode()
    headers = [
        (b"content-type", b"text/plain; version=0.0.4; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
    ]
    return Reply(200, headers, body)
