"""The store that a command uses."""

from sqlalchemy import inspect

from monitor.config.root import Config
from monitor.errors import StoreError
from monitor.store.db import Store
from monitor.store.migrate import migrate

_HINT = (
    "start the daemon with this configuration first. A relative path is relative to the folder of the file"
)


def opened(settings: Config) -> Store:
    """The existing store of a configuration.

    Raises:
        StoreError: there is none; reading must not create one.
    """
    store = Store(settings.store.url)
    if store.path is not None and not store.path.exists():
        raise StoreError(f"no store at {store.path}", hint=_HINT)
    with store.read() as connection:
        if not inspect(connection).has_table("alembic_version"):
            raise StoreError(f"the database {store.url.database} is empty", hint=_HINT)
    return store


def made(settings: Config) -> Store:
    """The store of a configuration, created or migrated if necessary."""
    store = Store(settings.store.url)
    migrate(store)
    return store
