"""Whether the addresses of all channels can be reached, tested without sending a notification."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpcore2

from monitor.notify.channels.email import Email
from monitor.notify.failure import AttemptError
from monitor.notify.settings import NotifySettings
from monitor.outgoing import Budget, connect
from monitor.visible import visible

SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Reachability:
    """One tested address; `problem` is the reason why it cannot be reached, or empty."""

    what: str
    problem: str = ""


def check_reachability(settings: NotifySettings) -> Iterator[Reachability]:
    """Connect to every address of every channel, and verify TLS as the channel does."""
    for name, url, ca_file in _addresses(settings):
        yield Reachability(f"{name} at {_host(url)}", problem_of(url, ca_file))
    if settings.email:
        what = f"email at {settings.email.host}:{settings.email.port}"
        try:
            Email(settings.email).greet()
            yield Reachability(what)
        except AttemptError as error:
            yield Reachability(what, error.message)


def _addresses(settings: NotifySettings) -> Iterator[tuple[str, str, str]]:
    """Channel, address and CA file."""
    if pager := settings.pagerduty:
        yield "pagerduty", pager.events_url, pager.ca_file
        if pager.api_token:
            yield "pagerduty", pager.api_url, pager.ca_file
    if slack := settings.slack:
        for secret in (slack.webhook_url, *slack.clients.values()):
            yield "slack", secret.get_secret_value(), slack.ca_file
    if hook := settings.webhook:
        yield "webhook", hook.url.get_secret_value(), hook.ca_file
    if manager := settings.alertmanager:
        for url in manager.urls:
            yield "alertmanager", url, manager.ca_file
    if dead_man := settings.dead_man:
        yield "dead_man", dead_man.url.get_secret_value(), dead_man.ca_file


def _host(url: str) -> str:
    try:
        return visible(urlsplit(url).hostname or "")
    except ValueError:
        return "an invalid address"


def problem_of(url: str, ca_file: str) -> str:
    """Why an address cannot be reached, or its certificate is rejected; empty if neither. No request is sent."""
    try:
        parts = urlsplit(url)
        is_secure = parts.scheme == "https"
        stream = connect(parts.hostname or "", parts.port or (443 if is_secure else 80), Budget(SECONDS))
        try:
            if is_secure:
                context = ssl.create_default_context(cafile=ca_file or None)
                stream = stream.start_tls(context, parts.hostname)
        finally:
            stream.close()
    except (httpcore2.NetworkError, httpcore2.TimeoutException, OSError, ValueError) as error:
        cause = error.__cause__ or error.__context__
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is rejected: {cause.verify_message}"
        return visible(str(error))
    return ""
