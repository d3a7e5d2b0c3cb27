"""Addresses of brokers in the configuration: a scheme, a host, and no secrets, since messages show them."""

from collections.abc import Sequence
from urllib.parse import urlsplit


def checked(address: str, schemes: Sequence[str]) -> str:
    """The address as it is.

    Raises:
        ValueError: it is not one, or contains a password.
    """
    example = f"{schemes[0]}://broker-1"
    try:
        parts = urlsplit(address)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        msg = f"{address!r} is not an address: {error} (use {example})"
        raise ValueError(msg) from error
    if "@" in parts.netloc:
        msg = "an address must not contain a user or a password (use `username` and `password`)"
        raise ValueError(msg)
    if parts.query:
        msg = "an address must not have options (use the keys of this section)"
        raise ValueError(msg)
    if parts.scheme not in schemes or not has_host:
        msg = f"{address!r} is not an address (use {example}; schemes: {', '.join(schemes)})"
        raise ValueError(msg)
    return address


def some(values: tuple[str, ...]) -> tuple[str, ...]:
    """The addresses as they are.

    Raises:
        ValueError: there are none.
    """
    if not values:
        msg = "name at least one server"
        raise ValueError(msg)
    return values
