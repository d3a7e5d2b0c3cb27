"""Around every request: the limit for its address, the headers of its answer, the count, the audit log."""

from typing import Any
from urllib.parse import unquote

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from monitor.store.audit import Entry
from monitor.web import security
from monitor.web.audit import AuditLog
from monitor.web.limits import Limiter
from monitor.web.meters import Meters
from monitor.web.rendering import TEMPLATES
from monitor.web.services import Services

_UNLIMITED = ("/healthz", "/readyz", "/metrics")
_AUDITED = ("/c/", "/staff/", "/api/", "/enter", "/leave", "/unsubscribe", "/subscribe")


class Guard(ASGIMiddleware):
    """One instance for the application."""

    def __init__(self, services: Services, audit: AuditLog, meters: Meters) -> None:
        self._services = services
        self._audit = audit
        self._meters = meters
        self._limiter = Limiter(services.settings.requests_per_minute)
        secure = services.settings.is_secure
        self._headers = {name: _encoded(headers) for name, headers in _headers(services, secure).items()}

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Let a request through, or refuse it."""
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
            await _refuse(scope, watched, wait)
        else:
            await next_app(scope, receive, watched)
        self._meters.requests.labels(handler=_handler(scope), code=str(status)).inc()
        if path.startswith(_AUDITED):
            self._note(scope, client, address, status)

    def _note(self, scope: HTTPScope, client: str, address: str, status: int) -> None:
        state = scope.get("state", {})
        visitor, client = state.get("visitor"), str(state.get("client", client))
        who = visitor.who if visitor is not None else "stranger"
        action = "read" if scope["method"] in ("GET", "HEAD") else "change"
        now = self._services.clock.now()
        self._audit.note(Entry(now, who[:256], address, action, client[:128], scope["path"][:512], status))


def _headers(services: Services, secure: bool) -> dict[str, dict[str, str]]:
    found = {"": security.headers(is_secure=secure)}
    for name, client in services.clients.items():
        found[name] = security.headers(is_secure=secure, frame_ancestors=client.frame_ancestors)
    return found


def _encoded(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


def _handler(scope: Any) -> str:
    """The route's template: a path itself could be anything, and would make a series each."""
    return str(scope.get("path_template") or "none")


async def _refuse(scope: HTTPScope, send: Send, wait: float) -> None:
    seconds = int(wait) + 1
    kind, body = b"application/json", b'{"error": "too many requests", "hint": "slow down"}'
    if b"text/html" in dict(scope["headers"]).get(b"accept", b""):
        hint = f"try again in {seconds} s"
        page = TEMPLATES.get_template("problem.html").render(message="too many requests", hint=hint)
        kind, body = b"text/html; charset=utf-8", page.encode()
    headers = [
        (b"content-type", kind),
        (b"content-length", b"%d" % len(body)),
        (b"retry-after", b"%d" % seconds),
    ]
    await send({"type": "http.response.start", "status": 429, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
