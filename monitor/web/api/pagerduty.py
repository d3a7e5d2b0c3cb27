"""`/v1/pagerduty`: PagerDuty's webhooks, authenticated by the signature of the raw body.

A wrong signature is 401; a temporary failure of the store is 503, never 4xx, because PagerDuty does not retry those and
disables a subscription after three.
"""

import logging
from collections.abc import Sequence
from typing import Any

from litestar import HttpMethod, Request, Response, route
from litestar.handlers import HTTPRouteHandler

from monitor.clock import Clock
from monitor.config.sections import Secret
from monitor.errors import InputError, StoreError
from monitor.notify import pagerduty_webhook
from monitor.store.db import Store

log = logging.getLogger(__name__)

LARGEST_BODY = 262_144
"""PagerDuty sends no larger webhooks."""


def routes(store: Store, secrets: Sequence[Secret], clock: Clock) -> list[HTTPRouteHandler]:
    """The route; none if no secret is configured."""
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
        """Verify, store, and answer a webhook."""
        body = await request.body()
        signature = request.headers.get("X-PagerDuty-Signature", "")
        delivery = request.headers.get("X-Webhook-Id", "")
        status, answer = process(store, keys, signature, delivery, body, clock.now())
        return Response({"status": answer}, status_code=status)

    return [pagerduty]


def process(
    store: Store, keys: Sequence[str], signature: str, delivery: str, body: bytes, now: float
) -> tuple[int, str]:
    """Process one webhook. Returns the HTTP status and a message."""
    if not pagerduty_webhook.is_signed(keys, signature, body):
        log.warning("rejected a PagerDuty webhook with a wrong signature")
        return 401, "wrong signature"
    try:
        event = pagerduty_webhook.parse(body)
    except InputError as error:
        # Signed by PagerDuty, but of another type (for example a test ping): nothing to do.
        return 202, error.message
    try:
        with store.write() as connection:
            return 202, pagerduty_webhook.apply(connection, event, delivery, now)
    except StoreError as error:
        log.warning("a PagerDuty webhook could not be stored and will be retried: %s", error)
        return 503, "the database is unavailable"
