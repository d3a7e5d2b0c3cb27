"""POST /v1/predictions and /v1/outcomes: taken in, on disk, and only then answered.

Without the application's routing and middleware, because this is the hot path: the body is read once, up to its limit,
decoded once into typed rows, and answered with bytes. `monitor.web.wire` calls it as soon as a request's head is there.
"""

import asyncio
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from monitor.errors import AccessError, BusyError, InputError, TooLargeError, WatchkeeperError
from monitor.predictions.intake import Kind, Submission, identify
from monitor.predictions.letters import Letter
from monitor.predictions.log import PredictionLog
from monitor.predictions.receipts import Receipt
from monitor.predictions.settings import PredictionSettings
from monitor.store import access as keys
from monitor.web import access, reply
from monitor.web.access import Access
from monitor.web.front import Endpoint, Visit
from monitor.web.heads import Head
from monitor.web.mailbox import Mailbox
from monitor.web.reply import Headers, Reply
from monitor.web.room import Held, Room

_ENCODE = msgspec.json.Encoder().encode
_LARGE = 262_144
"""Bodies above this are decoded in a thread of their own, so that small ones need not wait for them."""
_NEEDED = {name.encode(): name for name in (*access.HEADERS, "content-type", "idempotency-key")}
"""The headers that mean something here; the others are not even decoded."""
_ONLY_POST = reply.of_json(
    405,
    _ENCODE({"error": "only POST is understood here", "hint": "send records as its body"}),
    (b"allow", b"POST"),
)


def endpoints(log: PredictionLog, access: Access, settings: PredictionSettings) -> dict[str, Endpoint]:
    """What answers at the two addresses of the ingest."""
    room = Room(settings.queue_limit)
    return {
        "/v1/predictions": _Taking(Kind.PREDICTIONS, log, access, settings, room),
        "/v1/outcomes": _Taking(Kind.OUTCOMES, log, access, settings, room),
    }


class _Taking:
    """One of the two addresses."""

    def __init__(
        self, kind: Kind, log: PredictionLog, access: Access, settings: PredictionSettings, room: Room
    ) -> None:
        self.kind = kind
        self.log = log
        self.body_limit = settings.body_limit
        self.mailbox = Mailbox(log, settings.acknowledge_within)
        self._access = access
        self._room = room

    def admit(self, head: Head, peer: str) -> Visit | Reply:
        """Let a request in whose sender may send it."""
        if head.method != b"POST":
            return _ONLY_POST
        known = head.texts(_NEEDED)
        try:
            principal = self._access.who(keys.Kind.INGEST, known, peer)
        except WatchkeeperError as error:
            return self.refused(error, known)
        return _Visit(self, known, principal.client, Held(self._room))

    def refused(self, error: WatchkeeperError, headers: Mapping[str, str]) -> Reply:
        """What a sender is told who cannot be served; it is counted, too."""
        status, more = _status(error)
        self._count(status, "authorization" in headers)
        return reply.of_json(status, _ENCODE({"error": error.message, "hint": error.hint}), *more)

    def _count(self, status: int, has_key: bool) -> None:
        reasons = {400: "malformed", 401: "wrong_key", 403: "wrong_key", 413: "too_large", 429: "busy"}
        reason = reasons.get(status)
        if reason == "wrong_key" and not has_key:
            reason = "no_key"
        if reason:
            self.log.refuse(reason)


class _Visit:
    """A request of somebody who may send it."""

    __slots__ = ("_answer", "_client", "_headers", "_held", "_taking")

    def __init__(self, taking: _Taking, headers: Mapping[str, str], client: str, held: Held) -> None:
        self._taking = taking
        self._headers = headers
        self._client = client
        self._held = held
        self._answer: Callable[[Reply], None] = lambda _: None

    def grow(self, size: int) -> Reply | None:
        """Refuse a body as soon as it is announced or turns out to be too large, or has no room."""
        limit = self._taking.body_limit
        try:
            if size > limit:
                hint = "send fewer records a request"
                raise TooLargeError(f"the body is larger than {limit:,} bytes", hint=hint)
            self._held.grow(size)
        except WatchkeeperError as error:
            self._held.release()
            return self._taking.refused(error, self._headers)
        return None

    def take(self, body: bytes, answer: Callable[[Reply], None]) -> None:
        """Have it stored. A small body is read by the writer, a large one before, so that the others need not wait."""
        self._answer = answer
        taking, key = self._taking, self._headers.get("idempotency-key", "")
        is_large = len(body) > _LARGE
        identity = None if is_large else identify(taking.kind, body, self._client, key)
        kind, rules = self._headers.get("content-type", ""), taking.log.rules(self._client)
        letter = Letter(taking.kind, body, kind, rules, key, identity)
        if is_large:
            reading = asyncio.get_running_loop().run_in_executor(None, letter.opened, taking.log.shapes)
            reading.add_done_callback(self._was_read)
        else:
            taking.mailbox.send(letter, self._stored)

    def leave(self) -> None:
        """Nobody waits any more."""
        self._held.release()

    def _was_read(self, reading: asyncio.Future[Submission | WatchkeeperError]) -> None:
        if reading.cancelled():  # the server ends
            self._held.release()
            return
        found = reading.result()
        if isinstance(found, Submission):
            self._taking.mailbox.send(found, self._stored)
        else:
            self._stored(found)

    def _stored(self, result: Receipt | WatchkeeperError) -> None:
        self._held.release()
        if isinstance(result, Receipt):
            self._answer(_accepted(result))
        else:
            self._answer(self._taking.refused(result, self._headers))


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
