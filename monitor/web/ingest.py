"""POST /v1/predictions and /v1/outcomes: taken in, on disk, and only then answered.

Without the application's routing and middleware, because this is the hot path: the body is read once, up to its limit,
decoded once into typed rows, and answered with bytes. `monitor.web.front` puts it before the application.
"""

import asyncio
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec
from litestar.types import HTTPScope, Receive

from monitor.errors import AccessError, BusyError, InputError, TooLargeError, WatchkeeperError
from monitor.predictions.intake import Kind, Submission, identify
from monitor.predictions.letters import Letter
from monitor.predictions.log import PredictionLog
from monitor.predictions.receipts import Receipt
from monitor.predictions.settings import PredictionSettings
from monitor.store import access as keys
from monitor.web import access, reply
from monitor.web.access import Access
from monitor.web.mailbox import Mailbox
from monitor.web.reply import Endpoint, Headers, Reply

_ENCODE = msgspec.json.Encoder().encode
_LARGE = 262_144
"""Bodies above this are decoded in a thread of their own, so that small ones need not wait for them."""
_NEEDED = {
    name.encode(): name for name in (*access.HEADERS, "content-type", "content-length", "idempotency-key")
}
"""The headers that mean something here; the others are not even decoded."""
_ONLY_POST = reply.of_json(
    405, _ENCODE({"error": "only POST is understood here", "hint": ""}), (b"allow", b"POST")
)


def endpoints(log: PredictionLog, access: Access, settings: PredictionSettings) -> dict[str, Endpoint]:
    """What answers at the two addresses of the ingest."""
    room = _Room(settings.queue_limit)
    return {
        "/v1/predictions": _Taking(Kind.PREDICTIONS, log, access, settings, room),
        "/v1/outcomes": _Taking(Kind.OUTCOMES, log, access, settings, room),
    }


class _Room:
    """Bytes of bodies that are held at once: many large requests at a time must not fill the memory."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0

    def take(self, size: int) -> None:
        """Hold `size` more.

        Raises:
            BusyError: others hold too much already.
        """
        if self._held and self._held + size > self._limit:
            raise BusyError(
                "too many large requests at once", retry_after=1, hint="send again a little later"
            )
        self._held += size

    def give(self, size: int) -> None:
        """Hold `size` less."""
        self._held -= size


class _Taking:
    def __init__(
        self, kind: Kind, log: PredictionLog, access: Access, settings: PredictionSettings, room: _Room
    ) -> None:
        self._room = room
        self._kind = kind
        self._log = log
        self._access = access
        self._settings = settings
        self._mailbox = Mailbox(log, settings.acknowledge_within)

    async def __call__(self, scope: HTTPScope, receive: Receive) -> Reply | None:
        """Answer one request, whatever it holds."""
        if scope["method"] != "POST":
            return _ONLY_POST
        headers = {
            _NEEDED[name]: value.decode("latin-1") for name, value in scope["headers"] if name in _NEEDED
        }
        try:
            return await self._take(scope["client"], headers, receive)
        except WatchkeeperError as error:
            status, more = _status(error)
            self._count(status, "authorization" in headers)
            return reply.of_json(status, _ENCODE({"error": error.message, "hint": error.hint}), *more)
        except _Gone:
            return None

    async def _take(
        self, peer: tuple[str, int] | None, headers: Mapping[str, str], receive: Receive
    ) -> Reply:
        principal = self._access.who(keys.Kind.INGEST, headers, peer[0] if peer else "")
        held = _Held(self._room)
        try:
            body = await _body(headers, receive, self._settings.body_limit, held)
            return _accepted(await self._mailbox.stored(await self._read(body, headers, principal.client)))
        finally:
            held.release()

    async def _read(self, body: bytes, headers: Mapping[str, str], client: str) -> Letter | Submission:
        """A small request is read by the writer, a large one here: so the others need not wait for it."""
        kind, key = headers.get("content-type", ""), headers.get("idempotency-key", "")
        identity = identify(self._kind, body, client, key)
        letter = Letter(self._kind, body, kind, self._log.rules(client), key, identity)
        return await asyncio.to_thread(letter.read, self._log.shapes) if len(body) > _LARGE else letter

    def _count(self, status: int, has_key: bool) -> None:
        reasons = {400: "malformed", 401: "wrong_key", 403: "wrong_key", 413: "too_large", 429: "busy"}
        reason = reasons.get(status)
        if reason == "wrong_key" and not has_key:
            reason = "no_key"
        if reason:
            self._log.refuse(reason)


class _Gone(Exception):  # noqa: N818
    """The sender hung up before its request was whole: there is nobody to answer."""


def _accepted(receipt: Receipt) -> Reply:
    """202; or 422 when there were records and none could be taken."""
    if not (receipt.rejected or receipt.ignored or receipt.replayed):
        return _all_accepted(receipt.accepted)
    answer: dict[str, Any] = {"accepted": receipt.accepted}
    rejected = [{"index": one.index, "error": one.error, "hint": one.hint} for one in receipt.rejected]
    if receipt.ignored:
        answer["ignored"] = list(receipt.ignored)
    more = [(b"idempotent-replayed", b"true")] if receipt.replayed else []
    if rejected and not receipt.accepted:
        answer |= {
            "error": "no record could be taken: " + receipt.rejected[0].error,
            "hint": receipt.rejected[0].hint,
        }
        return reply.of_json(422, _ENCODE(answer | {"rejected": rejected}), *more)
    return reply.of_json(202, _ENCODE(answer | {"rejected": rejected}), *more)


@lru_cache
def _all_accepted(count: int) -> Reply:
    """What nearly every request is answered."""
    return reply.of_json(202, _ENCODE({"accepted": count, "rejected": []}))


class _Held:
    """What one request holds of the room, given back whole."""

    def __init__(self, room: _Room) -> None:
        self._room = room
        self.size = 0

    def grow(self, size: int) -> None:
        if size > self.size:
            self._room.take(size - self.size)
            self.size = size

    def release(self) -> None:
        self._room.give(self.size)
        self.size = 0


async def _body(headers: Mapping[str, str], receive: Any, limit: int, held: _Held) -> bytes:
    """The body, refused as soon as it is announced or turns out to be larger than `limit` bytes."""
    announced = headers.get("content-length", "")
    if announced.isdecimal():
        if int(announced) > limit:
            raise _too_large(limit)
        held.grow(int(announced))
    chunks, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > limit:
            raise _too_large(limit)
        held.grow(size)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(f"the body is larger than {limit:,} bytes", hint="send fewer records a request")


def _status(error: WatchkeeperError) -> tuple[int, Headers]:
    if isinstance(error, TooLargeError):
        return 413, [(b"connection", b"close")]
    if isinstance(error, InputError):
        return 400, []
    if isinstance(error, AccessError):
        return (403, []) if error.known else (401, [(b"www-authenticate", b"Bearer")])
    if isinstance(error, BusyError):
        full = error.retry_after < 5
        close = [(b"connection", b"close")] if full else []  # a body may be on its way that nobody will read
        return 429 if full else 503, [*close, (b"retry-after", b"%d" % max(1, round(error.retry_after)))]
    return 503, [(b"retry-after", b"5")]
