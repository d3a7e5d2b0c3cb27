"""Middleware of every request: host name, rate limit per address, response headers, request counter, audit log."""

from typing import Any
from urllib.parse import unquote

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send
from msgspec import json

from monitor.exporters.prometheus.daemon_meters import DaemonMeters
from monitor.store.audit import AuditEntry
from monitor.text_limits import storable
from monitor.web import host_names
from monitor.web.auth import response_headers
from monitor.web.auth.audit import STRANGER, AuditLog
from monitor.web.auth.rate_limit import Limiter
from monitor.web.auth.session import LOCAL
from monitor.web.fair_thread_pool import work_for
from monitor.web.pages import rendering
from monitor.web.recent_health import RecentHealth
from monitor.web.services import Services

_UNLIMITED = ("/healthz", "/readyz", "/metrics")
_AUDITED = (
    "/c/", "/staff/", "/api/", "/enter", "/leave", "/unsubscribe", "/subscribe", "/changes", "/metrics",
    "/v1/rollouts/", "/v1/flagger/", "/v1/releases", "/v1/sites/",
)  # fmt: skip
_MACHINES = ("/metrics", "/v1/rollouts/", "/v1/flagger/")
"""What programs ask every few seconds; none of it changes anything."""
_READING = ("GET", "HEAD", "OPTIONS")
_NO_AUDIT = (
    "changes are not accepted while the audit log cannot be written",
    "is the database full, locked, or out of reach? The daemon's log has the reason",
)
_WRONG_HOST = (
    "this is not a host name of the daemon",
    "set web.public_url to the daemon's address, or add the name to web.hosts",
)


class Guard(ASGIMiddleware):
    """The middleware; one instance per application."""

    def __init__(
        self, services: Services, audit: AuditLog, meters: DaemonMeters, recent: RecentHealth
    ) -> None:
        self._services, self._recent = services, recent
        self._audit = audit
        self._meters = meters
        self._limiter = Limiter(services.settings.requests_per_minute)
        self._senders = services.access.senders
        self._names = host_names.names_of(services.settings)
        self._headers = {name: _encoded(headers) for name, headers in _headers(services).items()}

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
        elif not self._is_expected(scope):
            await _send_error(scope, watched, 421, *_WRONG_HOST)
        elif self._audit.is_failing and _is_change(scope):
            await _send_error(scope, watched, 503, *_NO_AUDIT, (b"retry-after", b"5"))
        else:
            scope["state"]["arrived"] = self._recent.elapsed()
            work_for(self._senders.of(scope))
            await next_app(scope, receive, watched)
            self._learn(scope)
        self._meters.requests.labels(handler=_handler(scope), code=str(status)).inc()
        if path.startswith(_AUDITED):
            self._record(scope, client, address, status)

    def _learn(self, scope: HTTPScope) -> None:
        """Remember whose credentials a request had, if they were accepted."""
        state = scope.get("state", {})
        if visitor := state.get("visitor"):
            self._senders.learn(scope, visitor.client or visitor.audit_name)
        elif principal := state.get("principal"):
            self._senders.learn(scope, principal.client or f"key {principal.key}")

    def _is_expected(self, scope: HTTPScope) -> bool:
        """Whether the host name is ours. Web sites cannot have a browser send somebody's key, so keys prove enough."""
        if (
            scope["path"].startswith("/v1/") or scope["path"] in _UNLIMITED
        ):  # each requires a key or a signature
            return True
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1")
        return b"authorization" in headers or host_names.is_expected(host, self._names)

    def _record(self, scope: HTTPScope, client: str, address: str, status: int) -> None:
        state = scope.get("state", {})
        visitor, client = state.get("visitor"), str(state.get("client", client))
        principal = state.get("principal")
        action = "read" if scope["method"] in _READING else "change"
        now = self._services.clock.now()
        who = visitor.audit_name if visitor is not None else ""
        if visitor is None and principal is not None:
            who, client = f"key {principal.key}" if principal.key else LOCAL, client or principal.client
        if not who:
            # Anybody can send these, with any client in the path: they are counted by kind of page.
            self._audit.count_stranger(
                AuditEntry(now, STRANGER, address[:64], action, "", _handler(scope), status)
            )
            return
        texts = storable(who[:256]), address[:64], action, storable(client[:128]), scope["path"][:512]
        entry = AuditEntry(now, *texts[:4], storable(texts[4]), status)
        is_machine = scope["path"].startswith(_MACHINES) or scope["path"].endswith("/metrics")
        self._audit.count_machine(entry) if is_machine else self._audit.note(entry)


def _is_change(scope: HTTPScope) -> bool:
    path, method = scope["path"], scope["method"]
    return method not in _READING and path.startswith(_AUDITED) and not path.startswith(_MACHINES)


def _headers(services: Services) -> dict[str, dict[str, str]]:
    frames = {"": (), **{name: client.frame_ancestors for name, client in services.clients.items()}}
    strict = services.settings.strict_transport
    return {
        name: response_headers.headers(strict_transport=strict, frame_ancestors=ancestors)
        for name, ancestors in frames.items()
    }


def _encoded(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


def _handler(scope: Any) -> str:
    """The template of the route: paths themselves would create one series each."""
    return str(scope.get("path_template") or "none")


async def _reject(scope: HTTPScope, send: Send, wait: float) -> None:
    seconds = int(wait) + 1
    await _send_error(
        scope,
        send,
        429,
        "too many requests",
        f"retry in {seconds} s",
        (b"retry-after", b"%d" % seconds),
    )


async def _send_error(
    scope: HTTPScope, send: Send, status: int, message: str, hint: str, *more: tuple[bytes, bytes]
) -> None:
    kind, body = b"application/json", json.encode({"error": message, "hint": hint})
    if b"text/html" in dict(scope["headers"]).get(b"accept", b""):
        page = rendering.text("problem.html", message=message, hint=hint)
        kind, body = b"text/html; charset=utf-8", page.encode()
    headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body)), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
