"""Which streams a worker judges: rendezvous hashing over the live workers.

Each stream belongs to the worker for which the hash of both is largest. If a worker leaves, only its own streams move,
to all others alike; if it comes back, the same ones return.
"""

from collections.abc import Callable, Sequence
from hashlib import blake2b

from monitor.records import DAEMON, Stream

_MOST = 100_000
"""Streams of which the owner is remembered."""
IsMine = Callable[[Stream], bool]


def owner(stream: Stream, workers: Sequence[str]) -> str:
    """The worker that judges a stream; empty without workers."""
    name = "\0".join((stream.client, stream.model, stream.environment))
    return max(workers, key=lambda worker: (_hash(f"{worker}\0{name}"), worker), default="")


def _hash(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def everything(_stream: Stream) -> bool:
    """All streams: there is one process."""
    return True


class Share:
    """The streams of one worker: none if it is not among the live ones. The daemon's own stream belongs to the process
    that `is_daemon`.
    """

    def __init__(self, workers: Sequence[str], name: str, *, is_daemon: bool = False) -> None:
        self.workers, self.name, self._is_daemon = tuple(workers), name, is_daemon
        self._known: dict[Stream, bool] = {}

    def __call__(self, stream: Stream) -> bool:
        """Whether the stream is one of them."""
        if stream == DAEMON:
            return self._is_daemon
        mine = self._known.get(stream)
        if mine is None:
            if len(self._known) >= _MOST:
                self._known.clear()  # of streams that may be gone
            mine = self._known[stream] = owner(stream, self.workers) == self.name
        return mine
