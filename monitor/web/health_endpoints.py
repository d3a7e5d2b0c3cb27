"""`/healthz` and `/readyz`: whether the process is alive, and whether it can do its work."""

from typing import Any

from litestar import Request, Response, get

from monitor.errors import StoreError
from monitor.web import services as web_services


@get("/healthz", sync_to_thread=False, include_in_schema=False)
def healthz(request: Request[Any, Any, Any]) -> Response[dict[str, str]]:
    """200 while the evaluation loop runs; 503 if it is stuck although HTTP still responds: restart the daemon then.

    An unavailable store is reported with 200, because a restart would not help. The handler does not access the store
    and never waits.
    """
    services = web_services.of(request)
    reason, store = services.stuck(), services.store.condition.reason
    body = {"status": "stuck", "reason": reason} if reason else {"status": "ok"}
    if store:
        body["store"] = store
    return Response(body, status_code=503 if reason else 200)


@get("/readyz", sync_to_thread=True, include_in_schema=False)
def readyz(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
    """Whether the daemon can do its work: 200, or 503 with the reasons."""
    services = web_services.of(request)
    reasons = [services.store.condition.reason]
    if not reasons[0]:
        try:
            reasons = [*services.ready().reasons]
        except StoreError as error:
            reasons = [error.message]
    body = {"status": "not ready" if reasons else "ready", "reasons": reasons}
    return Response(body, status_code=503 if reasons else 200)


HANDLERS = (healthz, readyz)
