"""What the ingest reads of a request: its headers and its sender."""

import asyncio
import re
from dataclasses import replace
from functools import lru_cache
from urllib.parse import unquote

from litestar.types import HTTPScope

from monitor.errors import AccessError, InputError
from monitor.predictions.log.writer import PredictionLog
from monitor.store.api_keys import KeyKind
from monitor.visible import visible
from monitor.web.auth import authentication
from monitor.web.auth.authentication import Access, Principal
from monitor.web.auth.socket_owner import is_same_user
from monitor.web.fair_thread_pool import work_for
from monitor.web.ingest.incoming_body import Headers

OF_RELAYS = ("watchkeeper-relay-client", "watchkeeper-waited", "watchkeeper-request")
"""What a relay adds: the client of its sender, the seconds since the request came in there, and a key of its own."""
_USED_HEADERS = {
    name.encode(): name
    for name in (
        *authentication.HEADERS,
        "content-encoding",
        "content-length",
        "content-type",
        "idempotency-key",
        "transfer-encoding",
        *OF_RELAYS,
    )
}
"""The headers that are used; others are not decoded."""
USED = tuple(_USED_HEADERS)
"""Their names. Each may be there once: another program may read the other one."""
_REASONS = {
    400: "malformed",
    401: "wrong_key",
    403: "wrong_key",
    408: "too_slow",
    413: "too_large",
    429: "busy",
}


def headers_of(scope: HTTPScope) -> Headers:
    """The headers that are used, by their names in lower case."""
    return {
        text: value.decode("latin-1")
        for name, value in scope["headers"]
        if (text := _USED_HEADERS.get(name)) is not None
    }


async def principal_of(access: Access, scope: HTTPScope, headers: Headers) -> Principal:
    """The sender of records. An unresponsive store does not block the event loop.

    Raises:
        AccessError: it may not send records.
        StoreError: the store is unavailable, and the keys are not known.
    """
    if "authorization" not in headers:
        for name, _ in scope["headers"]:
            if _is_of_proxy(name):
                headers = {**headers, name.decode("latin-1"): ""}
    asked = KeyKind.INGEST, headers, peer_of(scope), scope["http_version"], is_same_user(scope)
    if access.is_cached(headers):
        return access.who(*asked)
    work_for(access.sender_of(headers) or f"address {peer_of(scope)}")
    return await asyncio.to_thread(access.who, *asked)


@lru_cache(1024)
def _is_of_proxy(name: bytes) -> bool:
    return authentication.is_of_proxy(name.decode("latin-1"))


def sender_of(principal: Principal, scope: HTTPScope) -> str:
    """Whom a request counts for in all shares: its client, or the key or the address where there is none."""
    sender = principal.client or principal.key or peer_of(scope)
    work_for(sender)
    return sender


def bound_by_relay(principal: Principal, headers: Headers) -> Principal:
    """The sender, bound to the client that a relay names: it never sends records of another.

    Raises:
        AccessError: the key is bound to another client.
    """
    named = headers.get("watchkeeper-relay-client")
    client = unquote(named) if named else ""
    if not client or client == principal.client:
        return principal
    if principal.client:
        hint = (
            f"the relay sends records of {visible(client)[:100]}; use a key of that client, or of all clients"
        )
        raise AccessError("this key belongs to another client", known=True, hint=hint)
    return replace(principal, client=client)


def waited_of(headers: Headers, most: float) -> float:
    """The seconds that a request waited at a relay, at most `most`.

    Raises:
        InputError: it is no number.
    """
    text = headers.get("watchkeeper-waited", "0")
    if not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", text):
        raise InputError(
            "the header Watchkeeper-Waited is not a number of seconds", hint="only a relay sends it"
        )
    return min(float(text), most)


def peer_of(scope: HTTPScope) -> str:
    """The address of the other end of the connection."""
    return scope["client"][0] if scope["client"] else ""


def count_rejected(log: PredictionLog, status: int, *, has_key: bool) -> None:
    """Count a request that was answered with an error, under the reason that the status stands for."""
    reason = _REASONS.get(status)
    if reason == "wrong_key" and not has_key:
        reason = "no_key"
    if reason:
        log.count_rejected(reason)
