"""Records that are sent together, under one key."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # pathlib takes as long to import as half of this package
    from pathlib import Path

PATHS = {"predictions": "/v1/predictions", "outcomes": "/v1/outcomes"}


class Batch:
    """Up to some hundred lines of JSON. Sent again it has the same key and the same bytes, so it is stored once.

    `items`, `records_held` and `weight` are what it gives back to the queue when it is settled.
    """

    def __init__(
        self, kind: str, count: int, body: bytes | None, key: str = "", file: Path | None = None
    ) -> None:
        self.kind = kind
        self.count = count
        self.body = body
        self.key = key or os.urandom(16).hex()
        self.file = file
        self.items = self.records_held = self.weight = 0
        self.failures = 0
        self.taken_since = 0
        """How many other batches the daemon had taken when this one failed first."""

    def halves(self, body: bytes) -> tuple[Batch, Batch]:
        """Two batches of half the records each. Their keys follow from this one's: splitting again makes the same."""
        lines = body.split(b"\n")
        middle = len(lines) // 2
        parts = [
            Batch(self.kind, len(part), b"\n".join(part), f"{self.key}.{rank}")
            for rank, part in enumerate((lines[:middle], lines[middle:]))
        ]
        last = parts[1]
        last.items, last.records_held, last.weight = self.items, self.records_held, self.weight
        return parts[0], last
