"""What clients registered about their prompts, read again after some seconds, and what the configuration says."""

from collections.abc import Callable, Mapping
from typing import Any

from monitor.predictions.texts import lazy_signals
from monitor.predictions.texts.answer_settings import NOTHING, AnswerSettings
from monitor.records import Stream
from monitor.store import registered_texts
from monitor.store.db import Store
from monitor.store.registered_texts import RegisteredTexts

LASTS = 10.0
"""Seconds after which it is read again. What is registered now is looked for at the latest then."""


class RegisteredByStream:
    """The registered texts of each stream. Called by one thread at a time."""

    def __init__(
        self,
        store: Store,
        elapsed: Callable[[], float],
        settings: Mapping[tuple[str, str], AnswerSettings] | None = None,
    ) -> None:
        self._store, self._elapsed, self._settings = store, elapsed, settings or {}
        self._read_at = float("-inf")
        self._texts = RegisteredTexts()
        self._by_stream: dict[tuple[str, str], Any] = {}

    def __call__(self, stream: Stream) -> Any:
        """The `Registered` of a stream. While the store cannot be read, what it was before."""
        now = self._elapsed()
        if not 0 <= now - self._read_at < LASTS:
            self._read_at = now
            with self._store.read() as connection:
                self._texts, self._by_stream = registered_texts.load(connection), {}
        key = stream.client, stream.model
        if key not in self._by_stream:
            configured = self._settings.get(key, NOTHING)
            self._by_stream[key] = lazy_signals.calls().Registered(
                self._texts.shingles_of(*key),
                self._texts.canaries_of(*key),
                configured.prices,
                configured.contacts,
            )
        return self._by_stream[key]
