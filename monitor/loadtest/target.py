"""What is loaded: where it is, what a call is, and what is wrong with an answer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from monitor.loadtest.stage import StageLoad
from monitor.outgoing.persistent import Answer, Peer


class Watch(Protocol):
    """Measures the server beside the calls."""

    def begin(self) -> None:
        """A stage begins."""
        ...

    async def look(self) -> None:
        """Called about every second of a stage, and once when its calls have ended."""
        ...

    def end(self, accepted: list[float]) -> StageLoad:
        """What was seen since `begin`. `accepted` are the moments of the stage's accepted calls, ascending, in seconds
        of the monotonic clock.
        """
        ...


@dataclass(frozen=True, slots=True)
class Target:
    """`request(i)` is head and body of call i; `refused` says what is wrong with an answer. `server` is its name."""

    server: str
    peer: Peer
    request: Callable[[int], bytes]
    refused: Callable[[Answer], str]
    watch: Watch | None = None
    notes: tuple[str, ...] = ()


def head(
    method: str, path: str, host: str, headers: tuple[tuple[bytes, bytes], ...]
) -> Callable[[bytes], bytes]:
    """A function from a body to the whole request."""
    lines = [f"{method} {path} HTTP/1.1".encode(), b"Host: " + host.encode()]
    lines += [name + b": " + value for name, value in headers]
    start = b"\r\n".join(lines) + b"\r\nContent-Length: "
    return lambda body: b"%b%d\r\n\r\n%b" % (start, len(body), body)
