"""Coming in and going out: access keys for clients' readers, OpenID Connect for staff."""

from typing import Any
from urllib.parse import parse_qs, urlencode

from litestar import MediaType, Request, Response, get, post
from litestar.datastructures import Cookie
from litestar.exceptions import NotFoundException
from litestar.params import FromQuery, URLEncodedBody

from monitor.errors import AccessError
from monitor.store import access, sessions
from monitor.store.access import Kind
from monitor.store.sessions import Session
from monitor.web import rendering, session
from monitor.web import services as surroundings
from monitor.web.oidc import Attempt, Provider

Form = URLEncodedBody[dict[str, str]]
_ATTEMPT = "watchkeeper_attempt"


def closed(request: Request[Any, Any, Any]) -> Response[Any]:
    """What a stranger sees at any address, whether or not something is there."""
    services = surroundings.of(request)
    path = request.url.path
    return rendering.page(
        "door.html",
        status=404,
        next=path if _is_ours(path) else "",
        staff=bool(services.settings.oidc.issuer),
    )


@get("/", sync_to_thread=False, include_in_schema=False)
def home() -> Response[Any]:
    """The bare address leads to the overview, or to the door before it."""
    return _go("/staff/")


@post("/enter", sync_to_thread=True, include_in_schema=False, status_code=303)
def enter(request: Request[Any, Any, Any], data: Form) -> Response[Any]:
    """An access key in a form becomes a sign-in."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise NotFoundException
    return _enter(request, data.get("key", ""), data.get("next", ""))


@get("/enter/link", sync_to_thread=True, include_in_schema=False, status_code=303)
def enter_by_link(
    request: Request[Any, Any, Any],
    key: FromQuery[str] = "",
    next: FromQuery[str] = "",  # noqa: A002
) -> Response[Any]:
    """An access key in a link becomes a sign-in, and leaves the address bar."""
    return _enter(request, key, next)


def _enter(request: Request[Any, Any, Any], token: str, wanted: str) -> Response[Any]:
    services = surroundings.of(request)
    try:
        principal = services.access.who(Kind.PAGE, {"authorization": f"Bearer {token}"}, "")
    except AccessError:
        return closed(request)
    now = services.clock.now()
    with services.store.read() as connection:
        key = access.find(connection, principal.key)
    ends = now + services.settings.session_lifetime
    if key is not None and key.expires_at is not None:
        ends = min(ends, key.expires_at)
    role = "admin" if principal.kind is Kind.STAFF else ""
    who = f"key {key.name or key.id}" if key is not None else f"key {principal.key}"
    secret = session.keep(services, Session(who, role, principal.client, principal.key, now, ends))
    home = f"/c/{principal.client}/" if principal.client else "/staff/"
    answer = _go(wanted if _is_ours(wanted) else home)
    own = session.framed(services, "" if role else principal.client, secret, int(ends - now))
    if own:
        answer.headers["Set-Cookie"] = own
    else:
        answer.cookies.append(session.cookie(services, secret, int(ends - now)))
    return answer


@post("/leave", sync_to_thread=True, include_in_schema=False, status_code=303)
def leave(request: Request[Any, Any, Any], data: Form) -> Response[Any]:
    """Sign out."""
    services = surroundings.of(request)
    visitor = session.identify(request)
    if visitor is not None and visitor.secret:
        session.check_form(request, visitor, data.get("csrf", ""))
        with services.store.write() as connection:
            sessions.close(connection, visitor.secret)
    return _go("/staff/", session.cookie(services, "", 0))


@get("/staff/sign-in", sync_to_thread=True, include_in_schema=False, status_code=303)
def sign_in(request: Request[Any, Any, Any], next: FromQuery[str] = "") -> Response[Any]:  # noqa: A002
    """Send the browser to the identity provider."""
    services = surroundings.of(request)
    wanted = next if _is_ours(next) else "/staff/"
    address, attempt = _provider(request).begin(_return_address(request), wanted, services.clock.now())
    kept = urlencode({name: getattr(attempt, name) for name in Attempt.__slots__})
    return _go(address, _attempt_cookie(request, kept, 600))


@get("/staff/callback", sync_to_thread=True, include_in_schema=False, status_code=303)
def callback(request: Request[Any, Any, Any], code: FromQuery[str] = "") -> Response[Any]:
    """Back from the identity provider."""
    services = surroundings.of(request)
    attempt = _attempt(request)
    state = str(request.query_params.get("state", ""))
    now = services.clock.now()
    person = _provider(request).finish(attempt, code, state, _return_address(request), now)
    ends = now + services.settings.session_lifetime
    opened = session.sign_in(services, Session(person.name, person.role, "", "", now, ends))
    return _go(attempt.next, opened, _attempt_cookie(request, "", 0))


def _provider(request: Request[Any, Any, Any]) -> Provider:
    provider = request.app.state["provider"]
    if provider is None:
        raise NotFoundException
    assert isinstance(provider, Provider)
    return provider


def _return_address(request: Request[Any, Any, Any]) -> str:
    public = surroundings.of(request).settings.public_url.rstrip("/")
    return f"{public or str(request.base_url).rstrip('/')}/staff/callback"


def _attempt(request: Request[Any, Any, Any]) -> Attempt:
    found = {name: values[0] for name, values in parse_qs(request.cookies.get(_ATTEMPT, "")).items()}
    if set(found) != set(Attempt.__slots__):
        raise AccessError("this sign-in has run out", hint="start again")
    return Attempt(
        found["state"], found["nonce"], found["verifier"], found["next"], float(found["started_at"])
    )


def _attempt_cookie(request: Request[Any, Any, Any], value: str, seconds: int) -> Cookie:
    secure = surroundings.of(request).settings.is_secure
    return Cookie(
        _ATTEMPT, value=value, max_age=seconds, path="/staff/", httponly=True, secure=secure, samesite="lax"
    )


def _is_ours(path: str) -> bool:
    """Whether a path leads to one of our own pages: no other host, no trick with slashes."""
    return path.startswith(("/c/", "/staff/")) and "//" not in path and "\\" not in path


def _go(address: str, *cookies: Cookie) -> Response[Any]:
    return Response(
        "", status_code=303, headers={"Location": address}, cookies=list(cookies), media_type=MediaType.TEXT
    )


HANDLERS = (home, enter, enter_by_link, leave, sign_in, callback)
