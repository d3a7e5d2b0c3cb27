"""Fits strings to their columns, so that none fails in the database for its content or length.

Incoming records are checked and rejected with a reason (`monitor.text_limits`). This is for all other strings: errors
of other programs, addresses that users typed, names that an earlier version stored. SQLite accepts strings that
PostgreSQL rejects, so that such a string would fail in production only, in the middle of a transaction.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, String

from monitor.text_limits import storable


def fitted(text: str, length: int | None = None) -> str:
    """The text as every database stores it: at most `length` characters, without NUL and lone surrogates."""
    return storable(text)[:length]


def guard(engine: Engine) -> Engine:
    """Make an engine fit all strings that it sends."""
    usual: Any = engine.dialect.colspecs.get(String, String)

    class Fitted(usual):  # type: ignore[misc]
        def bind_processor(self, dialect: Any) -> Callable[[Any], Any]:
            before, length = super().bind_processor(dialect), self.length

            def process(value: Any) -> Any:
                value = fitted(value, length) if isinstance(value, str) else value
                return value if before is None else before(value)

            return process

    engine.dialect.colspecs = {**engine.dialect.colspecs, String: Fitted}
    return engine
