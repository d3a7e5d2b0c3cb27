"""`/v1/mlflow`: webhooks of MLflow's model registry, authenticated by their signature and its age.

A wrong signature is 401. A signed event that releases nothing is 202 with the reason, because MLflow shows the response
of a test and does not retry. While the database is unavailable, the response is 503, which MLflow retries.
"""

import hashlib
import logging
from asyncio import to_thread
from collections.abc import Mapping
from typing import Any

from litestar import HttpMethod, Request, Response, route
from litestar.handlers import HTTPRouteHandler

from monitor.clock import Clock
from monitor.errors import InputError, StoreError
from monitor.releases.recording import mlflow_webhook
from monitor.releases.recording.manifest import checked
from monitor.releases.recording.record import record
from monitor.releases.settings import MlflowSettings
from monitor.store import webhook_deliveries
from monitor.store.db import Store

log = logging.getLogger(__name__)

LARGEST_BODY = 65_536


def routes(store: Store, settings: MlflowSettings, clock: Clock) -> list[HTTPRouteHandler]:
    """The route; none if no secret is configured."""
    if not settings.webhook_secrets:
        return []

    @route(
        "/v1/mlflow",
        http_method=[HttpMethod.POST],
        status_code=202,
        request_max_body_size=LARGEST_BODY,
        include_in_schema=False,
    )
    async def mlflow(request: Request[Any, Any, Any]) -> Response[dict[str, str]]:
        """Verify, record, and answer a webhook."""
        body = await request.body()
        status, answer = await to_thread(process, store, settings, request.headers, body, clock.now())
        return Response({"status": answer}, status_code=status)

    return [mlflow]


def process(
    store: Store, settings: MlflowSettings, headers: Mapping[str, str], body: bytes, now: float
) -> tuple[int, str]:
    """Process one webhook. `headers` have names in lower case. Returns the HTTP status and a message."""
    secrets = [secret.get_secret_value() for secret in settings.webhook_secrets]
    delivery, sent_at = headers.get("x-mlflow-delivery-id", ""), headers.get("x-mlflow-timestamp", "")
    signature = headers.get("x-mlflow-signature", "")
    if not delivery or not mlflow_webhook.is_signed(secrets, delivery, sent_at, signature, body):
        log.warning("rejected an MLflow webhook with a wrong signature")
        return 401, "wrong signature"
    if not mlflow_webhook.is_current(sent_at, now):
        log.warning("rejected an MLflow webhook that is too old or from the future")
        return 401, "the webhook was not sent within five minutes of this machine's clock"
    try:
        manifest = mlflow_webhook.manifest_of(mlflow_webhook.parse(body), settings)
        if isinstance(manifest, str):
            return 202, manifest
        manifest = checked(manifest, now)
    except InputError as error:
        return 202, f"{error.message}: nothing is recorded"
    identity = f"mlflow:{hashlib.sha256(delivery.encode(errors='surrogatepass')).hexdigest()}"
    try:
        with store.write() as connection:
            if not webhook_deliveries.is_new(connection, identity, now):
                return 202, "already received"
            recorded = record(connection, manifest, "mlflow", "MLflow", now)
    except StoreError as error:
        log.warning("an MLflow webhook could not be stored and will be retried: %s", error)
        return 503, "the database is unavailable"
    words = "recorded" if recorded.is_new else "known"
    return 202, f"release {manifest.version} of {manifest.stream} is {words}"
