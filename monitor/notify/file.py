"""A file of JSON lines: one notification each, for a log shipper or a test."""

import os
from pathlib import Path

from monitor.alerts.notification import Notification, encode
from monitor.notify.channel import PAGES, Rate
from monitor.notify.failure import AttemptError, Kind
from monitor.settings import Section


class FileSettings(Section):
    """A file of JSON lines."""

    path: str
    """Where to append."""


class File:
    """Appends and syncs, so that what was told survives a crash."""

    name = "file"
    rate: Rate | None = None
    actions = PAGES

    def __init__(self, settings: FileSettings) -> None:
        self._path = Path(settings.path)

    def send(self, notification: Notification) -> str:
        """Append one line."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                file.write(encode(notification) + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise AttemptError(
                f"{self._path} cannot be written: {error.strerror}", Kind.UNREACHABLE
            ) from error
        return f"appended to {self._path}"

    def close(self) -> None:
        """Nothing to give back."""
