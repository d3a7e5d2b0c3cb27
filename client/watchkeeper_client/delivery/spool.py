"""Batches on disk until the daemon has them: they survive the process that made them.

Each process has a folder of its own below the spool, held by a lock that its end releases, whatever that end was.
Whoever runs next takes over the folders that nobody holds. A batch is a file, renamed into place when it is whole.
"""

from __future__ import annotations

import os
import re
import time
import zlib
from contextlib import suppress
from pathlib import Path

from watchkeeper_client.delivery.batch import Batch
from watchkeeper_client.protocol.failures import SpoolError

try:
    import fcntl
except ImportError:  # pragma: no cover - not on Windows
    fcntl = None  # type: ignore[assignment]

_NAME = re.compile(r"(\d{12})-([0-9a-f]{32}(?:\.[01])*)-(\d{1,9})-([0-9a-f]{8})\.(predictions|outcomes)")
_UNBORN_FOR = 3_600.0
"""Seconds after which a folder that never got its name is taken to be abandoned."""


class Spool:
    """The batches of one process. Used by one thread at a time."""

    def __init__(self, folder: Path, limit: int) -> None:
        self._root = folder
        self._limit = limit
        self._own: Path | None = None
        self._lock: int | None = None
        self._next = 0
        self.size = 0
        """Bytes."""

    def write(self, batch: Batch) -> None:
        """Put a batch on disk, and let go of its bytes.

        Raises:
            SpoolError: it is full, or the disk is; nothing of the batch is there.
        """
        body = batch.body
        assert body is not None
        if self.size + len(body) > self._limit:
            raise SpoolError(f"the spool {self._root} has reached its limit of {self._limit:,} bytes")
        name = f"{self._next:012d}-{batch.key}-{batch.count}-{zlib.crc32(body):08x}.{batch.kind}"
        unfinished = None
        try:
            own = self._open()
            unfinished = own / "unfinished"
            unfinished.touch(0o600)
            unfinished.write_bytes(body)
            unfinished.rename(own / name)
        except OSError as error:
            if unfinished is not None:
                _remove(unfinished)
            raise SpoolError(
                f"the spool {self._root} cannot be written: {error.strerror or error}"
            ) from error
        self._next += 1
        self.size += len(body)
        batch.file, batch.body = own / name, None

    def read(self, batch: Batch) -> bytes:
        """The bytes of a batch.

        Raises:
            SpoolError: the file is gone or damaged.
        """
        assert batch.file is not None
        try:
            body = batch.file.read_bytes()
        except OSError as error:
            raise SpoolError(f"{batch.file} cannot be read: {error.strerror or error}") from error
        named = _NAME.fullmatch(batch.file.name)
        if named is None or int(named[4], 16) != zlib.crc32(body):
            raise SpoolError(f"{batch.file} is damaged")
        return body

    def remove(self, batch: Batch) -> None:
        """The batch is settled."""
        if batch.file is not None:
            self.size = max(0, self.size - _size(batch.file))
            _remove(batch.file)
            batch.file = None

    def adopt(self) -> list[Batch]:
        """The batches of processes that are no more, oldest first.

        Raises:
            SpoolError: the folder cannot be used.
        """
        try:
            own = self._open()
            batches: list[Batch] = []
            for folder in sorted(self._root.iterdir()):
                if folder != own and folder.is_dir() and (lock := _locked(folder)) is not None:
                    try:
                        batches += self._move(folder, own)
                    finally:
                        os.close(lock)
            return batches
        except OSError as error:
            raise SpoolError(f"the spool {self._root} cannot be used: {error.strerror or error}") from error

    def _move(self, folder: Path, own: Path) -> list[Batch]:
        batches = []
        for file in sorted(folder.iterdir()):
            named = _NAME.fullmatch(file.name)
            if named is None:
                continue
            here = own / f"{self._next:012d}{file.name[12:]}"
            file.rename(here)
            self._next += 1
            self.size += _size(here)
            batches.append(Batch(named[5], int(named[3]), None, named[2], here))
        for rest in ("unfinished", "lock"):
            _remove(folder / rest)
        with suppress(OSError):  # what somebody else put there is left alone
            folder.rmdir()
        return batches

    def _open(self) -> Path:
        if self._own is not None and self._own.is_dir():
            return self._own
        if fcntl is None:  # pragma: no cover
            raise OSError("this system has no file locks")
        self.forget()
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{os.getpid()}-{os.urandom(6).hex()}"
        unborn = self._root / f".{name}"
        unborn.mkdir(mode=0o700)
        self._lock = os.open(unborn / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        unborn.rename(self._root / name)
        self._own = self._root / name
        self.size = 0
        return self._own

    def forget(self) -> None:
        """Let go of the folder without touching it: in a forked child it is the parent's."""
        if self._lock is not None:
            os.close(self._lock)
        self._lock = self._own = None
        self.size = 0

    def close(self) -> None:
        """Let go of the folder; an empty one is removed."""
        own = self._own
        if own is not None and self.size == 0:
            _remove(own / "lock")
            with suppress(OSError):
                own.rmdir()
        self.forget()


def _locked(folder: Path) -> int | None:
    """The lock of a folder whose process is no more; None where it lives, or is about to."""
    try:
        if folder.name.startswith("."):  # it holds nothing before it gets its name
            if abs(time.time() - folder.stat().st_mtime) < _UNBORN_FOR:
                return None
        elif not (folder / "lock").exists():
            folder.rmdir()  # it was being taken over
            return None
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return lock
    except OSError:
        os.close(lock)
        return None


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _remove(file: Path) -> None:
    with suppress(OSError):
        file.unlink()
