"""`/healthz` and `/readyz`: is the process alive, and can it do its work."""

from typing import Any

from litestar import Request, Response, get

from monitor.web import services as surroundings


@get("/healthz", sync_to_thread=False, include_in_schema=False)
def healthz(request: Request[Any, Any, Any]) -> Response[dict[str, str]]:
    """200 while the loop goes round; 503 when it is stuck, though HTTP still answers: restart it then."""
    why = surroundings.of(request).stuck()
    body = {"status": "stuck", "reason": why} if why else {"status": "ok"}
    return Response(body, status_code=503 if why else 200)


@get("/readyz", sync_to_thread=True, include_in_schema=False)
def readyz(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
    """Whether the daemon can do its work: 200, or 503 with the reasons."""
    services = surroundings.of(request)
    state = services.ready()
    body = {"status": "ready" if state.is_ready else "not ready", "reasons": list(state.reasons)}
    return Response(body, status_code=200 if state.is_ready else 503)


HANDLERS = (healthz, readyz)
