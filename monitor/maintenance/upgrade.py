"""Upgrades the database at the start of the daemon."""

from functools import partial

from monitor.childprocess import Failed
from monitor.childprocess.fork import in_fork
from monitor.errors import StoreError
from monitor.store.db import Store, opened
from monitor.store.migrate import is_current, migrate


def upgrade_in_child(store: Store) -> None:
    """Apply missing migrations in a forked process, which returns the 10 MB that they take.

    Raises:
        StoreError: the database cannot be reached, or was written by a newer version, or a migration failed.
    """
    if is_current(store):
        return
    store.close()  # a connection must not be open in two processes
    error = in_fork(partial(_error, store.url.render_as_string(hide_password=False), store.key))
    if isinstance(error, Failed):
        raise StoreError(
            f"the database could not be upgraded: {error.reason}",
            hint="nothing was changed; the reason is printed above",
        )
    if error is not None:
        raise error


def _error(url: str, key: str) -> StoreError | None:
    """Run `migrate`, and return the error that it raises."""
    store = opened(url, key)
    try:
        migrate(store)
    except StoreError as error:
        return error
    finally:
        store.close()
    return None
