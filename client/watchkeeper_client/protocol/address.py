"""Where the daemon is."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit

_KEY = re.compile(r"[\x21-\x7e]+")


class Address(NamedTuple):
    """The daemon's address, read."""

    secure: bool
    host: str
    port: int
    path: str
    """What stands before `/v1/...`, where a proxy puts something there."""

    @property
    def host_header(self) -> str:
        """The value of `Host`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether it is this machine."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")


NOWHERE = Address(False, "nowhere.invalid", 80, "")


def read_address(url: str) -> Address:
    """Read a URL.

    Raises:
        ValueError: it is none, with what is wrong in words.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as error:
        raise ValueError(f"the address {url!r} cannot be read: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"the address {url!r} is none: write it like https://watchkeeper.example")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("the address holds more than a host, a port and a path")
    if not re.fullmatch(r"[\x21-\x7e]*", parts.path) or not re.fullmatch(r"[\x21-\x7e]+", parts.hostname):
        raise ValueError(f"the address {url!r} holds characters that no address has")
    secure = parts.scheme == "https"
    return Address(secure, parts.hostname, port or (443 if secure else 80), parts.path.rstrip("/"))


def check_key(key: str) -> None:
    """Make sure that a key can stand in a header.

    Raises:
        ValueError: it cannot.
    """
    if key and not _KEY.fullmatch(key):
        raise ValueError("the key holds characters that no key has, such as a line's end")
