"""A whole answer, as what stands in front of the application sends it."""

from dataclasses import dataclass

Headers = list[tuple[bytes, bytes]]
_JSON = (b"content-type", b"application/json")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: status, the lines of its head as they are sent, and its body. `closes` the connection after it."""

    status: int
    head: bytes
    body: bytes
    closes: bool = False


def of_json(status: int, body: bytes, *more: tuple[bytes, bytes]) -> Reply:
    """An answer in JSON, with `more` headers than it needs."""
    headers = [_JSON, (b"content-length", b"%d" % len(body)), *more]
    return Reply(status, lines(headers), body, (b"connection", b"close") in more)


def lines(headers: Headers) -> bytes:
    """Headers as they stand in an answer."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])
