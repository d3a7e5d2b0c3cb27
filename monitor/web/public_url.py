"""What `web.public_url` may be, and the path in it."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

OWN_PATHS = (
    "/api/v1",
    "/c",
    "/changes",
    "/enter",
    "/healthz",
    "/leave",
    "/metrics",
    "/readyz",
    "/runbooks",
    "/staff",
    "/static",
    "/subscribe",
    "/unsubscribe",
    "/v1",
)
"""Where the daemon's own routes begin. A public path must not overlap with them."""
_PATH = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?")


def path_of(url: str) -> str:
    """Return the path of a public URL without the slash at its end: empty, or `/watch`."""
    return urlsplit(url).path.rstrip("/")


def _checked(url: str) -> str:
    if not url:
        return url
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(
            f"{url!r} is not an address (use https://watch.example.com or https://example.com/watch/)"
        )
    if _PATH.fullmatch(parts.path) is None:
        raise ValueError(
            f"the path {parts.path!r} may have only letters, digits and - . _ ~ between single slashes"
        )
    path = path_of(url)
    for own in OWN_PATHS:
        if path and (f"{path}/".startswith(f"{own}/") or f"{own}/".startswith(f"{path}/")):
            raise ValueError(
                f"the path {parts.path!r} overlaps with the daemon's own {own} (use another path)"
            )
    return url


PublicUrl = Annotated[str, AfterValidator(_checked)]
"""The URL at which readers reach the daemon: http or https, with or without a path."""
