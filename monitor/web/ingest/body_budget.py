"""The memory budget of request bodies: reserved as bytes arrive, and shared fairly among senders."""

from collections.abc import Callable

from monitor.errors import BusyError


class BodyBudget:
    """A limit of `limit` bytes for all bodies in memory.

    With n senders, each may hold 1/(n + 1) of the budget, or one body, so there is always room for one more sender. If
    the budget is exhausted nevertheless, an incomplete body of the sender with the most bytes is evicted.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._total = 0
        self._by_sender: dict[str, int] = {}
        self._receiving: dict[Reservation, None] = {}

    def reserve(self, sender: str, evict: Callable[[], None]) -> "Reservation":
        """Start an empty reservation. `evict` is called if the body must give up its memory before it is complete."""
        return Reservation(self, sender, evict)

    def grow(self, reservation: "Reservation", size: int) -> None:
        """Set the size of a reservation to `size` bytes.

        Raises:
            BusyError: its sender exceeds its share, or the budget is exhausted.
        """
        more = size - reservation.size
        if more <= 0 or reservation.is_evicted:
            return
        sender_bytes = self._by_sender.get(reservation.sender, 0) + more
        if sender_bytes > size:
            senders = len(self._by_sender) + (reservation.sender not in self._by_sender)
            if sender_bytes > self._limit / (senders + 1):
                raise _busy()
        while self._total > reservation.size and self._total + more > self._limit:
            if not self._evict_largest(reservation, sender_bytes):
                raise _busy()
        self._receiving[reservation] = None
        self._change(reservation, more)

    def settle(self, reservation: "Reservation") -> None:
        """The body is complete: it can no longer be evicted."""
        self._receiving.pop(reservation, None)

    def release(self, reservation: "Reservation") -> None:
        """Release a reservation."""
        self.settle(reservation)
        self._change(reservation, -reservation.size)

    def _evict_largest(self, requesting: "Reservation", sender_bytes: int) -> bool:
        victims = [
            reservation
            for reservation in self._receiving
            if reservation is not requesting and reservation.size
        ]
        victim = max(
            victims,
            key=lambda reservation: (self._by_sender[reservation.sender], reservation.size),
            default=None,
        )
        if victim is None or self._by_sender[victim.sender] <= sender_bytes:
            return False
        victim.is_evicted = True
        self.release(victim)
        victim.evict()
        return True

    def _change(self, reservation: "Reservation", more: int) -> None:
        reservation.size += more
        self._total += more
        sender_bytes = self._by_sender.get(reservation.sender, 0) + more
        if sender_bytes:
            self._by_sender[reservation.sender] = sender_bytes
        else:
            self._by_sender.pop(reservation.sender, None)


class Reservation:
    """The memory of one body."""

    __slots__ = ("_budget", "evict", "is_evicted", "sender", "size")

    def __init__(self, budget: BodyBudget, sender: str, evict: Callable[[], None]) -> None:
        self._budget = budget
        self.sender = sender
        self.evict = evict
        self.size = 0
        self.is_evicted = False

    def grow(self, size: int) -> None:
        """Set the size to `size` bytes.

        Raises:
            BusyError: its sender exceeds its share, or the budget is exhausted.
        """
        self._budget.grow(self, size)

    def settle(self) -> None:
        """The body is complete."""
        self._budget.settle(self)

    def release(self) -> None:
        """Release the memory."""
        self._budget.release(self)


def _busy() -> BusyError:
    return BusyError("too many large requests at once", retry_after=1, hint="retry in a few seconds")
