"""`POST` and `PUT /v1/sites/NAME/bundles`: a bundle of a site. Answered when it is merged: the site may forget it."""

from asyncio import Semaphore, timeout, to_thread
from collections import Counter
from collections.abc import Mapping
from typing import Any

from litestar import HttpMethod, Request, Response, route
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from monitor.clock import Clock
from monitor.errors import AccessError, BusyError, NotFoundError, TooLargeError, TooSlowError
from monitor.sites.bundle import LARGEST_FILE, opened
from monitor.sites.merge import Merged, merge
from monitor.sites.settings import KnownSite
from monitor.store.api_keys import KeyKind
from monitor.store.db import Store
from monitor.visible import visible
from monitor.web.auth.authentication import Access
from monitor.web.auth.session import principal_of

_SECONDS, _AT_ONCE = 300.0, 2
"""Seconds in which a bundle has to come in, and how many are merged at once."""
_OF_CLIENT, _OF_ALL = 2, 16
"""Bundles that come in or are merged at a time, of one client and of all."""


def routes(
    store: Store, access: Access, clock: Clock, sites: Mapping[str, KnownSite], base_seconds: int
) -> list[HTTPRouteHandler]:
    """The route; none if no site is configured. Few bundles are in memory at a time, and those of one client leave
    places for others, however slowly they come in.
    """
    if not sites:
        return []
    in_turn, present = Semaphore(_AT_ONCE), Counter[str]()

    @route(
        "/v1/sites/{name:str}/bundles",
        http_method=[HttpMethod.POST, HttpMethod.PUT],
        status_code=200,
        request_max_body_size=LARGEST_FILE,
        include_in_schema=False,
    )
    async def bundles(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[dict[str, Any]]:
        """Merge a bundle: 200 also if it was merged before."""
        await to_thread(_check, access, sites, request, name)
        client = sites[name].client
        if present[client] >= _OF_CLIENT or present.total() >= _OF_ALL:
            raise BusyError("other bundles are being merged", retry_after=10, hint="send it again")
        present[client] += 1
        try:
            body = await _body(request)
            async with in_turn:
                merged = await to_thread(_merged, store, sites, name, base_seconds, body, clock.now())
        finally:
            present[client] -= 1
        return Response(as_json(merged))

    return [bundles]


def as_json(merged: Merged) -> dict[str, Any]:
    """What is answered. Keys may be added, never removed."""
    head = merged.head
    answer = {"site": head.site, "epoch": head.epoch, "seq": head.seq, "merged": merged.is_new}
    return answer | {"windows": merged.windows, "rows": merged.rows, "note": merged.note}


def _check(
    access: Access, sites: Mapping[str, KnownSite], request: Request[Any, Any, Any], name: str
) -> None:
    """Raise AccessError or NotFoundError unless the sender may send bundles of this site."""
    sender = principal_of(access, KeyKind.SITE, request)
    if name not in sites or sender.client not in ("", sites[name].client):
        hint = "add it under sites: and use a key of its client"
        raise NotFoundError(f"the site {visible(name)[:100]} is not configured", hint=hint)


async def _body(request: Request[Any, Any, Any]) -> bytes:
    parts, size = list[bytes](), 0
    try:
        async with timeout(_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > LARGEST_FILE:
                    raise TooLargeError(f"a bundle has at most {LARGEST_FILE:,} bytes")
                parts.append(part)
    except TimeoutError as error:
        raise TooSlowError(f"the bundle did not arrive within {_SECONDS:.0f} s") from error
    return b"".join(parts)


def _merged(
    store: Store, sites: Mapping[str, KnownSite], name: str, base_seconds: int, body: bytes, now: float
) -> Merged:
    head = opened(body).head
    if head.site != name:
        hint = "each site sends to its own address"
        raise AccessError(f"the bundle is from the site {head.site}", known=True, hint=hint)
    return merge(store, body, {name: sites[name]}, base_seconds, now)
