"""Some changes need a sign-in of the last minutes: whoever finds a browser signed in, or takes its cookie, makes none.

They are those that give access or take it from others, and those that decide what a client's models do. Keys that are
sent with each request prove who sends them each time.
"""

from typing import Any

from litestar import Request, Response
from litestar.exceptions import PermissionDeniedException

from monitor.store.sessions import CLOCK_SKEW
from monitor.web import services as web_services
from monitor.web.auth.session import FIRST, Visitor
from monitor.web.pages import rendering


class OldSignIn(PermissionDeniedException):
    """The visitor signed in too long ago; `next_page` is where they come back to."""

    def __init__(self, visitor: Visitor, next_page: str, seconds: float) -> None:
        super().__init__(f"sign in again: this needs a sign-in of the last {in_minutes(seconds)}")
        self.visitor, self.next_page, self.seconds = visitor, next_page, seconds


def is_recent(request: Request[Any, Any, Any], visitor: Visitor) -> bool:
    """Whether the visitor proved within `web.recent_sign_in` who they are.

    The session of the start's link counts: the link works once, and its only use is to make the first key.
    """
    if not visitor.secret or visitor.principal == ("", FIRST):
        return True
    services = web_services.of(request)
    age = services.clock.now() - visitor.authenticated_at
    return -CLOCK_SKEW <= age < services.settings.recent_sign_in


def check(request: Request[Any, Any, Any], visitor: Visitor, next_page: str) -> None:
    """Let nobody pass whose sign-in is not recent. `next_page` is a path of ours, without the public path.

    Raises:
        OldSignIn: it is not.
    """
    if not is_recent(request, visitor):
        raise OldSignIn(visitor, next_page, web_services.of(request).settings.recent_sign_in)


def page(error: OldSignIn) -> Response[str]:
    """The page that says so, with the way to sign in and to come back."""
    again = again_of(error.visitor, error.next_page, error.seconds)
    return rendering.page("sign_in_again.html", status=403, again=again)


def asked_again(
    request: Request[Any, Any, Any], visitor: Visitor, next_page: str
) -> dict[str, object] | None:
    """What the part `again` of a page needs in place of a form; None where the visitor may send the form."""
    if is_recent(request, visitor):
        return None
    return again_of(visitor, next_page, web_services.of(request).settings.recent_sign_in)


def again_of(visitor: Visitor, next_page: str, seconds: float) -> dict[str, object]:
    """How a visitor signs in again: at the provider, or with their key."""
    return {"is_person": bool(visitor.principal[0]), "next": next_page, "minutes": in_minutes(seconds)}


def in_minutes(seconds: float) -> str:
    """A time in whole minutes, in words."""
    minutes = max(round(seconds / 60), 1)
    return "minute" if minutes == 1 else f"{minutes} minutes"
