"""Erases what files outside the database hold of a client: reports, and notifications as JSON lines."""

import os
from pathlib import Path

import msgspec

from monitor.notify.channels.file import FileSettings
from monitor.runtime.file_modes import create_privately


def erase_files(reports: Path, notifications: FileSettings | None, client: str) -> dict[str, int]:
    """Delete all Evidently reports, which anybody can create again, and the lines about a client; how many of each.

    Raises:
        OSError: a file cannot be deleted.
    """
    erased = {"reports": 0, "notifications": 0}
    if reports.is_dir():
        for path in (*reports.glob("*.html"), *reports.glob("*.sealed"), *reports.glob("*.part")):
            path.unlink(missing_ok=True)
            erased["reports"] += 1
    if notifications is not None and Path(notifications.path).is_file():
        erased["notifications"] = _without_lines(Path(notifications.path), client)
    return {name: count for name, count in erased.items() if count}


def _without_lines(path: Path, client: str) -> int:
    needle = b'"client":' + msgspec.json.encode(client)
    lines = path.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if needle not in line]
    if len(kept) == len(lines):
        return 0
    beside = path.with_name(f"{path.name}.part")
    create_privately(beside)
    with beside.open("wb") as file:
        file.writelines(kept)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    return len(lines) - len(kept)
