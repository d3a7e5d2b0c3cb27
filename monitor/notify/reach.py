"""Whether what the channels lead to can be reached: tried without telling anybody anything."""

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from monitor.notify.email import Email
from monitor.notify.failure import AttemptError
from monitor.notify.settings import NotifySettings

SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Reached:
    """One address that was tried; `problem` says why it cannot be reached, and is empty if it can."""

    what: str
    problem: str = ""


def reach(settings: NotifySettings) -> Iterator[Reached]:
    """Connect to every address of every channel, with TLS verified where the channel will want it so."""
    for name, url, ca_file in _addresses(settings):
        parts = urlsplit(url)
        yield Reached(f"{name} at {parts.hostname}", _problem(url, ca_file))
    if settings.email:
        what = f"email at {settings.email.host}:{settings.email.port}"
        try:
            Email(settings.email).greet()
            yield Reached(what)
        except AttemptError as error:
            yield Reached(what, error.message)


def _addresses(settings: NotifySettings) -> Iterator[tuple[str, str, str]]:
    """Channel, address, and the certificates that it is trusted by."""
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


def _problem(url: str, ca_file: str) -> str:
    parts = urlsplit(url)
    is_secure = parts.scheme == "https"
    try:
        address = (parts.hostname or "", parts.port or (443 if is_secure else 80))
        with socket.create_connection(address, timeout=SECONDS) as plain:
            if is_secure:
                context = ssl.create_default_context(cafile=ca_file or None)
                context.wrap_socket(plain, server_hostname=parts.hostname).close()
    except ssl.SSLCertVerificationError as error:
        return f"its certificate is refused: {error.verify_message}"
    except (OSError, ValueError) as error:
        return str(error)
    return ""
