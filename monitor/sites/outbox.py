"""The folder in which a site makes bundles: those that wait, those that were sent, and how far it has come.

`state.json` says how far outside of the database: a database that is behind it was restored from a backup.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from monitor.runtime.durable_files import write_whole
from monitor.runtime.file_modes import PRIVATE_FOLDER
from monitor.sites.bundle import SUFFIX

_SENT, _STATE = "sent", "state.json"


class Marker(msgspec.Struct, frozen=True):
    """The last bundle that was made."""

    epoch: str
    number: int
    seq: int


@dataclass(frozen=True, slots=True)
class Outbox:
    """A folder of bundles."""

    folder: Path

    def path(self, site: str, number: int, seq: int) -> Path:
        """The file of a bundle, before it is sent."""
        return self.folder / f"site-{site}-{number:04}-{seq:08}{SUFFIX}"

    def waiting(self) -> list[Path]:
        """The bundles that were not sent, oldest first."""
        return sorted(self.folder.glob(f"site-*{SUFFIX}")) if self.folder.is_dir() else []

    def sent(self) -> list[Path]:
        """The bundles that were sent and are kept, oldest first."""
        folder = self.folder / _SENT
        return sorted(folder.glob(f"site-*{SUFFIX}")) if folder.is_dir() else []

    def size(self) -> int:
        """Bytes of the bundles that wait."""
        return sum(path.stat().st_size for path in self.waiting())

    def write(self, path: Path, content: bytes) -> None:
        """Write a bundle so that it is there completely or not at all.

        Raises:
            OSError: the disk is full, or the folder cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
        write_whole(path, content)

    def mark_sent(self, path: Path) -> None:
        """Move a bundle to those that were sent."""
        folder = self.folder / _SENT
        folder.mkdir(exist_ok=True, mode=PRIVATE_FOLDER)
        path.replace(folder / path.name)

    def deliver(self, path: Path, folder: Path) -> Path:
        """Copy a bundle into a folder, and move it to those that were sent; the copy.

        Raises:
            OSError: the folder cannot be written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / path.name, path.read_bytes())
        self.mark_sent(path)
        return folder / path.name

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let one process at a time make bundles here; others wait."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
        with (self.folder / ".lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # ends with the file
            yield

    def delete_sent(self, before: float) -> int:
        """Delete bundles that were made before a time and sent; their number."""
        old = [path for path in self.sent() if path.stat().st_mtime < before]
        for path in old:
            with suppress(FileNotFoundError):
                path.unlink()
        return len(old)

    def again(self, path: Path) -> None:
        """Let a bundle that was sent wait again."""
        path.replace(self.folder / path.name)

    def marker(self) -> Marker | None:
        """How far the site had come; None if that is not known."""
        try:
            return msgspec.json.decode((self.folder / _STATE).read_bytes(), type=Marker)
        except (OSError, msgspec.MsgspecError, RecursionError):
            return None

    def mark(self, marker: Marker) -> None:
        """Remember how far the site has come."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
        write_whole(self.folder / _STATE, msgspec.json.encode(marker))
