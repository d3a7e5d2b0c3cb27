"""Keys, addresses and headers of channels, checked when the configuration is read, before the first page is sent."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from monitor.config.sections import Secret
from monitor.outgoing.headers import given_header


def nonempty(value: Secret) -> Secret:
    """Check a secret.

    Raises:
        ValueError: it is empty, or contains a line break or control character.
    """
    text = value.get_secret_value().strip()
    if not text:
        msg = "is empty"
        raise ValueError(msg)
    if not text.isprintable():
        msg = "contains a line break or a control character"
        raise ValueError(msg)
    return value


def web_url(value: Secret) -> Secret:
    """Check an address.

    Raises:
        ValueError: it does not start with http:// or https:// and a host. The message does not contain the address,
            which may be the only credential.
    """
    text = nonempty(value).get_secret_value()
    try:
        parts = urlsplit(text)
        is_valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid:
        msg = "is not a web address: use https:// or http:// and a host"
        raise ValueError(msg)
    return value


def _open_url(value: str) -> str:
    return web_url(Secret(value)).get_secret_value()


def _open_url_or_none(value: str) -> str:
    return value and _open_url(value)


def _can_be_sent(value: dict[str, Secret]) -> dict[str, Secret]:
    for name, secret in value.items():
        given_header(name, secret.get_secret_value())
    return value


SecretKey = Annotated[Secret, AfterValidator(nonempty)]
"""The type of a field for a key that is not empty."""
SecretUrl = Annotated[Secret, AfterValidator(web_url)]
"""The type of a field for an address that is a credential."""
OpenUrl = Annotated[str, AfterValidator(_open_url)]
"""The type of a field for an address that is none."""
OptionalUrl = Annotated[str, AfterValidator(_open_url_or_none)]
"""The same, if another address may take its place."""
GivenHeaders = Annotated[dict[str, Secret], AfterValidator(_can_be_sent)]
"""The type of a field for additional headers of a request."""
