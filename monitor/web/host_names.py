"""Which host names a request for a page may name.

A web site can have its own name lead to this machine (DNS rebinding), and then reads in its visitor's browser what this
machine may read. Such a name has a dot and is registered; addresses and names of this network cannot be had that way.
"""

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from monitor.web.settings import WebSettings


def names_of(settings: WebSettings) -> frozenset[str]:
    """The configured names of the daemon, in lower case."""
    return frozenset(
        name.lower() for name in (settings.host, host_of(settings.public_url), *settings.hosts) if name
    )


def is_expected(header: str, names: Collection[str]) -> bool:
    """Whether the header Host names this daemon."""
    host = host_of(f"//{header}").rstrip(".")
    if not host:
        return not header  # HTTP/1.0 needs none
    return host in names or ("." not in host and ":" not in host) or _is_address(host)


def host_of(url: str) -> str:
    """The host of a URL without its port, in lower case; empty where it cannot be read."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return host.endswith(".localhost")
    return True
