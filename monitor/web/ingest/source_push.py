"""POST /v1/sources/NAME: messages of other programs for a source of the kind `http`.

Unlike records, they are in somebody else's format; what cannot be read goes to quarantine and is answered with 202, as
messages of a broker are acknowledged.
"""

import asyncio
import base64
import binascii
import contextlib
from functools import partial

from litestar.types import HTTPScope, Receive

from monitor.errors import AccessError, BusyError, WatchkeeperError
from monitor.predictions.log.writer import PredictionLog
from monitor.sources.http_push import PushInbox
from monitor.sources.source import Payload
from monitor.web.auth.authentication import Access, Principal
from monitor.web.ingest import reply
from monitor.web.ingest.body_budget import BodyBudget
from monitor.web.ingest.incoming_body import BodyLimits, Headers, IncomingBody, is_unread
from monitor.web.ingest.reply import Reply
from monitor.web.ingest.request import (
    count_rejected,
    headers_of,
    peer_of,
    principal_of,
    sender_of,
)
from monitor.web.statuses import status_of, words_of

_ONLY_POST = reply.of_error(
    405, "only POST is supported here", "send a message in the body", ("allow", "POST")
)
_STORED = reply.of_json(202, {"received": 1})
_OF_EVENTS = b"ce-"


class PushEndpoint:
    """The endpoint of one source. `client` is the client of its records; empty if each record names its own."""

    def __init__(
        self,
        name: str,
        client: str,
        inbox: PushInbox,
        log: PredictionLog,
        access: Access,
        budget: BodyBudget,
        limits: BodyLimits,
    ) -> None:
        self._name, self._client, self._inbox = name, client, inbox
        self._log, self._access, self._budget, self._limits = log, access, budget, limits

    async def answer(self, scope: HTTPScope, receive: Receive) -> Reply:
        """Process a request.

        Raises:
            DisconnectedError: the sender is gone.
        """
        if scope["method"] != "POST":
            return _ONLY_POST
        headers = _with_bearer(headers_of(scope))
        try:
            principal = await principal_of(self._access, scope, headers)
            self._check(principal)
            sender = sender_of(principal, scope)
            incoming = IncomingBody(headers, sender, self._budget, self._limits)
            try:
                body = await incoming.read_decompressed(receive)
                await self._store(body, headers, _event_headers(scope), peer_of(scope))
            finally:
                incoming.release()
        except WatchkeeperError as error:
            status, more = status_of(error)
            count_rejected(self._log, status, has_key="authorization" in headers)
            if isinstance(error, AccessError) and is_unread(headers):
                more = [*more, ("connection", "close")]
            return reply.of_error(status, *words_of(error), *more)
        return _STORED

    def _check(self, principal: Principal) -> None:
        """Raise AccessError if the sender's key belongs to another client than the source."""
        if principal.models:
            hint = "use a key that is not bound to models"
            raise AccessError("messages of a source may be of any model", known=True, hint=hint)
        if principal.client and principal.client != self._client:
            hint = f"use a key of the client of source {self._name}"
            raise AccessError("this key belongs to another client", known=True, hint=hint)

    async def _store(self, body: bytes, headers: Headers, events: dict[str, str], peer: str) -> None:
        """Have the source store a message.

        Raises:
            BusyError: it may not be stored.
        """
        loop = asyncio.get_running_loop()
        stored: asyncio.Future[bool] = loop.create_future()
        kind = headers.get("content-type", "")
        payload = Payload(
            body,
            f"from {peer}" if peer else "over HTTP",
            key=headers.get("idempotency-key", "").encode(),
            sent_at=self._log.clock.now(),
            headers={"content-type": kind, **events},
        )
        self._inbox.put(payload, partial(_deliver, loop, stored))
        hint = "send the message again"
        try:
            async with asyncio.timeout(self._log.settings.acknowledge_within):
                is_stored = await stored
        except TimeoutError as error:
            raise BusyError("the database did not respond in time", retry_after=5, hint=hint) from error
        if not is_stored:
            raise BusyError("the message could not be stored", retry_after=5, hint=hint)


def _deliver(loop: asyncio.AbstractEventLoop, stored: asyncio.Future[bool], result: bool) -> None:
    """Called in the thread of the source."""

    def settle() -> None:
        if not stored.done():
            stored.set_result(result)

    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
        loop.call_soon_threadsafe(settle)


def _event_headers(scope: HTTPScope) -> dict[str, str]:
    """The attributes of a CloudEvent."""
    return {
        name.decode("latin-1"): value.decode(errors="replace")
        for name, value in scope["headers"]
        if name.startswith(_OF_EVENTS)
    }


def _with_bearer(headers: Headers) -> Headers:
    """Headers in which a key that was sent as a password stands where keys do.

    A logger that cannot send headers has the key in its URL: `http://key:wk_...@host/v1/sources/NAME`.
    """
    kind, _, encoded = headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return headers
    try:
        password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return headers
    return {**headers, "authorization": f"Bearer {password}"}
