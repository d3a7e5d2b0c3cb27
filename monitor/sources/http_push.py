"""Messages that other programs send to the daemon over HTTP, read like those of a broker.

The web server puts them into the inbox of their source, whose thread takes, stores and acknowledges them. A sender is
answered once its message is stored.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from monitor.errors import BusyError
from monitor.sources.settings import SourceSettings
from monitor.sources.source import Fetched, Lag, Payload, Positions, Source, SourceError

MOST_WAITING = 10_000
"""Messages in an inbox; the web server limits their bytes."""
_RETRY = "send the message again"

Answer = Callable[[bool], None]
"""Called once: whether the message is stored. Any thread may call it."""


class HttpSettings(SourceSettings):
    """Messages that are sent to this daemon: `POST /v1/sources/NAME`."""

    counts_all: ClassVar[bool] = False
    kind: Literal["http"] = "http"
    """Messages that are sent to this daemon over HTTP."""
    url_path: Literal["", "/modeldata/log"] = ""
    """`/modeldata/log` is where Azure ML's library sends what it collects. Empty: `/v1/sources/NAME`."""

    def path_of(self, name: str) -> str:
        """The path that takes the messages of the source `name`."""
        return self.url_path or f"/v1/sources/{name}"

    def make_source(self, name: str) -> Source:
        """A source with an inbox of its own, to which nobody sends."""
        del name
        return HttpPushSource(PushInbox())


@dataclass(frozen=True, slots=True)
class _Waiting:
    payload: Payload
    answer: Answer
    since: float


class PushInbox:
    """Messages on their way from the web server to the thread of a source. Closed until the source is opened."""

    def __init__(self) -> None:
        self._waiting: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._is_open = False

    def put(self, payload: Payload, answer: Answer) -> None:
        """Have a message stored.

        Raises:
            BusyError: the database does not work, or too many messages wait.
        """
        with self._changed:
            if not self._is_open:
                raise BusyError("messages cannot be stored now", retry_after=5, hint=_RETRY)
            if len(self._waiting) >= MOST_WAITING:
                raise BusyError("too many messages wait to be stored", retry_after=1, hint=_RETRY)
            self._waiting.append(_Waiting(payload, answer, time.monotonic()))
            self._changed.notify()

    def take(self, most: int, wait: float) -> list[_Waiting]:
        """Up to `most` messages; waits up to `wait` seconds for the first."""
        with self._changed:
            if not self._waiting:
                self._changed.wait(wait)
            return [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]

    def open(self) -> None:
        """Accept messages."""
        with self._changed:
            self._is_open = True

    def close(self) -> None:
        """Accept no more messages, and tell the senders of those that wait."""
        with self._changed:
            self._is_open = False
            rest = list(self._waiting)
            self._waiting.clear()
        for one in rest:
            one.answer(False)

    def lag(self) -> Lag:
        """The messages that wait, and the age of the oldest."""
        with self._changed:
            oldest = time.monotonic() - self._waiting[0].since if self._waiting else 0.0
            return Lag(len(self._waiting), oldest)


class HttpPushSource:
    """The source behind an inbox. A message that comes again is recognized by its key or its content."""

    is_ordered = False

    def __init__(self, inbox: PushInbox) -> None:
        self._inbox = inbox
        self._unanswered: list[_Waiting] = []

    def open(self, positions: Positions) -> None:
        """Accept messages, unless the database does not work."""
        positions()
        self._inbox.open()

    def fetch(self, most: int, wait: float) -> Fetched:
        """The messages that were sent."""
        self._unanswered = self._inbox.take(most, wait)
        return Fetched([one.payload for one in self._unanswered])

    def acknowledge(self, fetched: Fetched) -> None:
        """Answer the senders."""
        del fetched  # the messages at hand
        self._answer(is_stored=True)

    def lag(self) -> Lag:
        """What waits here."""
        return self._inbox.lag()

    def peek(self, most: int, wait: float) -> Sequence[Payload]:
        """Nothing can be fetched.

        Raises:
            SourceError: always.
        """
        del most, wait
        hint = (
            "send a message; `watchkeeper sources list` and `watchkeeper quarantine` show what became of it"
        )
        raise SourceError("messages are pushed to this source, so there are none to fetch", hint=hint)

    def close(self) -> None:
        """Accept nothing more; what is not stored has to be sent again."""
        self._answer(is_stored=False)
        self._inbox.close()

    def _answer(self, *, is_stored: bool) -> None:
        answered, self._unanswered = self._unanswered, []
        for one in answered:
            one.answer(is_stored)
