"""Middleware of every request: rate limit per address, response headers, request counter, audit log."""

from typing import Any
from urllib.parse import unquote

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from monitor.exporters.prometheus.daemon_meters import DaemonMeters
from monitor.store.audit import Entry
from monitor.web.auth import response_headers
from monitor.web.auth.audit import AuditLog
from monitor.web.auth.rate_limit import Limiter
from monitor.web.pages import rendering
from monitor.web.services import Services

_UNLIMITED = ("/healthz", "/readyz", "/metrics")
_AUDITED = ("/c/", "/staff/", "/api/", "/enter", "/leave", "/unsubscribe", "/subscribe", "/changes")


class Guard(ASGIMiddleware):
    """The middleware; one instance per application."""

    def __init__(self, services: Services, audit: AuditLog, meters: DaemonMeters) -> None:
        self._services = services
        self._audit = audit
        self._meters = meters
        self._limiter = Limiter(services.settings.requests_per_minute)
        secure = services.settings.is_secure
        self._headers = {name: _encoded(headers) for name, headers in _headers(services, secure).items()}

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Pass a request on, or reject it."""
        if scope["type"] != ScopeType.HTTP:
            await next_app(scope, receive, send)
            return
        path = scope["path"]
        address = scope["client"][0] if scope["client"] else ""
        status = 500
        client = unquote(path.split("/")[2]) if path.startswith("/c/") else ""
        extra = self._headers.get(client, self._headers[""])

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                present = {name.lower() for name, _ in message["headers"]}
                added = [(name, value) for name, value in extra if name not in present]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        wait = 0.0 if path in _UNLIMITED else self._limiter.wait(address, self._services.clock.now())
        if wait > 0:
            await _reject(scope, watched, wait)
        else:
            await next_app(scope, receive, watched)
        self._meters.requests.labels(handler=_handler(scope), code=str(status)).inc()
        if path.startswith(_AUDITED):
            self._record(scope, client, address, status)

    def _record(self, scope: HTTPScope, client: str, address: str, status: int) -> None:
        state = scope.get("state", {})
        visitor, client = state.get("visitor"), str(state.get("client", client))
        who = visitor.who if visitor is not None else "stranger"
        action = "read" if scope["method"] in ("GET", "HEAD") else "change"
        now = self._services.clock.now()
        self._audit.note(Entry(now, who[:256], address, action, client[:128], scope["path"][:512], status))


def _headers(services: Services, secure: bool) -> dict[str, dict[str, str]]:
    by_client = {"": response_headers.headers(is_secure=secure)}
    for name, client in services.clients.items():
        by_client[name] = response_headers.headers(is_secure=secure, frame_ancestors=client.frame_ancestors)
    return by_client


def _encoded(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


def _handler(scope: Any) -> str:
    """The template of the route: paths themselves would create one series each."""
    return str(scope.get("path_template") or "none")


async def _reject(scope: HTTPScope, send: Send, wait: float) -> None:
    seconds = int(wait) + 1
    kind, body = b"application/json", b'{"error": "too many requests", "hint": "retry later"}'
    if b"text/html" in dict(scope["headers"]).get(b"accept", b""):
        hint = f"retry in {seconds} s"
        page = rendering.text("problem.html", message="too many requests", hint=hint)
        kind, body = b"text/html; charset=utf-8", page.encode()
    headers = [
        (b"content-type", kind),
        (b"content-length", b"%d" % len(body)),
        (b"retry-after", b"%d" % seconds),
    ]
    await send({"type": "http.response.start", "status": 429, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
