"""A connection of RabbitMQ's client in a thread of its own.

So heartbeats are answered while the source's thread stores, and every call has one deadline.
"""

import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from monitor.sources.source import SourceError

T = TypeVar("T")
log = logging.getLogger(__name__)

_CLOSE_SECONDS = 5.0
_TURN = 1.0
"""Seconds after which the thread looks whether it is to end, where nothing happens."""


class AmqpConnection:
    """The client must be used by one thread only: what others want from it, they have this thread do.

    `connect` returns a blocking connection. `failure` makes the error that callers see. `on_failure` is called once, in
    this thread, when the connection has failed.
    """

    def __init__(
        self,
        connect: Callable[[], Any],
        failure: Callable[[object], SourceError],
        on_failure: Callable[[], object],
    ) -> None:
        self.problem = ""
        """Why the connection cannot be used any more."""
        self._connect, self._failure, self._on_failure = connect, failure, on_failure
        self._jobs: queue.SimpleQueue[tuple[Callable[[Any], Any], Future[Any]]] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._connection: Any = None
        self._opening: Future[None] = Future()
        self._thread = threading.Thread(target=self._work, name="amqp", daemon=True)

    def open(self, seconds: float) -> None:
        """Connect.

        Raises:
            SourceError: it failed, or took too long.
        """
        self._thread.start()
        self._result(self._opening, seconds)

    def call(self, work: Callable[[Any], T], seconds: float) -> T:
        """The result of `work`, which gets the channel.

        Raises:
            SourceError: it failed, or took too long. The connection is to be closed.
        """
        future: Future[T] = Future()
        self._jobs.put((work, future))
        if self.problem:
            raise self._failure(self.problem)
        self._wake()
        return self._result(future, seconds)

    def fail(self, problem: str) -> None:
        """Note that the connection cannot be used any more."""
        self.problem = self.problem or problem
        self._on_failure()

    def close(self) -> None:
        """Disconnect, and wait for the thread; never raises."""
        self._stopping.set()
        self._wake()
        if self._thread.ident is not None:
            self._thread.join(_CLOSE_SECONDS)

    def _result(self, future: "Future[T]", seconds: float) -> T:
        try:
            return future.result(seconds)
        except TimeoutError as error:
            raise self._failure("no answer in time") from error
        except Exception as error:  # the border: whatever the client raised in its thread
            raise self._failure(error) from error

    def _wake(self) -> None:
        try:
            if self._connection is not None:
                self._connection.add_callback_threadsafe(lambda: None)
        except Exception as error:  # it is closed: the thread sees that by itself
            log.debug("AMQP: %s", error)

    def _work(self) -> None:
        """The thread: connect, then serve the connection and do what is asked, until one of them fails."""
        try:
            self._connection = self._connect()
            channel = self._connection.channel()
            self._opening.set_result(None)
            while not self._stopping.is_set():
                self._connection.process_data_events(_TURN)
                while not self._jobs.empty():
                    self._do(channel, *self._jobs.get())
        except Exception as error:  # the border: the caller's thread raises it
            self.problem = self.problem or words_of(error)
            if not self._opening.done():
                self._opening.set_exception(error)
        self.problem = self.problem or "the connection is closed"
        while not self._jobs.empty():
            self._jobs.get()[1].set_exception(self._failure(self.problem))
        self._on_failure()
        try:
            if self._connection is not None and self._connection.is_open:
                self._connection.close()
        except Exception as error:  # it broke meanwhile
            log.debug("AMQP: %s", error)

    def _do(self, channel: Any, work: Callable[[Any], Any], future: "Future[Any]") -> None:
        try:
            future.set_result(work(channel))
        except Exception as error:  # the border: the caller's thread raises it
            future.set_exception(error)


def words_of(error: object) -> str:
    """What the client's error says; it hides causes in errors without a text."""
    while isinstance(error, Exception):
        inner = getattr(error, "exception", None) or (error.args[0] if len(error.args) == 1 else None)
        if not isinstance(inner, Exception):
            break
        error = inner
    if isinstance(error, Exception) and len(error.args) == 2 and isinstance(error.args[0], int):
        return f"{error.args[1]} ({error.args[0]})"
    return str(error) or type(error).__name__
