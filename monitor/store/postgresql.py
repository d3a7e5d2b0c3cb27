"""Connections to PostgreSQL with a limit for every wait.

The server ends statements that take too long (`statement_timeout`, `lock_timeout`). A server that is stopped, or behind
a network that drops all packets, ends nothing, so each wait also has a limit on this side. Before that limit, a
connection that has waited for seconds checks whether the server responds at all; if not, all waiting connections fail.
"""

import threading
import time
from collections.abc import Generator
from typing import Any

from sqlalchemy import Engine, create_engine, event

from monitor.errors import StoreError

CONNECT = 5
"""Time limit for connecting, in seconds."""
PATIENCE = 60
"""Time limit for a statement on the server, in seconds."""
LOCKED = 10
"""Time limit for a lock, in seconds."""
DOUBT = 4.0
"""Seconds of waiting after which a connection checks whether the server responds at all."""
_CHECK_SECONDS, _GRACE = 3, 5.0
_LINE = {  # to notice a lost host within seconds, not after the kernel's default
    "connect_timeout": CONNECT,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
_LIMITS = f"SET statement_timeout = '{PATIENCE}s'; SET lock_timeout = '{LOCKED}s'"


def engine_of(url: str) -> Engine:
    """An engine whose connections have these limits.

    Raises:
        StoreError: the driver is not installed.
    """
    try:
        engine = create_engine(
            url, pool_pre_ping=True, pool_size=8, max_overflow=12, pool_timeout=5, connect_args=_LINE
        )
    except ModuleNotFoundError as error:
        hint = "pip install 'watchkeeper[postgresql]'"
        raise StoreError(f"PostgreSQL needs {error.name}, which is not installed", hint=hint) from error
    limited: list[Any] = []

    @event.listens_for(engine, "do_connect")
    def _connect(_dialect: Any, _record: Any, arguments: Any, parameters: Any) -> Any:
        if not limited:
            limited.append(_limited_connection({k: v for k, v in parameters.items() if k != "context"}))
        connection = limited[0].connect(*arguments, **parameters)
        connection.autocommit = True
        connection.execute(_LIMITS)
        connection.autocommit = False
        return connection

    return engine


class _ServerCheck:
    """Checks whether the server responds at all. One check runs at a time; concurrent callers get its result."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        self._parameters = {**parameters, "connect_timeout": _CHECK_SECONDS}
        self._lock = threading.Lock()
        self._checked_at = float("-inf")
        self._responds = True

    def responds(self) -> bool:
        asked_at = time.monotonic()
        with self._lock:
            if self._checked_at < asked_at - 1.0:
                self._responds = self._check()
                self._checked_at = time.monotonic()
            return self._responds

    def _check(self) -> bool:
        import psycopg  # an extra

        try:
            with psycopg.connect(**self._parameters):
                return True
        except psycopg.Error as error:
            # A server that rejects the connection for a reason ("too many clients") responds.
            return error.sqlstate is not None


def _limited_connection(parameters: dict[str, Any]) -> type[Any]:
    """A connection class with limited waits; made at the first connection, because the driver is an extra."""
    import psycopg

    class NoAnswerError(psycopg.OperationalError):
        """The server has not responded to a statement."""

    class LimitedConnection(psycopg.Connection[Any]):
        """`patience` is the limit for each statement, in seconds."""

        server = _ServerCheck(parameters)
        patience: float = PATIENCE

        def wait(self, gen: Any, *args: Any, **named: Any) -> Any:
            """As the parent's, but raises `NoAnswerError` and closes if the server does not respond in time."""
            return super().wait(self._limited(gen), *args, **named)

        def _limited(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
            began = time.monotonic()
            check_at, end = began + DOUBT, began + self.patience + _GRACE
            try:
                wanted = next(gen)
                while True:
                    ready = yield wanted
                    if not ready and (moment := time.monotonic()) > check_at:
                        if moment > end or not self.server.responds():
                            gen.close()
                            self.close()
                            waited = time.monotonic() - began
                            raise NoAnswerError(f"PostgreSQL has not answered for {waited:.0f} seconds")
                        check_at = time.monotonic() + DOUBT
                    wanted = gen.send(ready)
            except StopIteration as done:
                return done.value

    return LimitedConnection
