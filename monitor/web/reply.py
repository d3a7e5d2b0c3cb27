"""A whole answer, as what stands in front of the application sends it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from litestar.types import HTTPScope, Receive

Headers = list[tuple[bytes, bytes]]
_JSON = (b"content-type", b"application/json")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with its headers."""

    status: int
    headers: Headers
    body: bytes


Endpoint = Callable[[HTTPScope, Receive], Awaitable[Reply | None]]
"""What answers at a hot address; None where the sender hung up and there is nobody to answer."""


def of_json(status: int, body: bytes, *more: tuple[bytes, bytes]) -> Reply:
    """An answer in JSON, with `more` headers than it needs."""
    return Reply(status, [_JSON, (b"content-length", b"%d" % len(body)), *more], body)
