"""Bundles into a folder: a mounted share, or a medium that somebody carries."""

from pathlib import Path

from monitor.runtime.durable_files import write_whole
from monitor.sites.transports.transport import TryAgainError


class Folder:
    """Copies bundles, complete or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, path: Path) -> str:
        """Copy a bundle.

        Raises:
            TryAgainError: the folder is not there.
            OSError: it cannot be written.
        """
        if not self._folder.is_dir():
            raise TryAgainError(f"the folder {self._folder} does not exist: is it mounted?")
        write_whole(self._folder / path.name, path.read_bytes())
        return ""

    def close(self) -> None:
        """Nothing is open."""
