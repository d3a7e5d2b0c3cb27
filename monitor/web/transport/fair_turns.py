"""Who may have the event loop do something in the turn that it is in: each owner a few times, the rest later.

Without it, whoever sends a thousand requests at once has everybody else's wait until the loop has begun all of them.
What waits is done in the next turns, one of each owner after the other, each owner's in its order.
"""

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Callable
from functools import partial

log = logging.getLogger(__name__)

OF_EACH, OF_ALL = 4, 64
"""Times in a turn: of one owner beside others, and of all together."""
_BESIDE_SECONDS = 5.0
"""How long after its last time an owner counts as there."""


class Turns:
    """The shares of a loop's turns. An owner is an address, a client or a key. Used on one event loop."""

    def __init__(self, is_free: Callable[[str], bool] = lambda _owner: False, of_each: int = OF_EACH) -> None:
        """Owners that are free never wait, nor does "". Beside others, an owner has a turn `of_each` times."""
        self._is_free, self._each = is_free, of_each
        self._taken: Counter[str] = Counter()
        self._total = 0
        self._waiting: dict[str, deque[Callable[[], object]]] = {}
        self._is_scheduled = False
        self._latest, self._shared_until = "", float("-inf")

    def take(self, owner: str) -> bool:
        """Whether an owner may go on in this turn, which counts. If not, it has to `wait`."""
        if not owner or self._is_free(owner):
            return True
        taken = self._taken[owner]
        if taken >= self._most(owner) or self._total >= OF_ALL or owner in self._waiting:
            return False
        self._taken[owner] = taken + 1
        self._total += 1
        self._schedule()
        return True

    def wait(self, owner: str, call: Callable[[], object]) -> None:
        """Call something in a later turn."""
        self._waiting.setdefault(owner, deque()).append(call)
        self._schedule()

    async def of(self, owner: str) -> None:
        """Go on in this turn, or in a later one of the owner."""
        if not self.take(owner):
            await self.later(owner)

    async def later(self, owner: str) -> None:
        """Go on in a later turn of an owner who may not `take` this one."""
        begins: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.wait(owner, partial(_begin, begins))
        await begins

    def _most(self, owner: str) -> int:
        now = time.monotonic()
        if owner != self._latest:
            self._shared_until = now + _BESIDE_SECONDS if self._latest else now
            self._latest = owner
        return self._each if now < self._shared_until else OF_ALL

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        """The loop's next turn begins."""
        self._is_scheduled = False
        self._taken.clear()
        due = self._due()
        self._total = len(due)
        if self._waiting:
            self._schedule()
        for call in due:
            try:
                call()
            except Exception:  # boundary: it stops none of the others
                log.exception("something that waited for its turn failed")

    def _due(self) -> list[Callable[[], object]]:
        """What is done in this turn: of each owner one after the other. Who had the last one comes last in the next."""
        due: list[Callable[[], object]] = []
        for _ in range(OF_ALL if len(self._waiting) == 1 and not self._is_shared() else self._each):
            for owner in list(self._waiting):
                if len(due) == OF_ALL:
                    return due
                calls = self._waiting.pop(owner)
                due.append(calls.popleft())
                self._taken[owner] += 1
                if calls:
                    self._waiting[owner] = calls
        return due

    def _is_shared(self) -> bool:
        return time.monotonic() < self._shared_until


def _begin(begins: "asyncio.Future[None]") -> None:
    if not begins.done():
        begins.set_result(None)
