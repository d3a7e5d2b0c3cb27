"""All of the web in one application: what is served where, and what every answer carries."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator
from typing import Any

from litestar import Litestar, MediaType, Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap

from monitor.errors import (
    AccessError,
    BusyError,
    InputError,
    NotFoundError,
    StoreError,
    TooLargeError,
    WatchkeeperError,
)
from monitor.web import (
    api,
    assets,
    changes,
    doors,
    engineer,
    events,
    exposition,
    mailing,
    pages,
    probes,
    rendering,
    reporting,
    security,
    staff,
)
from monitor.web import services as surroundings
from monitor.web.audit import AuditLog
from monitor.web.guard import Guard
from monitor.web.oidc import Provider
from monitor.web.services import Services

log = logging.getLogger(__name__)

AUDIT_EVERY = 2.0
_STATUS: tuple[tuple[type[WatchkeeperError], int], ...] = (
    (TooLargeError, 413),
    (InputError, 400),
    (AccessError, 401),
    (BusyError, 503),
    (NotFoundError, 404),
    (StoreError, 503),
)
_WORDS = {  # the same for what does not exist and for what is not the asker's
    404: (
        "nothing is here for you",
        "records go to /v1/predictions and /v1/outcomes; pages are below /c/, the JSON API below /api/v1/",
    ),
    405: ("this address does not take requests of this kind", ""),
}
_ROOMS = (probes, api, assets, exposition, pages, events, doors, staff, engineer, reporting, changes, mailing)


def create(services: Services) -> Litestar:
    """The application behind `monitor.web.front`."""
    audit = AuditLog(services.store)
    oidc = services.settings.oidc
    state = {
        "services": services,
        "listeners": events.Listeners(),
        "exposition": exposition.Exposition(services),
        "provider": Provider(oidc) if oidc.issuer else None,
    }
    errors: ExceptionHandlersMap = {
        500: _unexpected,
        HTTPException: _http_error,
        WatchkeeperError: _own_error,
    }

    @contextlib.asynccontextmanager
    async def audited(_app: Litestar) -> AsyncGenerator[None, None]:
        writer = asyncio.create_task(_write_often(audit))
        try:
            yield
        finally:
            writer.cancel()
            await asyncio.to_thread(audit.flush)

    return Litestar(
        [*services.webhooks, *(handler for room in _ROOMS for handler in room.HANDLERS)],
        state=State(state),
        middleware=[Guard(services, audit, services.meters)],
        exception_handlers=errors,
        lifespan=[audited],
        openapi_config=None,
        logging_config=None,
        debug=False,
    )


async def _write_often(audit: AuditLog) -> None:
    while True:
        await asyncio.sleep(AUDIT_EVERY)
        # A store that cannot be written for a moment must not end the log: what waits is written next time.
        with contextlib.suppress(StoreError):
            await asyncio.to_thread(audit.flush)


def _http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    if error.status_code == 404 and _wants_page(request):
        return _kept_to_itself(request, doors.closed(request))
    message, hint = _WORDS.get(error.status_code, (error.detail, ""))
    return _kept_to_itself(request, _shape(request, error.status_code, message, hint))


def _own_error(request: Request[Any, Any, Any], error: WatchkeeperError) -> Response[Any]:
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    if isinstance(error, AccessError) and error.known:
        status = 403
    if isinstance(error, NotFoundError) and _wants_page(request):
        return doors.closed(request)
    answer = _shape(request, status, error.message, error.hint)
    if isinstance(error, BusyError):
        answer.headers["Retry-After"] = str(max(1, round(error.retry_after)))
    return answer


def _unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """What nobody foresaw: told to whoever runs the daemon, not to whoever asked."""
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _shape(request, 500, "something went wrong here", "it has been written to the daemon's log")


def _kept_to_itself(request: Request[Any, Any, Any], answer: Response[Any]) -> Response[Any]:
    """An address that leads nowhere is answered before the guard is asked."""
    is_secure = surroundings.of(request).settings.is_secure
    answer.headers.update(security.headers(is_secure=is_secure))
    return answer


def _wants_page(request: Request[Any, Any, Any]) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _shape(request: Request[Any, Any, Any], status: int, message: str, hint: str) -> Response[Any]:
    """Every error of every address has this one shape; whoever wants a page gets the same words as a page."""
    if _wants_page(request):
        return rendering.page(
            "problem.html", status=status, message=message.rstrip("."), hint=hint.rstrip(".")
        )
    return Response({"error": message, "hint": hint}, status_code=status, media_type=MediaType.JSON)
