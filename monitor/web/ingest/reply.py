"""Complete responses that are sent without the application."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from litestar.types import Send

_ENCODE = msgspec.json.Encoder().encode

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Reply:
    """A response: status, headers with lower-case names, body."""

    status: int
    headers: Headers
    body: bytes

    async def send(self, send: "Send", more: Headers) -> None:
        """Send it, with additional headers `more`."""
        headers = [*self.headers, *more]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": False})


def of_json(status: int, content: Any, *more: tuple[str, str]) -> Reply:
    """A response in JSON, with additional headers `more`."""
    body = _ENCODE(content)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    return Reply(status, [*headers, *((name.encode(), value.encode()) for name, value in more)], body)


def of_error(status: int, error: str, hint: str, *more: tuple[str, str]) -> Reply:
    """An error response; all errors have this form."""
    return of_json(status, {"error": error, "hint": hint}, *more)
