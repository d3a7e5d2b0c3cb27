"""The store that a command looks into."""

from sqlalchemy import inspect

from monitor.config import Config
from monitor.errors import StoreError
from monitor.store.db import Store
from monitor.store.migrate import migrate

_HINT = (
    "has the daemon run with this configuration, and from this folder? A relative path begins where you are"
)


def opened(settings: Config) -> Store:
    """The store of a configuration, which a daemon has set up.

    Raises:
        StoreError: there is none; looking into it must not make one.
    """
    store = Store(settings.store.url)
    if store.path is not None and not store.path.exists():
        raise StoreError(f"there is no store at {store.path}", hint=_HINT)
    with store.read() as connection:
        if not inspect(connection).has_table("alembic_version"):
            raise StoreError(f"the database {store.url.database} is empty", hint=_HINT)
    return store


def made(settings: Config) -> Store:
    """The store of a configuration with all of its tables; a new one where there is none."""
    store = Store(settings.store.url)
    migrate(store)
    return store
