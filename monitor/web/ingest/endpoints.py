"""POST /v1/predictions and /v1/outcomes: requests are answered once their records are on disk.

Plain ASGI without the application's routing and middleware, because this is the hot path: the body is read once, up to
its limit, decoded once into typed rows, and answered with bytes. `monitor.web.ingest.front` calls it.
"""

import asyncio
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from litestar.types import HTTPScope, Receive

from monitor.errors import AccessError, BusyError, TooLargeError, TooSlowError, WatchkeeperError
from monitor.predictions.intake.parse import ParsedRequest, RecordKind, identify
from monitor.predictions.intake.requests import RawRequest, Receipt
from monitor.predictions.log.writer import PredictionLog
from monitor.predictions.settings import PredictionSettings
from monitor.store import api_keys as keys
from monitor.web.auth import access
from monitor.web.auth.access import Access, Principal
from monitor.web.ingest import reply
from monitor.web.ingest.body_budget import BodyBudget, Reservation
from monitor.web.ingest.commit_queue import CommitQueue
from monitor.web.ingest.reply import Reply
from monitor.web.statuses import status_of, words_of

_NO_MEMORY = "not enough memory for this request: other senders are using it"
_LARGE_BODY_BYTES = 262_144
"""Larger bodies are decoded in a separate thread, so that small ones do not wait for them."""
_MAX_UNREAD_BYTES = 65_536
"""If more of a rejected body is still to come, the connection is closed with the response."""
_USED_HEADERS = {
    name.encode(): name
    for name in (*access.HEADERS, "content-type", "content-length", "transfer-encoding", "idempotency-key")
}
"""The headers that are used; others are not decoded."""
_ONLY_POST = reply.of_error(
    405, "only POST is supported here", "send the records in the body", ("allow", "POST")
)


class DisconnectedError(Exception):
    """The sender disconnected before its body was complete."""


def endpoints(
    log: PredictionLog, access: Access, settings: PredictionSettings, body_within: float = 60.0
) -> dict[str, "Endpoint"]:
    """The two endpoints of the ingest. A body must arrive within `body_within` seconds."""
    budget = BodyBudget(settings.queue_limit)
    return {
        "/v1/predictions": Endpoint(RecordKind.PREDICTIONS, log, access, settings, budget, body_within),
        "/v1/outcomes": Endpoint(RecordKind.OUTCOMES, log, access, settings, budget, body_within),
    }


class Endpoint:
    """One of the two endpoints."""

    def __init__(
        self,
        kind: RecordKind,
        log: PredictionLog,
        access: Access,
        settings: PredictionSettings,
        budget: BodyBudget,
        body_within: float,
    ) -> None:
        self._kind = kind
        self._log = log
        self._access = access
        self._body_limit = settings.body_limit
        self._body_within = body_within
        self._budget = budget
        self._queue = CommitQueue(log, settings.acknowledge_within)

    async def answer(self, scope: HTTPScope, receive: Receive) -> Reply:
        """Process a request.

        Raises:
            DisconnectedError: the sender is gone.
        """
        if scope["method"] != "POST":
            return _ONLY_POST
        headers = {
            _USED_HEADERS[name]: value.decode("latin-1")
            for name, value in scope["headers"]
            if name in _USED_HEADERS
        }
        peer, version = scope["client"][0] if scope["client"] else "", scope["http_version"]
        try:
            if self._access.is_at_hand(headers):
                principal = self._access.who(keys.KeyKind.INGEST, headers, peer, version)
            else:  # an unresponsive store must not block the loop
                principal = await asyncio.to_thread(
                    self._access.who, keys.KeyKind.INGEST, headers, peer, version
                )
            result = await self._receive(headers, principal, peer, receive)
        except WatchkeeperError as error:
            result = error
        return _accepted(result) if isinstance(result, Receipt) else self._rejected(result, headers)

    async def _receive(
        self, headers: Mapping[str, str], principal: Principal, peer: str, receive: Receive
    ) -> Receipt | WatchkeeperError:
        if _content_length(headers) > self._body_limit:
            raise self._too_large()
        timer = asyncio.timeout(self._body_within)
        sender = principal.client or principal.key or peer
        reservation = self._budget.reserve(sender, lambda: timer.reschedule(0))
        try:
            try:
                async with timer:
                    body = await self._read(receive, reservation)
            except TimeoutError as error:
                if reservation.is_evicted:
                    hint = "retry in a few seconds"
                    raise BusyError(_NO_MEMORY, retry_after=1, hint=hint) from error
                hint = "send fewer records per request"
                raise TooSlowError(
                    f"the request body did not arrive within {self._body_within:g} s", hint=hint
                ) from error
            reservation.settle()
            return await self._store(body, headers, principal.client)
        finally:
            reservation.release()

    async def _read(self, receive: Receive, reservation: Reservation) -> bytes:
        """Read the complete body."""
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise DisconnectedError
            if chunk := message["body"]:
                size += len(chunk)
                if size > self._body_limit:
                    raise self._too_large()
                reservation.grow(size)
                chunks.append(chunk)
            if not message["more_body"]:
                return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def _store(
        self, body: bytes, headers: Mapping[str, str], client: str
    ) -> Receipt | WatchkeeperError:
        """Store a body. Small bodies are parsed by the writer, large ones in another thread, so that they delay
        nothing.
        """
        key, kind = headers.get("idempotency-key", ""), headers.get("content-type", "")
        is_large = len(body) > _LARGE_BODY_BYTES
        identity = None if is_large else identify(self._kind, body, client, key)
        request = RawRequest(self._kind, body, kind, self._log.rules(client), key, identity)
        if not is_large:
            return await self._queue.commit(request)
        loop = asyncio.get_running_loop()
        parsed = await loop.run_in_executor(None, request.parsed, self._log.decoders)
        return await self._queue.commit(parsed) if isinstance(parsed, ParsedRequest) else parsed

    def _too_large(self) -> TooLargeError:
        hint = "send fewer records per request"
        return TooLargeError(f"the body is larger than {self._body_limit:,} bytes", hint=hint)

    def _rejected(self, error: WatchkeeperError, headers: Mapping[str, str]) -> Reply:
        """The response to a rejected request, which is also counted."""
        status, more = status_of(error)
        self._count(status, "authorization" in headers)
        is_unread = _content_length(headers) > _MAX_UNREAD_BYTES or "transfer-encoding" in headers
        if isinstance(error, AccessError) and is_unread:
            more = [*more, ("connection", "close")]
        return reply.of_error(status, *words_of(error), *more)

    def _count(self, status: int, has_key: bool) -> None:
        reasons = {
            400: "malformed",
            401: "wrong_key",
            403: "wrong_key",
            408: "too_slow",
            413: "too_large",
            429: "busy",
        }
        reason = reasons.get(status)
        if reason == "wrong_key" and not has_key:
            reason = "no_key"
        if reason:
            self._log.count_rejected(reason)


def _content_length(headers: Mapping[str, str]) -> int:
    """The announced length of a body in bytes; 0 without one."""
    text = headers.get("content-length", "")
    return int(text) if text.isdigit() else 0


def _accepted(receipt: Receipt) -> Reply:
    """202, or 422 if no record was accepted."""
    if not (receipt.rejected or receipt.ignored or receipt.replayed):
        return _all_accepted(receipt.accepted)
    answer: dict[str, Any] = {"accepted": receipt.accepted}
    rejected = [
        {"index": record.index, "error": record.error, "hint": record.hint} for record in receipt.rejected
    ]
    if receipt.ignored:
        answer["ignored"] = list(receipt.ignored)
    if receipt.ignored_count > len(receipt.ignored):
        answer["ignored_count"] = receipt.ignored_count
    if receipt.rejected_count > len(receipt.rejected):
        answer["rejected_count"] = receipt.rejected_count
    more = [("idempotent-replayed", "true")] if receipt.replayed else []
    if rejected and not receipt.accepted:
        answer |= {
            "error": "no record was accepted: " + receipt.rejected[0].error,
            "hint": receipt.rejected[0].hint,
        }
        return reply.of_json(422, answer | {"rejected": rejected}, *more)
    return reply.of_json(202, answer | {"rejected": rejected}, *more)


@lru_cache
def _all_accepted(count: int) -> Reply:
    """The most frequent response, cached."""
    return reply.of_json(202, {"accepted": count, "rejected": []})
