"""What every way of sending has in common."""

from pathlib import Path
from typing import Protocol

SECONDS = 300.0
"""For one bundle: a narrow line takes its time."""


class TryAgainError(Exception):
    """The destination cannot take bundles now: this says nothing about the bundle itself."""


class Transport(Protocol):
    """Sends bundles to one destination, one at a time."""

    def send(self, path: Path) -> str:
        """Send a bundle; why it is refused, or an empty string.

        Raises:
            TryAgainError: it was not sent, and may be later.
            OSError: likewise.
        """
        ...

    def close(self) -> None:
        """Close the connection, if there is one."""
        ...
