"""Bytes of bodies that are held at once: many large requests at a time must not fill the memory."""

from monitor.errors import BusyError


class Room:
    """Room for `limit` bytes. One request is always let in, whatever its size."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0

    def take(self, size: int) -> None:
        """Hold `size` more.

        Raises:
            BusyError: others hold too much already.
        """
        if self._held and self._held + size > self._limit:
            raise BusyError(
                "too many large requests at once", retry_after=1, hint="send again a little later"
            )
        self._held += size

    def give(self, size: int) -> None:
        """Hold `size` less."""
        self._held -= size


class Held:
    """What one request holds of the room, given back whole."""

    __slots__ = ("_room", "_size")

    def __init__(self, room: Room) -> None:
        self._room = room
        self._size = 0

    def grow(self, size: int) -> None:
        """Hold `size` bytes if it was less.

        Raises:
            BusyError: others hold too much already.
        """
        if size > self._size:
            self._room.take(size - self._size)
            self._size = size

    def release(self) -> None:
        """Give everything back."""
        self._room.give(self._size)
        self._size = 0
