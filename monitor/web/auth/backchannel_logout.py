"""The identity provider tells that somebody signed out there: their sessions here end, and open pages go away.

OpenID Connect Back-Channel Logout 1.0. The request itself proves nothing; the token that it carries is signed.
"""

from typing import Any

from litestar import MediaType, Request, Response, post
from litestar.exceptions import NotFoundException
from litestar.params import URLEncodedBody

from monitor.errors import AccessError, InputError, WatchkeeperError
from monitor.store import advisory_locks, audit, sessions, webhook_deliveries
from monitor.store.audit import AuditEntry
from monitor.visible import counted
from monitor.web import services as web_services
from monitor.web.auth import session
from monitor.web.auth.oidc import Provider

_LARGEST = 32_768
"""Bytes of a request."""


@post(
    "/staff/backchannel-logout",
    sync_to_thread=True,
    include_in_schema=False,
    status_code=200,
    request_max_body_size=_LARGEST,
)
def backchannel_logout(
    request: Request[Any, Any, Any], data: URLEncodedBody[dict[str, str]]
) -> Response[str]:
    """End the sessions of somebody who signed out at the provider; 400 for any token that is not the provider's, or
    was sent before.
    """
    services, provider = web_services.of(request), request.app.state["provider"]
    if not isinstance(provider, Provider):
        raise NotFoundException
    now, address = services.clock.now(), session.address_of(request)
    try:
        token = provider.logout(data.get("logout_token", ""), now)
        with services.store.write() as connection:
            advisory_locks.lock(connection, session.PROVIDER)
            if not webhook_deliveries.is_new(connection, token.delivery, now):
                raise AccessError("the logout token was sent before")
            if token.session:
                webhook_deliveries.is_new(connection, token.session, now)
            ended = sessions.end_at_provider(connection, token.issuer, token.subject, token.sid)
            audit.add(connection, _entries(ended, address, now))
    except AccessError as error:
        services.access.log_refused_sign_in(address, error.message, now)
        raise InputError(error.message) from error
    except WatchkeeperError as error:
        services.access.log_refused_sign_in(address, error.message, now)
        raise
    return Response("", media_type=MediaType.TEXT)


def _entries(ended: list[str], address: str, now: float) -> list[AuditEntry]:
    """One for each person, who is told by the subject of their sessions."""
    entries = []
    for subject in dict.fromkeys(ended):
        what = f"sign out at the provider: {counted(ended.count(subject), 'session')} ended"
        entries.append(AuditEntry(now, f"person {subject}"[:256], address[:64], "change", "", what, 200))
    return entries


HANDLERS = (backchannel_logout,)
