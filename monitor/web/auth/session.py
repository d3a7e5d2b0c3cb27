"""Identifies the visitor of a page: a signed-in user, the bearer of a key, or a user of this machine.

Resources without access are answered as if they did not exist.
"""

import contextlib
import hashlib
import hmac
from dataclasses import dataclass, replace
from typing import Any

from litestar import Request
from litestar.datastructures import Cookie
from litestar.exceptions import NotFoundException, PermissionDeniedException
from sqlalchemy import Connection

from monitor.errors import AccessError, StoreError
from monitor.store import advisory_locks, api_keys, audit, sessions, webhook_deliveries
from monitor.store.api_keys import Key, KeyKind
from monitor.store.audit import AuditEntry
from monitor.store.sessions import Session
from monitor.web import host_names
from monitor.web import services as web_services
from monitor.web.auth.authentication import Access, Principal
from monitor.web.auth.logout_token import ended_session
from monitor.web.auth.socket_owner import is_same_user
from monitor.web.services import Services
from monitor.web.settings import RANKS

COOKIE = "watchkeeper_session"
FIRST = "first token"
"""The key of a session that was opened with the token of the start."""
PROVIDER = "sessions of the identity provider"
"""The lock of what opens and ends them."""
LOCAL = "this machine"
"""The visitor who needs no key while none exists."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """The visitor. `client` is the one they are bound to (empty: every client); `secret` is their session's,
    or empty. `principal` identifies them, by provider and `sub`, or by key; `who` is a name for people to read.
    """

    who: str
    role: str
    client: str
    secret: str = ""
    principal: tuple[str, str] = ("", "")
    authenticated_at: float = 0.0
    """When they last proved who they are, in seconds since the epoch; 0 if that is not known."""

    def may_read(self, client: str) -> bool:
        """Whether the visitor may see a client's data."""
        return self.client in ("", client)

    def may(self, role: str) -> bool:
        """Whether the visitor is staff of this role or a higher one."""
        return RANKS[self.role] >= RANKS[role]

    @property
    def audit_name(self) -> str:
        """Who it is in the audit log: what identifies them, and their name if it is another one."""
        issuer, identity = self.principal
        if not issuer:
            return f"key {identity}" if identity not in ("", FIRST) else self.who
        return f"person {identity}" if identity == self.who else f"person {identity} ({self.who})"

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
    secret = request.cookies.get(cookie_name(services), "")
    if secret:
        session = _session(services, secret, address_of(request))
        if session is not None:
            return Visitor(
                session.who, session.role, session.client, secret, session.principal, session.authenticated_at
            )
    return _bearer(services, request)


def principal_of(access: Access, kind: KeyKind, request: Request[Any, Any, Any]) -> Principal:
    """The bearer of a key, or a user of this machine.

    Raises:
        AccessError: neither.
    """
    peer = address_of(request)
    headers = {name.lower(): value for name, value in request.headers.items()}
    principal = access.who(kind, headers, peer, request.scope["http_version"], is_same_user(request.scope))
    request.state["principal"] = principal  # for the audit log
    return principal


def cookie_name(services: Services, name: str = COOKIE) -> str:
    """The name of a cookie. With TLS, browsers take a name with the prefix `__Host-` from this very host only, and for
    all of its paths. A daemon at a path of a host that others use too has cookies of that path (`__Secure-`).
    """
    if not services.settings.is_secure:
        return name
    return f"__Secure-{name}" if services.settings.public_path else f"__Host-{name}"


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


def staff_of(request: Request[Any, Any, Any], client: str) -> Visitor:
    """A member of staff who may see this client's data; others get 404."""
    visitor = staff(request)
    about(request, client)
    if not visitor.may_read(client):
        raise NotFoundException
    return visitor


def check_form(request: Request[Any, Any, Any], visitor: Visitor, token: str) -> None:
    """Reject a change that did not come from our own form. Bearers of a key send no cookie, so cannot be
    impersonated.
    """
    if is_of_another_site(request):
        raise PermissionDeniedException("the form came from another site")
    given = token.encode("utf-8", "replace")
    if visitor.secret and not hmac.compare_digest(given, visitor.csrf.encode()):
        raise PermissionDeniedException("the form has expired: reload the page")


def is_of_another_site(request: Request[Any, Any, Any]) -> bool:
    """Whether a form came from a page of another site. Browsers say so by `Sec-Fetch-Site`, but only over TLS and on
    this machine; otherwise, as old ones do, by `Origin`, which is `null` for our own pages: they send no referrer.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin", "null")
    if site is not None:
        return site not in ("same-origin", "none")
    settings, place = web_services.of(request).settings, origin.partition("://")[2]
    public = {host_names.host_of(settings.public_url), *settings.hosts} - {""}
    is_own = origin == "null" or place == request.headers.get("host") or host_names.host_of(origin) in public
    return not is_own


def keep(request: Request[Any, Any, Any], opened: Session) -> str:
    """Store a session, with its entry in the audit log, instead of the visitor's. Returns its secret."""
    services = web_services.of(request)
    before = identify(request)
    visitor = request.state["visitor"] = Visitor(
        opened.who, opened.role, opened.client, principal=opened.principal
    )
    about(request, opened.client)
    with services.store.write() as connection:
        if opened.sid:
            _check_provider_session(connection, opened)
        if before is not None and before.secret:
            sessions.close(connection, before.secret)
        secret = sessions.open_session(connection, replace(opened, address=address_of(request)))
        note(request, connection, visitor, opened.client, "sign in")
    return secret


def _check_provider_session(connection: Connection, opened: Session) -> None:
    """Open no session of somebody who signed out at the provider while they were on their way from there.

    Raises:
        AccessError: they did.
    """
    advisory_locks.lock(connection, PROVIDER)
    if webhook_deliveries.is_known(connection, ended_session(opened.issuer, opened.sid)):
        raise AccessError("you have signed out at the identity provider", hint="sign in again")


def sign_in(request: Request[Any, Any, Any], opened: Session) -> Cookie:
    """Store a session. Returns its cookie."""
    seconds = int(opened.expires_at - opened.created_at)
    return cookie(web_services.of(request), keep(request, opened), seconds)


def sign_out(request: Request[Any, Any, Any], visitor: Visitor) -> None:
    """End the visitor's session, with its entry in the audit log."""
    with web_services.of(request).store.write() as connection:
        sessions.close(connection, visitor.secret)
        note(request, connection, visitor, visitor.client, "sign out")


def address_of(request: Request[Any, Any, Any]) -> str:
    """Where a request is from; empty if that is not known."""
    return request.client.host if request.client else ""


def note(
    request: Request[Any, Any, Any],
    connection: Connection,
    visitor: Visitor,
    client: str,
    what: str,
    action: str = "change",
) -> None:
    """Add the audit entry in the transaction of the change: there is no change without an entry."""
    now = web_services.of(request).clock.now()
    entry = AuditEntry(now, visitor.audit_name, address_of(request), action, client, what, 200)
    audit.add(connection, [entry])


def framed(services: Services, client: str, secret: str, seconds: int) -> str:
    """The cookie for a client's reader whose page other sites may embed, partitioned by the embedding site.

    It only gives read access, so another site gains nothing by sending it. Empty if no site may embed the page, or
    readers do not use TLS.
    """
    if not (client and services.settings.is_secure and services.client(client).frame_ancestors):
        return ""
    return f"{cookie_name(services)}={secret}; Path=/; Max-Age={seconds}; HttpOnly; Secure; SameSite=None; Partitioned"


def cookie(services: Services, secret: str, seconds: int) -> Cookie:
    """The cookie of a session; an empty secret and 0 seconds delete it."""
    return Cookie(
        cookie_name(services),
        value=secret,
        max_age=seconds,
        path="/",
        httponly=True,
        secure=services.settings.is_secure,
        samesite="lax",
    )


def _session(services: Services, secret: str, address: str) -> Session | None:
    now, idle = services.clock.now(), services.settings.session_idle
    with services.store.read() as connection:
        stored = sessions.find(connection, secret, now, idle)
        if stored is None:
            return None
        key = api_keys.find(connection, stored.key_id) if stored.key_id else None
    session = in_force(services, stored, key, address, now)
    if session is not None and abs(now - session.seen_at) > sessions.TOUCH_AFTER:
        with contextlib.suppress(StoreError), services.store.write() as connection:
            sessions.touch(connection, secret, now)
    return session


def in_force(
    services: Services, stored: Session, key: Key | None, address: str, now: float
) -> Session | None:
    """A session with what its `key`, or the configuration, allows today; None if that is nothing. An empty `address`
    stands for any from which the key may be used.
    """
    if stored.key_id == FIRST:
        return stored if services.access.is_first_valid() else None
    if stored.key_id:
        if key is None or not key.is_valid(now) or not (key.is_usable_from(address) or not address):
            return None
        return replace(stored, role=key.role, client=key.client)
    oidc = services.settings.oidc
    role = oidc.role_of(stored.groups) if stored.issuer == oidc.issuer else ""
    return replace(stored, role=role) if role else None


def _bearer(services: Services, request: Request[Any, Any, Any]) -> Visitor | None:
    try:
        principal = principal_of(services.access, KeyKind.PAGE, request)
    except AccessError:
        return None
    if not principal.key:
        # Once staff can sign in, access from this machine is no longer enough.
        return None if services.settings.oidc.issuer else Visitor(LOCAL, "admin", "")
    return Visitor(f"key {principal.key}", principal.role, principal.client, principal=("", principal.key))
