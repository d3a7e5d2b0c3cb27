"""Whether the addresses of all channels can be reached, tested without sending a notification."""

import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpcore2

from monitor.config.sections import Secret
from monitor.notify.channels.email import Email
from monitor.notify.failure import AttemptError
from monitor.notify.settings import NotifySettings
from monitor.outgoing import FAILURES, CallBudget, OutgoingRoute, client, connect
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


def addresses(settings: NotifySettings) -> Iterator[tuple[str, str, OutgoingRoute]]:
    """Channel, address and route of each address that is requested over HTTP."""
    for name, urls in _URLS.items():
        if section := getattr(settings, name):
            for url in urls(section):
                yield name, url, section.route


def _shown(*secrets: Secret) -> list[str]:
    return [secret.get_secret_value() for secret in secrets]


_URLS: dict[str, Callable[[Any], Sequence[str]]] = {
    "pagerduty": lambda one: [one.events_url, *([one.api_url] if one.api_token else [])],
    "alertmanager": lambda one: one.urls,
    "jsm": lambda one: [one.url],
    "servicenow": lambda one: [one.url],
    "slack": lambda one: _shown(one.webhook_url, *one.clients.values()),
    "teams": lambda one: _shown(one.webhook_url, *one.clients.values()),
    "webhook": lambda one: _shown(one.url),
    "datadog": lambda one: [one.address],
    "newrelic": lambda one: [one.address],
    "dead_man": lambda one: _shown(one.url),
}
"""The addresses of each section under `notify` that uses HTTP."""


def host_of(url: str) -> str:
    """The host of an address, for messages."""
    try:
        return visible(urlsplit(url).hostname or "")
    except ValueError:
        return "an invalid address"


def problem_of(url: str, route: str | OutgoingRoute = "") -> str:
    """Why an address cannot be reached, or its certificate is rejected; empty if neither. No request is sent, unless
    there is a proxy: it is asked for a connection to the host, and for HTTP (without TLS) to forward a HEAD request.

    `route` is a route, or a file of certificates to trust instead of the system's.
    """
    way = OutgoingRoute(route) if isinstance(route, str) else route
    try:
        parts = urlsplit(url)
        if way.proxy_for(parts.scheme, parts.hostname or ""):
            with client(SECONDS, way) as http:
                http.head(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/")
            return ""
        is_secure = parts.scheme == "https"
        stream = connect(parts.hostname or "", parts.port or (443 if is_secure else 80), CallBudget(SECONDS))
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
