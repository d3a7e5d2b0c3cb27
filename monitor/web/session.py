"""Who is looking at a page: a signed-in reader, a bearer of a key, or somebody at this machine itself.

Whoever may not see something is answered as if it did not exist.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from litestar import Request
from litestar.datastructures import Cookie
from litestar.exceptions import NotFoundException, PermissionDeniedException

from monitor.errors import AccessError
from monitor.store import access, sessions
from monitor.store.access import Kind
from monitor.store.sessions import Session
from monitor.web import services as surroundings
from monitor.web.services import Services

COOKIE = "watchkeeper_session"
LOCAL = "this machine"
"""Who needs no key, as long as none was made."""
ROLES: Mapping[str, int] = {"": 0, "viewer": 1, "operator": 2, "admin": 3}
"""What a role may do: viewers read every client, operators acknowledge and silence, admins make keys."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks. `client` is what they are bound to (empty: every client); `secret` their session's, or empty."""

    who: str
    role: str
    client: str
    secret: str = ""

    def may_read(self, client: str) -> bool:
        """Whether a client's data may be shown to them."""
        return self.client in ("", client)

    def may(self, role: str) -> bool:
        """Whether they are staff of this role or a higher one."""
        return ROLES[self.role] >= ROLES[role]

    @property
    def csrf(self) -> str:
        """What a form of this session must bring along."""
        return hmac.new(self.secret.encode(), b"form", hashlib.sha256).hexdigest() if self.secret else ""


def identify(request: Request[Any, Any, Any]) -> Visitor | None:
    """Who is asking; None for a stranger. The audit log finds the answer in the request's state."""
    visitor = request.state["visitor"] = _identify(request)
    return visitor


def _identify(request: Request[Any, Any, Any]) -> Visitor | None:
    services = surroundings.of(request)
    secret = request.cookies.get(COOKIE, "")
    if secret:
        session = _session(services, secret)
        if session is not None:
            return Visitor(session.who, session.role, session.client, secret)
    return _bearer(services, request)


def about(request: Request[Any, Any, Any], client: str) -> None:
    """Whose data a request is about: the audit log finds it in the request's state."""
    request.state["client"] = client


def reader(request: Request[Any, Any, Any], client: str) -> Visitor:
    """Somebody who may see this client's data; everybody else is told that it does not exist."""
    about(request, client)
    visitor = identify(request)
    if visitor is None or not visitor.may_read(client):
        raise NotFoundException
    return visitor


def staff(request: Request[Any, Any, Any], role: str = "viewer") -> Visitor:
    """Somebody of the staff with this role."""
    visitor = identify(request)
    if visitor is None or not visitor.may("viewer"):
        raise NotFoundException
    if not visitor.may(role):
        raise PermissionDeniedException(f"this needs the role {role}")
    return visitor


def check_form(request: Request[Any, Any, Any], visitor: Visitor, token: str) -> None:
    """Refuse a change that did not come from our own form. Bearers of a key bring no cookie, so nobody rides on it."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise PermissionDeniedException("the form came from another site")
    if visitor.secret and not hmac.compare_digest(token, visitor.csrf):
        raise PermissionDeniedException("the form is out of date: load the page again")


def keep(services: Services, session: Session) -> str:
    """Keep a sign-in; its secret."""
    with services.store.write() as connection:
        return sessions.open_session(connection, session)


def sign_in(services: Services, session: Session) -> Cookie:
    """Keep a sign-in and make its cookie."""
    return cookie(services, keep(services, session), int(session.expires_at - session.created_at))


def framed(services: Services, client: str, secret: str, seconds: int) -> str:
    """The cookie of a client's reader whose page other sites may show: it travels into their frames, and no further.

    `Partitioned` ties it to the site around the frame. It opens pages to read and nothing that changes anything, so
    another site gains nothing by sending it along. Empty where nobody may show the page, or readers do not come by TLS.
    """
    if not (client and services.settings.is_secure and services.client(client).frame_ancestors):
        return ""
    return f"{COOKIE}={secret}; Path=/; Max-Age={seconds}; HttpOnly; Secure; SameSite=None; Partitioned"


def cookie(services: Services, secret: str, seconds: int) -> Cookie:
    """The cookie of a sign-in; of no secret and no seconds, to forget it."""
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
        key = access.find(connection, session.key_id)
    return session if key is not None and key.is_valid(now) else None


def _bearer(services: Services, request: Request[Any, Any, Any]) -> Visitor | None:
    peer = request.client.host if request.client else ""
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        principal = services.access.who(Kind.PAGE, headers, peer)
    except AccessError:
        return None
    if not principal.key:
        # Once anybody can sign in as staff, being at this machine is no longer enough.
        is_open = services.access.is_open(Kind.STAFF) and not services.settings.oidc.issuer
        return Visitor(LOCAL, "admin", "") if is_open else None
    if principal.kind is Kind.STAFF:
        return Visitor(f"key {principal.key}", "admin", principal.client)
    return Visitor(f"key {principal.key}", "", principal.client)
