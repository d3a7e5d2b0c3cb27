"""The path of `web.public_url`, for a daemon that a reverse proxy publishes at https://example.com/watch/.

The path is removed from requests, whether or not the proxy already removed it. It is added to redirects, cookies, and
the links of pages (`root` in the templates).
"""

import re
from contextvars import ContextVar

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

CURRENT: ContextVar[str] = ContextVar("public_path", default="")
"""The public path of the request in progress: empty, or `/watch` without a slash at its end."""
_COOKIE_PATH = re.compile(rb"(;\s*path=)/", re.IGNORECASE)


def behind(application: ASGIApp, prefix: str) -> ASGIApp:
    """Return `application` published at `prefix` (empty, or `/watch` without a slash at its end)."""
    return PublicPath(application, prefix) if prefix else application


class PublicPath:
    """An ASGI application published at a path."""

    def __init__(self, application: ASGIApp, prefix: str) -> None:
        self._application = application
        self._prefix = prefix
        self._depth = prefix.count("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Remove the public path from a request and add it to the response."""
        if scope["type"] != ScopeType.HTTP:
            await self._application(scope, receive, send)
            return
        CURRENT.set(self._prefix)

        async def send_published(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    (name, self._published(name, value)) for name, value in message["headers"]
                ]
            await send(message)

        await self._application(self._inside(scope), receive, send_published)

    def _inside(self, scope: HTTPScope) -> HTTPScope:
        """Return the request with the path that the application uses."""
        path = scope["path"]
        if path != self._prefix and not path.startswith(f"{self._prefix}/"):
            return scope
        raw = b"/" + b"/".join(scope["raw_path"].split(b"/")[self._depth + 1 :])
        return {**scope, "path": path[len(self._prefix) :] or "/", "raw_path": raw}

    def _published(self, name: bytes, value: bytes) -> bytes:
        """Return a header's value with the public path in it."""
        prefix = self._prefix.encode()
        match name.lower():
            case b"location" if value.startswith(b"/"):
                return prefix + value
            case b"set-cookie":
                return _COOKIE_PATH.sub(rb"\g<1>" + prefix + b"/", value)
        return value
