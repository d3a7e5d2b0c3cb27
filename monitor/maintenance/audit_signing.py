"""Signs the audit log every hour, and appends the checkpoints to a file outside the database."""

import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from monitor.runtime.durable_files import line_end_missing
from monitor.runtime.file_modes import PRIVATE_FILE, PRIVATE_FOLDER
from monitor.store import audit_checkpoints
from monitor.store.audit import Checkpoint
from monitor.store.audit_checkpoints import Signer
from monitor.store.db import Store
from monitor.store.settings import AuditSettings

log = logging.getLogger(__name__)


def signer_of(settings: AuditSettings) -> Signer:
    """What signs with the key of the configuration."""
    return Signer(settings.key.get_secret_value())


class AuditSigning:
    """Makes checkpoints. Lines that cannot be written to the file wait in memory."""

    def __init__(self, store: Store, settings: AuditSettings) -> None:
        self._store = store
        self._signer = signer_of(settings)
        self._path = Path(settings.checkpoints) if settings.checkpoints else None
        self._waiting: list[str] = []

    def sign(self, now: float) -> int:
        """Store a checkpoint of each chain that has grown; the number of checkpoints.

        Raises:
            StoreError: the database cannot be written.
        """
        with self._store.write() as connection:
            made = audit_checkpoints.make(connection, self._signer, now)
        if self._path is not None:
            self._waiting += map(audit_checkpoints.line, made)
            with self._store.faults.isolate("audit", str(self._path), lasts=7200.0):
                append(self._path, self._waiting)
                self._waiting.clear()
        return len(made)


def append(path: Path, lines: Iterable[str]) -> None:
    """Append lines to a file, and make them durable.

    Raises:
        OSError: they cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, PRIVATE_FILE)
    try:
        content = line_end_missing(path) + "".join(f"{line}\n" for line in lines).encode()
        while content:
            content = content[os.write(file, content) :]
        os.fsync(file)
    finally:
        os.close(file)


def read(path: Path) -> Iterator[Checkpoint]:
    """The checkpoints of such a file. A line that was cut off by a crash is skipped.

    Raises:
        OSError: the file cannot be read.
    """
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        try:
            yield audit_checkpoints.read_line(line)
        except ValueError as error:
            log.warning("skipped line %d of %s: %s", number, path, error)
