"""The store that a command uses. What a command reads or changes is in the audit log, with the user who called it."""

import os
import platform
import pwd
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, inspect
from sqlalchemy.exc import SQLAlchemyError

from monitor.cli import daemon_client
from monitor.cli.output import say
from monitor.config.root import Config
from monitor.errors import StoreError
from monitor.runtime.faults import one_line
from monitor.store import audit
from monitor.store.audit import AuditEntry
from monitor.store.db import Store
from monitor.store.migrate import ensure_known, is_current, migrate

try:
    from typer._click.globals import get_current_context as _current
except ImportError:  # earlier versions of typer use click itself
    from click import get_current_context as _current  # type: ignore[no-redef]

_HINT = (
    "start the daemon with this configuration first. A relative path is relative to the folder of the file"
)
_UPGRADE = "start the daemon of this version: it upgrades the database. Make a backup before"
_READING_WAITS = 2.0
"""Seconds that a command which reads waits for other writers."""
_NAMING = ("client", "model", "stream", "identity", "kind")
"""Options and arguments whose values are part of an entry: names only, never values of records."""


class AuditedStore(Store):
    """A store whose first change adds an entry to the audit log in the same transaction: no entry, no change.

    Before it, a running daemon is asked whether the key of whoever calls may do it, if there is one.
    """

    def __init__(self, settings: Config) -> None:
        super().__init__(settings.store.url, key=settings.store.key.get_secret_value())
        self._settings = settings
        self.is_noted = False

    @contextmanager
    def write(self, patience: float | None = None) -> Iterator[Connection]:
        """As the parent's."""
        if not self.is_noted:
            daemon_client.ask_permission(self._settings, entry("change"))
            if not is_current(self):
                raise StoreError(
                    "the database is of an earlier version, and cannot be changed", hint=_UPGRADE
                )
        with super().write(patience) as connection:
            if not self.is_noted:
                audit.add(connection, [entry("change")])
            yield connection
        self.is_noted = True


def opened(settings: Config) -> Store:
    """The existing store of a configuration. That it is read is noted in the audit log, if that can be written.

    Raises:
        StoreError: there is none, and reading must not create one; or a newer version has written it.
        AccessError: the daemon runs, and does not let the key of whoever calls read it.
    """
    daemon_client.ask_permission(settings, entry("read"))
    store = AuditedStore(settings)
    if store.path is not None and not store.path.exists():
        raise StoreError(f"no store at {store.path}", hint=_HINT)
    with store.read() as connection:
        if not inspect(connection).has_table("alembic_version"):
            raise StoreError(f"the database {store.url.database} is empty", hint=_HINT)
    ensure_known(store)
    if not is_current(store):
        say(f"the database is of an earlier version: {_UPGRADE}")
    _note_reading(store)
    return store


def made(settings: Config) -> Store:
    """The store of a configuration, created or migrated if necessary."""
    store = AuditedStore(settings)
    store.is_noted = True  # the log itself may have to be created
    migrate(store)
    store.is_noted = False
    return store


def entry(action: str) -> AuditEntry:
    """The entry of the command that runs now: its words, and the client that it names."""
    context = _current(silent=True)
    if context is None:
        return AuditEntry(time.time(), user(), platform.node(), action, "", "watchkeeper", 0)
    named = {name: str(context.params[name]) for name in _NAMING if context.params.get(name)}
    subject = named.get("model") or named.get("stream", "")
    client = named.get("client") or subject.partition("/")[0]
    words = " ".join(["watchkeeper", *_words(context), *named.values()])
    return AuditEntry(time.time(), user(), platform.node(), action, client, words, 0)


def _words(context: Any) -> list[str]:
    """The words of a command: `key`, `create`."""
    return [] if context.parent is None else [*_words(context.parent), context.info_name or ""]


def user() -> str:
    """Who runs this process: the name of the system's user."""
    number = os.getuid()
    try:
        return f"user {pwd.getpwuid(number).pw_name}"
    except KeyError:
        return f"user {number}"


def _note_reading(store: Store) -> None:
    """Reading goes on without an entry: of a database of an older version, on a full disk, or of a copy."""
    try:
        if is_current(store):
            with Store.write(store, patience=_READING_WAITS) as connection:
                audit.add(connection, [entry("read")])
    except (StoreError, SQLAlchemyError) as error:
        say(f"not in the audit log: {one_line(error)}")
