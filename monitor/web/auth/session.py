"""Identifies the visitor of a page: a signed-in user, the bearer of a key, or a user of this machine.

Resources without access are answered as if they did not exist.
"""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any

from litestar import Request
from litestar.datastructures import Cookie
from litestar.exceptions import NotFoundException, PermissionDeniedException

from monitor.errors import AccessError
from monitor.store import api_keys, sessions
from monitor.store.api_keys import KeyKind
from monitor.store.sessions import Session
from monitor.web import services as web_services
from monitor.web.services import Services
from monitor.web.settings import RANKS

COOKIE = "watchkeeper_session"
LOCAL = "this machine"
"""The visitor who needs no key while none exists."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """The visitor. `client` is the one they are bound to (empty: every client); `secret` is their session's,
    or empty.
    """

    who: str
    role: str
    client: str
    secret: str = ""

    def may_read(self, client: str) -> bool:
        """Whether the visitor may see a client's data."""
        return self.client in ("", client)

    def may(self, role: str) -> bool:
        """Whether the visitor is staff of this role or a higher one."""
        return RANKS[self.role] >= RANKS[role]

    @property
    def csrf(self) -> str:
        """The token that forms of this session must contain."""
        return hmac.new(self.secret.encode(), b"form", hashlib.sha256).hexdigest() if self.secret else ""


def identify(request: Request[Any, Any, Any]) -> Visitor | None:
    """The visitor; None if unknown. Also stored in the request's state, for the audit log."""
    visitor = request.state["visitor"] = _identify(request)
    return visitor


def _identify(request: Request[Any, Any, Any]) -> Visitor | None:
    services = web_services.of(request)
    secret = request.cookies.get(COOKIE, "")
    if secret:
        session = _session(services, secret)
        if session is not None:
            return Visitor(session.who, session.role, session.client, secret)
    return _bearer(services, request)


def about(request: Request[Any, Any, Any], client: str) -> None:
    """Record which client's data a request is about, for the audit log."""
    request.state["client"] = client


def reader(request: Request[Any, Any, Any], client: str) -> Visitor:
    """A visitor who may see this client's data; others get 404."""
    about(request, client)
    visitor = identify(request)
    if visitor is None or not visitor.may_read(client):
        raise NotFoundException
    return visitor


def staff(request: Request[Any, Any, Any], role: str = "viewer") -> Visitor:
    """A member of staff with this role."""
    visitor = identify(request)
    if visitor is None or not visitor.may("viewer"):
        raise NotFoundException
    if not visitor.may(role):
        raise PermissionDeniedException(f"this requires the role {role}")
    return visitor


def check_form(request: Request[Any, Any, Any], visitor: Visitor, token: str) -> None:
    """Reject a change that did not come from our own form. Bearers of a key send no cookie, so cannot be
    impersonated.
    """
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise PermissionDeniedException("the form came from another site")
    if visitor.secret and not hmac.compare_digest(token, visitor.csrf):
        raise PermissionDeniedException("the form has expired: reload the page")


def keep(services: Services, session: Session) -> str:
    """Store a session. Returns its secret."""
    with services.store.write() as connection:
        return sessions.open_session(connection, session)


def sign_in(services: Services, session: Session) -> Cookie:
    """Store a session. Returns its cookie."""
    return cookie(services, keep(services, session), int(session.expires_at - session.created_at))


def framed(services: Services, client: str, secret: str, seconds: int) -> str:
    """The cookie for a client's reader whose page other sites may embed, partitioned by the embedding site.

    It only gives read access, so another site gains nothing by sending it. Empty if no site may embed the page, or
    readers do not use TLS.
    """
    if not (client and services.settings.is_secure and services.client(client).frame_ancestors):
        return ""
    return f"{COOKIE}={secret}; Path=/; Max-Age={seconds}; HttpOnly; Secure; SameSite=None; Partitioned"


def cookie(services: Services, secret: str, seconds: int) -> Cookie:
    """The cookie of a session; an empty secret and 0 seconds delete it."""
    return Cookie(
        COOKIE,
        value=secret,
        max_age=seconds,
        path="/",
        httponly=True,
        secure=services.settings.is_secure,
        samesite="lax",
    )


def _session(services: Services, secret: str) -> Session | None:
    now = services.clock.now()
    with services.store.read() as connection:
        session = sessions.find(connection, secret, now)
        if session is None or not session.key_id:
            return session
        key = api_keys.find(connection, session.key_id)
    return session if key is not None and key.is_valid(now) else None


def _bearer(services: Services, request: Request[Any, Any, Any]) -> Visitor | None:
    peer = request.client.host if request.client else ""
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        principal = services.access.who(KeyKind.PAGE, headers, peer, request.scope["http_version"])
    except AccessError:
        return None
    if not principal.key:
        # Once staff can sign in, access from this machine is no longer enough.
        is_open = services.access.is_open(KeyKind.STAFF) and not services.settings.oidc.issuer
        return Visitor(LOCAL, "admin", "") if is_open else None
    if principal.kind is KeyKind.STAFF:
        return Visitor(f"key {principal.key}", "admin", principal.client)
    return Visitor(f"key {principal.key}", "", principal.client)
