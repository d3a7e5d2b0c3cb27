"""Whether the addresses of all channels can be reached, tested without sending a notification."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpcore2

from monitor.notify.channels.email import Email
from monitor.notify.failure import AttemptError
from monitor.notify.settings import NotifySettings
from monitor.outgoing import FAILURES, Budget, Route, client, connect
from monitor.visible import visible

SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Reachability:
    """One tested address; `problem` is the reason why it cannot be reached, or empty."""

    what: str
    problem: str = ""


def check_reachability(settings: NotifySettings) -> Iterator[Reachability]:
    """Connect to every address of every channel, and verify TLS as the channel does."""
    for name, url, route in addresses(settings):
        yield Reachability(f"{name} at {host_of(url)}", problem_of(url, route))
    if settings.email:
        what = f"email at {settings.email.host}:{settings.email.port}"
        try:
            Email(settings.email).greet()
            yield Reachability(what)
        except AttemptError as error:
            yield Reachability(what, error.message)


def addresses(settings: NotifySettings) -> Iterator[tuple[str, str, Route]]:
    """Channel, address and route of each address that is requested over HTTP."""
    if pager := settings.pagerduty:
        yield "pagerduty", pager.events_url, pager.route
        if pager.api_token:
            yield "pagerduty", pager.api_url, pager.route
    if slack := settings.slack:
        for secret in (slack.webhook_url, *slack.clients.values()):
            yield "slack", secret.get_secret_value(), slack.route
    if hook := settings.webhook:
        yield "webhook", hook.url.get_secret_value(), hook.route
    if manager := settings.alertmanager:
        for url in manager.urls:
            yield "alertmanager", url, manager.route
    if dead_man := settings.dead_man:
        yield "dead_man", dead_man.url.get_secret_value(), dead_man.route


def host_of(url: str) -> str:
    """The host of an address, for messages."""
    try:
        return visible(urlsplit(url).hostname or "")
    except ValueError:
        return "an invalid address"


def problem_of(url: str, route: str | Route = "") -> str:
    """Why an address cannot be reached, or its certificate is rejected; empty if neither. No request is sent, unless
    there is a proxy: it is asked for a connection to the host, and for HTTP (without TLS) to forward a HEAD request.

    `route` is a route, or a file of certificates to trust instead of the system's.
    """
    way = Route(route) if isinstance(route, str) else route
    try:
        parts = urlsplit(url)
        if way.proxy_for(parts.scheme, parts.hostname or ""):
            with client(SECONDS, way) as http:
                http.head(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/")
            return ""
        is_secure = parts.scheme == "https"
        stream = connect(parts.hostname or "", parts.port or (443 if is_secure else 80), Budget(SECONDS))
        try:
            if is_secure:
                stream = stream.start_tls(way.tls(), parts.hostname)
        finally:
            stream.close()
    except (*FAILURES, httpcore2.NetworkError, httpcore2.TimeoutException) as error:
        return _why(error)
    return ""


def _why(error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is rejected: {cause.verify_message}"
        cause = cause.__cause__ or cause.__context__
    return visible(str(error)) or type(error).__name__
