"""Copies SQLite's write-ahead log into the database in a thread of its own, so that no commit has to.

By default, the commit that finds 4,000 pages in the log copies them before it returns (`wal_autocheckpoint`), and every
writer waits for it: up to 0.2 seconds under load, above all after a long read, for whose sake the log had to be kept.
Copies by a thread lock no writer. Only the last few pages are copied while none may write, because the log is begun
anew once all of it is copied.
"""

import threading
import time

from monitor.errors import StoreError
from monitor.runtime.supervisor import SupervisedThread
from monitor.store import sqlite
from monitor.store.db import Store

_LOOK_EVERY = 0.1
"""Seconds between two looks at how many transactions were committed."""
FEW_PAGES = 500
"""Pages that are copied at once; so many may be left to be copied while writers wait."""
FULL_LOG = 4000
"""Pages from which on the log is begun anew. Many commits change the same page, which is then copied once."""
_SHORT = 0.02
"""Seconds of a copy, if the disk is not busy."""
_ROUNDS = 10
_PART = "database", "copies of the write-ahead log"
_PAGES_OF_COMMIT = (5.0, 200.0)
"""How many pages a transaction adds to the log: at least, which is also the first guess, and at most."""


class Checkpoints:
    """Checkpoints of an SQLite file, as often as it is written. Has no effect on other databases."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._stopping = threading.Event()
        self._thread = SupervisedThread("checkpoints", self._run, self._stopping, store.faults)
        self._commits, self._pages, self._of_commit = store.commits, 0, _PAGES_OF_COMMIT[0]

    def start(self) -> None:
        """Start the thread. From now on, commits of this process copy nothing."""
        if self._store.path is not None:
            sqlite.leave_checkpoints(self._store.engine)
            self._thread.start()

    def stop(self) -> None:
        """Stop the thread. What is left is copied when the last connection is closed."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(_LOOK_EVERY):
            if not self._few_new_since(self._commits):
                try:
                    self.copy()
                    self._store.faults.resolve(*_PART)
                except StoreError as error:
                    self._commits = self._store.commits
                    self._store.faults.report(*_PART, error)

    def copy(self) -> None:
        """Copy the log. If it is long, let the next writer begin it anew, unless a read needs the rest of it.

        Raises:
            StoreError: the pages could not be copied.
        """
        for _ in range(_ROUNDS):
            began, commits = time.monotonic(), self._store.commits
            pages, copied = self._store.checkpoint()
            self._learn(commits, pages)
            if copied < pages or pages < FULL_LOG:
                return
            self._store.sync()  # what was copied; SQLite would, with the last pages, while writers wait
            took = time.monotonic() - began
            if took <= _SHORT and self._few_new_since(commits):
                self._store.checkpoint(alone=True)
                return
            if self._stopping.is_set():
                return

    def _few_new_since(self, commits: int) -> bool:
        return (self._store.commits - commits) * self._of_commit < FEW_PAGES

    def _learn(self, commits: int, pages: int) -> None:
        """Learn how many pages a commit adds. A log that is shorter than before was begun anew."""
        added, count = pages - self._pages if pages >= self._pages else pages, commits - self._commits
        if count > 0:
            self._of_commit = min(max(added / count, _PAGES_OF_COMMIT[0]), _PAGES_OF_COMMIT[1])
        self._commits, self._pages = commits, pages
