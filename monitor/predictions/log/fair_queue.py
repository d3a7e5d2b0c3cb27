"""Requests that wait for the writer. Senders take turns, so that each waits for its own requests only.

A sender that is alone has every commit to itself. Beside others it has a share of each: small requests of all senders
go into one commit, and a large request into one of its own, so that nobody waits for more than one of them.
"""

from collections import deque
from collections.abc import Callable, Sequence

from monitor.errors import BusyError
from monitor.predictions.intake.parse import ParsedRequest
from monitor.predictions.intake.requests import Answer, Entry, RawRequest

COMMIT_BYTES = 2_000_000
"""Approximate maximum size of a commit: whoever comes next must not wait long."""
SHARE_BYTES = 262_144
"""Bytes of one sender in a commit while others send too: some milliseconds of the writer's time."""
_BESIDE_SECONDS = 5.0
"""How long after its last request a sender counts as sending."""
_MOST_SENDERS = 1000
_LONGEST_WAIT = 4.0
"""Seconds that a sender is asked to wait. A longer time would mean that the daemon is unavailable (503)."""
_BURST_SECONDS = 10.0
"""How many seconds of its rate a sender may send at once."""


class FairQueue:
    """The requests by sender. `limit` is the bytes that may wait or be stored, `rate` bytes a second of each sender (0:
    any). `elapsed` is a clock that never goes back, in seconds. Not safe for threads: its user has a lock.
    """

    def __init__(self, limit: int, rate: int, elapsed: Callable[[], float]) -> None:
        self._limit, self._rate, self._elapsed = limit, rate, elapsed
        self._waiting: dict[str, deque[Entry]] = {}
        self._bytes: dict[str, int] = {}
        self._last: dict[str, float] = {}
        self._credit: dict[str, tuple[float, float]] = {}
        self._is_large_due = False
        self.bytes = 0
        """Of all requests that wait or are being stored."""
        self.is_shared = False
        """Whether the requests of the next commit were chosen beside other senders."""
        self._passed: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        """Whether a request waits."""
        return bool(self._waiting)

    def put(self, request: RawRequest | ParsedRequest, answer: Answer) -> BusyError | None:
        """Have a request wait; or the reason why it cannot."""
        return self.put_all(((request, answer),))

    def put_all(self, entries: Sequence[Entry]) -> BusyError | None:
        """Have the slices of one request wait, all or none; or the reason why they cannot."""
        first = entries[0][0]
        sender = first.sender
        size = first.size if len(entries) == 1 else sum([request.size for request, _ in entries])
        own = self._bytes.get(sender, 0)
        # With n senders, each may have 1/(n + 1) wait, so there is always room for one more; and a small request of
        # one that has none is always taken.
        share = self._limit / (len(self._bytes) + (not own) + 1)
        is_full = self.bytes + size > self._limit and self.bytes > 0
        if own + size > share if own else is_full and size > SHARE_BYTES:
            hint = "retry in a few seconds"
            return BusyError("too many requests are waiting for the database", retry_after=1, hint=hint)
        if self._rate and (wait := self._wait(sender, size)):
            hint = "send less; predictions.client_rate is the limit"
            return BusyError(
                "you are sending more than your limit", retry_after=min(wait, _LONGEST_WAIT), hint=hint
            )
        self.bytes += size
        self._bytes[sender] = own + size
        waiting = self._waiting.get(sender)
        if waiting is None:
            self._waiting[sender] = deque(entries)
            self._last[sender] = self._elapsed()
            if len(self._last) > _MOST_SENDERS:
                self._is_beside()
        else:
            waiting.extend(entries)
        return None

    def take(self) -> list[Entry]:
        """The requests of the next commit."""
        self.is_shared = len(self._waiting) > 1 or self._is_beside()
        if not self._waiting:
            return []
        if not self.is_shared:
            return self._taken(next(iter(self._waiting)), COMMIT_BYTES)
        small = [] if self._is_large_due else self._small()
        self._is_large_due = False
        if small:
            # Whoever has a large request at the front waits for this commit, and then has one.
            self._is_large_due = any(queue[0][0].size > SHARE_BYTES for queue in self._waiting.values())
            return small
        for sender, queue in list(self._waiting.items()):
            if queue[0][0].size > SHARE_BYTES:
                self._waiting[sender] = self._waiting.pop(sender)  # the last of the next turn
                return self._taken(sender, 1)
        return self._small()

    def put_back(self, entries: Sequence[Entry], taken: Sequence[Entry]) -> None:
        """Have some of the requests that were taken wait again, in their order, before others of their senders.

        A sender of whom no request was stored comes first the next time.
        """
        for entry in reversed(entries):
            self._waiting.setdefault(entry[0].sender, deque()).appendleft(entry)
        served = {request.sender for request, _ in taken[: len(taken) - len(entries)]}
        self._passed = frozenset(request.sender for request, _ in entries) - served

    def done(self, entries: list[Entry]) -> None:
        """Requests were stored or answered."""
        for request, _ in entries:
            size = request.size
            self.bytes -= size
            left = self._bytes.get(request.sender, 0) - size
            if left > 0:
                self._bytes[request.sender] = left
            else:
                self._bytes.pop(request.sender, None)

    def _small(self) -> list[Entry]:
        taken: list[Entry] = []
        share = max(SHARE_BYTES // 8, min(SHARE_BYTES, COMMIT_BYTES // max(1, len(self._waiting))))
        passed, self._passed = self._passed, frozenset()
        # Whoever has little comes first: the others may have to wait for the next commit.
        order = sorted(self._waiting, key=lambda sender: (sender not in passed, self._bytes.get(sender, 0)))
        for sender in order:
            if self._waiting[sender][0][0].size <= SHARE_BYTES:
                taken += self._taken(sender, share)
        return taken

    def _taken(self, sender: str, most: int) -> list[Entry]:
        """The oldest requests of a sender: at least one, and then as many as fit into `most` bytes."""
        queue, size = self._waiting[sender], 0
        taken: list[Entry] = []
        while queue and (not taken or size + queue[0][0].size <= most):
            taken.append(queue.popleft())
            size += taken[-1][0].size
        if not queue:
            del self._waiting[sender]
        return taken

    def _is_beside(self) -> bool:
        """Whether more than one sender has sent something lately."""
        if len(self._last) > 1:
            since = self._elapsed() - _BESIDE_SECONDS
            for sender, at in list(self._last.items()):
                if at < since and sender not in self._waiting:
                    del self._last[sender]
        return len(self._last) > 1

    def _wait(self, sender: str, size: int) -> float:
        """Seconds until a sender may send so many bytes; 0 takes them from what it may."""
        now, most = self._elapsed(), self._rate * _BURST_SECONDS
        left, at = self._credit.pop(sender, (most, now))
        left = min(most, left + (now - at) * self._rate)
        is_accepted = left >= min(size, most)
        self._credit[sender] = (left - size if is_accepted else left, now)
        while len(self._credit) > _MOST_SENDERS:
            del self._credit[next(iter(self._credit))]
        return 0.0 if is_accepted else max(0.1, (min(size, most) - left) / self._rate)
