"""Sign-in and sign-out: access keys for readers of clients, OpenID Connect for staff."""

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, quote, urlencode

from litestar import MediaType, Request, Response, get, post
from litestar.datastructures import Cookie
from litestar.exceptions import NotFoundException
from litestar.params import FromQuery, URLEncodedBody

from monitor.errors import AccessError, WatchkeeperError
from monitor.store import api_keys, sessions, signing_keys
from monitor.store.api_keys import KeyKind
from monitor.store.sessions import Session
from monitor.web import services as web_services
from monitor.web.auth import session
from monitor.web.auth.oidc import Attempt, Provider, Returned
from monitor.web.auth.session import Visitor
from monitor.web.pages import rendering
from monitor.web.public_path import CURRENT
from monitor.web.services import Services

Form = URLEncodedBody[dict[str, str]]
_ATTEMPT = "watchkeeper_attempt"
_IN_PATHS = "/%?=&#:@!$'()*+,;~"
_CONTROLS = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_PURPOSE = "sign-in"
"""Of the key that signs sign-ins in progress."""


def closed(request: Request[Any, Any, Any]) -> Response[Any]:
    """The page for visitors without access, equal for every path, whether or not it exists."""
    services = web_services.of(request)
    path = request.url.path
    return rendering.page(
        "sign_in.html",
        status=404,
        next=quote(path) if _is_ours(path) else "",
        staff=bool(services.settings.oidc.issuer),
    )


@get("/", sync_to_thread=False, include_in_schema=False)
def home() -> Response[Any]:
    """The root path redirects to the overview."""
    return _go("/staff/")


@post("/enter", sync_to_thread=True, include_in_schema=False, status_code=303)
def enter(request: Request[Any, Any, Any], data: Form) -> Response[Any]:
    """Sign in with an access key from a form."""
    if session.is_of_another_site(request):
        raise NotFoundException
    return _enter(request, data.get("key", ""), data.get("next", ""))


@get("/enter/link", sync_to_thread=True, include_in_schema=False, status_code=303)
def enter_by_link(
    request: Request[Any, Any, Any],
    key: FromQuery[str] = "",
    next: FromQuery[str] = "",  # noqa: A002
) -> Response[Any]:
    """Sign in with an access key from a link, and remove it from the address bar.

    A link does not replace another session: somebody else's would sign the reader in as them. Nor does another site
    open one by itself. A frame has cookies of its own, and no click.
    """
    visitor = session.identify(request)
    is_other = visitor is not None and bool(visitor.secret) and not _is_of(request, visitor, key)
    if is_other or (_is_unasked(request) and request.headers.get("sec-fetch-dest") != "iframe"):
        shown = visitor if is_other else None
        return rendering.page("switch.html", visitor=shown, key=key, next=next, staff=False)
    return _enter(request, key, next)


def _is_unasked(request: Request[Any, Any, Any]) -> bool:
    """Whether another site led here without anybody's click."""
    is_from_other = request.headers.get("sec-fetch-site", "none") in ("cross-site", "same-site")
    return is_from_other and request.headers.get("sec-fetch-user") != "?1"


def _is_of(request: Request[Any, Any, Any], visitor: Visitor, token: str) -> bool:
    """Whether a key is the one that the visitor signed in with."""
    services = web_services.of(request)
    with services.store.read() as connection:
        own = sessions.find(connection, visitor.secret, services.clock.now())
        key = None if own is None else api_keys.find(connection, own.key_id)
    return key is not None and key.hash == api_keys.digest(token)


def _enter(request: Request[Any, Any, Any], token: str, next_page: str) -> Response[Any]:
    services, now = web_services.of(request), web_services.of(request).clock.now()
    address = session.address_of(request)
    if services.access.take_first(token):
        ends = now + services.settings.session_lifetime
        first = Session(session.FIRST, "admin", "", session.FIRST, now, ends, authenticated_at=now)
        return _go("/staff/keys", session.sign_in(request, first))
    try:
        principal = services.access.who(KeyKind.PAGE, {"authorization": f"Bearer {token}"}, address)
    except AccessError:
        return closed(request)
    if not principal.key:  # somebody at this machine without a key, who needs no session
        return closed(request)
    with services.store.read() as connection:
        key = api_keys.find(connection, principal.key)
    ends = now + services.settings.session_lifetime
    if key is not None and key.expires_at is not None:
        ends = min(ends, key.expires_at)
    role = principal.role
    who = f"key {key.name or key.id}" if key is not None else f"key {principal.key}"
    opened = Session(who, role, principal.client, principal.key, now, ends, authenticated_at=now)
    secret = session.keep(request, opened)
    home = _page_of(principal.client) if principal.client else "/staff/"
    answer = _go(_inside(next_page, home))
    partitioned_cookie = session.framed(services, "" if role else principal.client, secret, int(ends - now))
    if partitioned_cookie:
        answer.headers["Set-Cookie"] = partitioned_cookie
    else:
        answer.cookies.append(session.cookie(services, secret, int(ends - now)))
    return answer


@post("/leave", sync_to_thread=True, include_in_schema=False, status_code=303)
def leave(request: Request[Any, Any, Any], data: Form) -> Response[Any]:
    """Sign out. Readers come to the page of their client, where they can sign in again."""
    services, in_frames = web_services.of(request), ""
    visitor = session.identify(request)
    answer = _go("/staff/")
    if visitor is not None and visitor.secret:
        session.check_form(request, visitor, data.get("csrf", ""))
        session.sign_out(request, visitor)
        if visitor.client and not visitor.role:
            answer = _go(_page_of(visitor.client))
            in_frames = session.framed(services, visitor.client, "", 0)
    if in_frames:
        answer.headers["Set-Cookie"] = in_frames
    else:
        answer.cookies.append(session.cookie(services, "", 0))
    answer.headers["Clear-Site-Data"] = '"cache", "storage"'
    return answer


@get("/staff/sign-in", sync_to_thread=True, include_in_schema=False, status_code=303)
def sign_in(
    request: Request[Any, Any, Any],
    next: FromQuery[str] = "",  # noqa: A002
    again: FromQuery[str] = "",
) -> Response[Any]:
    """Redirect to the identity provider, which may sign in by itself, unless it is to ask `again`. Another site cannot
    start that.
    """
    services, provider = web_services.of(request), _provider(request)
    next_page = _inside(next, "/staff/")
    if _is_unasked(request):
        return rendering.page("switch.html", visitor=None, key="", next=next_page, staff=True)
    now = services.clock.now()
    address, attempt = provider.begin(_return_address(request), next_page, now, is_again=bool(again))
    fields = urlencode({name: getattr(attempt, name) for name in Attempt.__slots__})
    encoded = urlsafe_b64encode(fields.encode()).decode().rstrip("=")
    return _go(address, _attempt_cookie(request, f"{_signature(services, encoded)}.{encoded}", 600))


@get("/staff/callback", sync_to_thread=True, include_in_schema=False, status_code=303)
def callback(request: Request[Any, Any, Any]) -> Response[Any]:
    """The return from the identity provider."""
    services = web_services.of(request)
    now = services.clock.now()
    names = ("code", "state", "iss", "error")
    returned = Returned(*(str(request.query_params.get(name, "")) for name in names))
    provider = _provider(request)
    try:
        attempt = _attempt(request)
        person = provider.finish(attempt, returned, _return_address(request), now)
    except WatchkeeperError as error:
        services.access.log_refused_sign_in(session.address_of(request), error.message, now)
        raise
    ends = now + services.settings.session_lifetime
    opened = Session(
        person.name,
        person.role,
        "",
        "",
        now,
        ends,
        issuer=person.issuer,
        subject=person.subject,
        groups=person.groups,
        authenticated_at=person.authenticated_at,
        sid=person.sid,
    )
    session_cookie = session.sign_in(request, opened)
    return _go(attempt.next, session_cookie, _attempt_cookie(request, "", 0))


def _provider(request: Request[Any, Any, Any]) -> Provider:
    provider = request.app.state["provider"]
    if provider is None:
        raise NotFoundException
    assert isinstance(provider, Provider)
    return provider


def _return_address(request: Request[Any, Any, Any]) -> str:
    public = web_services.of(request).settings.public_url.rstrip("/")
    return f"{public or str(request.base_url).rstrip('/')}/staff/callback"


def _attempt(request: Request[Any, Any, Any]) -> Attempt:
    services = web_services.of(request)
    signature, _, encoded = request.cookies.get(session.cookie_name(services, _ATTEMPT), "").partition(".")
    is_ours = hmac.compare_digest(signature.encode(), _signature(services, encoded).encode())
    text = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode() if is_ours else ""
    fields = {name: texts[0] for name, texts in parse_qs(text).items()}
    try:
        started = float(fields["started_at"])
        is_again = fields["is_again"] == str(True)
        attempt = Attempt(
            fields["state"], fields["nonce"], fields["verifier"], fields["next"], started, is_again
        )
    except (KeyError, ValueError):
        raise AccessError("your sign-in has expired", hint="sign in again") from None
    return replace(attempt, next=_inside(attempt.next, "/staff/"))


def _attempt_cookie(request: Request[Any, Any, Any], value: str, seconds: int) -> Cookie:
    services = web_services.of(request)
    name, secure = session.cookie_name(services, _ATTEMPT), services.settings.is_secure
    return Cookie(name, value=value, max_age=seconds, path="/", httponly=True, secure=secure, samesite="lax")


def _signature(services: Services, text: str) -> str:
    """Signs a sign-in in progress, so that only what we wrote comes back from the browser."""
    with services.store.read() as connection:
        key = signing_keys.find(connection, _PURPOSE)
    if key is None:
        with services.store.write() as connection:
            key = signing_keys.made(connection, _PURPOSE)
    return hmac.new(key, text.encode(), "sha256").hexdigest()


def _page_of(client: str) -> str:
    return f"/c/{quote(client, safe='')}/"


def _inside(path: str, default: str) -> str:
    """Return the path of one of our own pages without the public path; `default` for any other path."""
    own = path.removeprefix(CURRENT.get())
    return quote(own, safe=_IN_PATHS) if _is_ours(own) else default


def _is_ours(path: str) -> bool:
    """Whether a path leads to one of our own pages: no other host, no slash tricks, no control characters."""
    is_plain = "//" not in path and "\\" not in path and not _CONTROLS.search(path)
    return is_plain and path.startswith(("/c/", "/staff/"))


def _go(address: str, *cookies: Cookie) -> Response[Any]:
    return Response(
        "", status_code=303, headers={"Location": address}, cookies=list(cookies), media_type=MediaType.TEXT
    )


HANDLERS = (home, enter, enter_by_link, leave, sign_in, callback)
