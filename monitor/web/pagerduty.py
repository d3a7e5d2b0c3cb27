"""`/v1/pagerduty`: PagerDuty's webhooks come in here. The signature of the raw body is the sign-in.

A wrong signature is 401; a passing fault of the store is 503, never 4xx, because PagerDuty gives up on those
and switches a subscription off after three.
"""

import logging
from collections.abc import Sequence
from typing import Any

from litestar import HttpMethod, Request, Response, route
from litestar.handlers import HTTPRouteHandler

from monitor.clock import Clock
from monitor.errors import InputError, StoreError
from monitor.notify import pagerduty_events
from monitor.settings import Secret
from monitor.store.db import Store

log = logging.getLogger(__name__)

LARGEST_BODY = 262_144
"""PagerDuty drops what is larger."""


def routes(store: Store, secrets: Sequence[Secret], clock: Clock) -> list[HTTPRouteHandler]:
    """The route, or none where no secret is configured."""
    if not secrets:
        return []
    keys = [secret.get_secret_value() for secret in secrets]

    @route(
        "/v1/pagerduty",
        http_method=[HttpMethod.POST],
        status_code=202,
        request_max_body_size=LARGEST_BODY,
        include_in_schema=False,
    )
    async def pagerduty(request: Request[Any, Any, Any]) -> Response[dict[str, str]]:
        """Check, note, answer."""
        body = await request.body()
        signature = request.headers.get("X-PagerDuty-Signature", "")
        delivery = request.headers.get("X-Webhook-Id", "")
        status, answer = take(store, keys, signature, delivery, body, clock.now())
        return Response({"status": answer}, status_code=status)

    return [pagerduty]


def take(
    store: Store, keys: Sequence[str], signature: str, delivery: str, body: bytes, now: float
) -> tuple[int, str]:
    """Answer one webhook: the HTTP status, and what was done in words."""
    if not pagerduty_events.is_signed(keys, signature, body):
        log.warning("a PagerDuty webhook with a wrong signature was refused")
        return 401, "wrong signature"
    try:
        event = pagerduty_events.parse(body)
    except InputError as error:
        # Signed by PagerDuty and of a kind that is not ours (a test ping): nothing to do, nothing wrong.
        return 202, error.message
    try:
        with store.write() as connection:
            return 202, pagerduty_events.apply(connection, event, delivery, now)
    except StoreError as error:
        log.warning("a PagerDuty webhook must come again: %s", error)
        return 503, "the store cannot be reached"
