"""A store whose writes are refused once the lease of their writer is lost."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from monitor.errors import StoreError
from monitor.runtime.faults import Faults
from monitor.store.db import Store
from monitor.store.sqlite import sync_with_others


class LeaseLostError(StoreError):
    """The writer's lease is lost: somebody else does its work."""


class FencedStore(Store):
    """Asks `is_in_force` in each transaction that writes, before anything else in it. With SQLite, commits are not
    synced one by one: see `sync_with_others`.
    """

    def __init__(
        self, url: str, is_in_force: Callable[[Connection], bool], faults: Faults | None = None, key: str = ""
    ) -> None:
        super().__init__(url, faults, key)
        self._is_in_force = is_in_force
        if self.is_sqlite:
            sync_with_others(self.engine)

    @contextmanager
    def write(self, patience: float | None = None) -> Iterator[Connection]:
        """As `Store.write`.

        Raises:
            LeaseLostError: the lease is lost, and nothing was written.
        """
        with super().write(patience) as connection:
            if not self._is_in_force(connection):
                raise LeaseLostError("the streams were divided among the workers again; nothing was written")
            yield connection
