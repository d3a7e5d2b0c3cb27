"""What a database holds beside its audit log, and how many entries that has: to see whether a change left an entry."""

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path


def state(path: Path) -> tuple[str, int]:
    """A hash of all rows but those of the audit log, and the number of those."""
    with closing(sqlite3.connect(path)) as connection:
        lines = [line for line in connection.iterdump() if "TRIGGER" not in line]
    entries = sum(line.startswith('INSERT INTO "audit"') for line in lines)
    rows = "\n".join(line for line in lines if not line.startswith('INSERT INTO "audit"'))
    return hashlib.sha256(rows.encode(errors="replace")).hexdigest(), entries
