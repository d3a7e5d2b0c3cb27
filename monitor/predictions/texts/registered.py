"""What clients registered about their prompts, read again after some seconds."""

from collections.abc import Callable

from monitor.records import Stream
from monitor.signals.calls import Registered
from monitor.store import registered_texts
from monitor.store.db import Store
from monitor.store.registered_texts import RegisteredTexts

LASTS = 10.0
"""Seconds after which it is read again. What is registered now is looked for at the latest then."""


class RegisteredByStream:
    """The registered texts of each stream. Called by one thread at a time."""

    def __init__(self, store: Store, elapsed: Callable[[], float]) -> None:
        self._store, self._elapsed = store, elapsed
        self._read_at = float("-inf")
        self._texts = RegisteredTexts()
        self._by_stream: dict[tuple[str, str], Registered] = {}

    def __call__(self, stream: Stream) -> Registered:
        """What was registered for a stream. While the store cannot be read, what it was before."""
        now = self._elapsed()
        if not 0 <= now - self._read_at < LASTS:
            self._read_at = now
            with self._store.read() as connection:
                self._texts, self._by_stream = registered_texts.load(connection), {}
        key = stream.client, stream.model
        if key not in self._by_stream:
            self._by_stream[key] = Registered(self._texts.shingles_of(*key), self._texts.canaries_of(*key))
        return self._by_stream[key]
