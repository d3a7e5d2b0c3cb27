"""The web application: its handlers, error handling and middleware."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

from litestar import Litestar, MediaType, Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.plugins import PluginProtocol
from litestar.plugins.core import MsgspecDIPlugin
from litestar.types import ExceptionHandlersMap
from sqlalchemy.exc import SQLAlchemyError

from monitor.errors import NotFoundError, WatchkeeperError
from monitor.web import health_endpoints
from monitor.web import services as web_services
from monitor.web.api import exposition, routes, staff_changes
from monitor.web.auth import backchannel_logout, recent_sign_in, response_headers, sign_in
from monitor.web.auth.audit import AuditLog
from monitor.web.auth.oidc import Provider
from monitor.web.auth.recent_sign_in import OldSignIn
from monitor.web.middleware import Guard
from monitor.web.pages import (
    actions,
    approvals,
    assets,
    client,
    events,
    incidents,
    rendering,
    reports,
    runbooks,
    service_reports,
    staff,
    subscriptions,
    unsubscribe,
)
from monitor.web.pages.alert import alert_page
from monitor.web.pages.declared import violations_page
from monitor.web.pages.features import feature_page as feature
from monitor.web.pages.features import table as features
from monitor.web.pages.listings import (
    alerts_page,
    audit_page,
    quarantine_page,
    sessions_page,
    subscribers_page,
)
from monitor.web.pages.model import approval_page, engineer, parity_page, rollback_page, rollout_page
from monitor.web.pages.overview import page as overview
from monitor.web.pages.signals import texts_page
from monitor.web.recent_health import RecentHealth
from monitor.web.services import Services
from monitor.web.statuses import status_of, words_of

log = logging.getLogger(__name__)

AUDIT_EVERY = 2.0
_MAX_BODY_BYTES = 262_144
"""Maximum size of a form or webhook."""
_MESSAGES = {  # equal for missing resources and for those without access
    404: (
        "not found, or you have no access",
        "records go to /v1/predictions and /v1/outcomes; pages are below /c/, the JSON API below /api/v1/",
    ),
    405: ("this method is not allowed here", ""),
}
_MODULES = (
    health_endpoints,
    routes,
    staff_changes,
    assets,
    exposition,
    client,
    approvals,
    events,
    sign_in,
    backchannel_logout,
    overview,
    staff,
    engineer,
    parity_page,
    rollout_page,
    approval_page,
    rollback_page,
    features,
    feature,
    alert_page,
    alerts_page,
    quarantine_page,
    texts_page,
    violations_page,
    audit_page,
    sessions_page,
    subscribers_page,
    reports,
    actions,
    incidents,
    service_reports,
    unsubscribe,
    subscriptions,
    runbooks,
)


class _Application(Litestar):
    """Without Litestar's support for pydantic, which loads both versions of pydantic to encode what we never return."""

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        return [*plugins, MsgspecDIPlugin()]


def create(services: Services, routes: Sequence[HTTPRouteHandler] = ()) -> Litestar:
    """The application behind `monitor.web.ingest.front`. `routes` are further ones, which a configuration may add."""
    audit, recent = AuditLog(services.store), RecentHealth()
    oidc = services.settings.oidc
    state = {
        "services": services,
        "recent": recent,
        "listeners": events.PageListeners(most_per_client=services.settings.event_streams),
        "collector": exposition.collector(services),
        "provider": Provider(oidc) if oidc.issuer else None,
    }
    errors: ExceptionHandlersMap = {
        500: _unexpected,
        SQLAlchemyError: _database_error,
        HTTPException: _http_error,
        WatchkeeperError: _own_error,
    }

    @contextlib.asynccontextmanager
    async def audited(_app: Litestar) -> AsyncGenerator[None, None]:
        writer = asyncio.create_task(_write_periodically(audit, services.clock.now))
        try:
            yield
        finally:
            writer.cancel()
            await asyncio.to_thread(audit.flush)

    return _Application(
        [*routes, *(handler for module in _MODULES for handler in module.HANDLERS)],
        state=State(state),
        middleware=[Guard(services, audit, services.meters, recent)],
        exception_handlers=errors,
        lifespan=[audited],
        openapi_config=None,
        logging_config=None,
        request_max_body_size=_MAX_BODY_BYTES,
        debug=False,
    )


async def _write_periodically(audit: AuditLog, now: Callable[[], float]) -> None:
    while True:
        await asyncio.sleep(AUDIT_EVERY)
        try:
            await asyncio.to_thread(audit.flush, now())
        except Exception:  # must not end the task: waiting entries are written next time
            log.exception("the audit log could not be written; it will be retried")


def _http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    if error.status_code == 404 and _wants_page(request):
        return _with_security_headers(request, sign_in.closed(request))
    if isinstance(error, OldSignIn) and _wants_page(request):
        return recent_sign_in.page(error)
    message, hint = _MESSAGES.get(error.status_code, (error.detail, ""))
    return _with_security_headers(request, _error_response(request, error.status_code, message, hint))


def _own_error(request: Request[Any, Any, Any], error: WatchkeeperError) -> Response[Any]:
    if isinstance(error, NotFoundError) and _wants_page(request):
        return sign_in.closed(request)
    status, headers = status_of(error)
    answer = _error_response(request, status, *words_of(error))
    answer.headers.update(headers)
    return answer


def _unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """An unexpected error: logged for the operator, not shown to the client."""
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _error_response(request, 500, "internal error", "the daemon's log has the details")


def _database_error(request: Request[Any, Any, Any], error: SQLAlchemyError) -> Response[Any]:
    """A value or statement that the database rejects. The error contains both, and is logged only."""
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _error_response(
        request, 503, "the database cannot process this request", "the daemon's log has the details"
    )


def _with_security_headers(request: Request[Any, Any, Any], answer: Response[Any]) -> Response[Any]:
    """Unknown paths are answered before the middleware runs."""
    strict = web_services.of(request).settings.strict_transport
    answer.headers.update(response_headers.headers(strict_transport=strict))
    return answer


def _wants_page(request: Request[Any, Any, Any]) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _error_response(request: Request[Any, Any, Any], status: int, message: str, hint: str) -> Response[Any]:
    """All errors have this form: JSON, or a page with the same texts."""
    if _wants_page(request):
        return rendering.page(
            "problem.html", status=status, message=message.rstrip("."), hint=hint.rstrip(".")
        )
    return Response({"error": message, "hint": hint}, status_code=status, media_type=MediaType.JSON)
