"""Whether rollbacks are stopped: by a file, by a command, or on the page."""

from collections.abc import Sequence
from pathlib import Path

from monitor.clock import iso
from monitor.records import Stream
from monitor.store.rollback_stops import RollbackStop
from monitor.visible import one_line


def stopped(stream: Stream, stops: Sequence[RollbackStop], file: Path) -> str:
    """Why nothing may be rolled back, in words; empty if it may be. A file that cannot be looked for stops as well."""
    try:
        if file.exists() or file.is_symlink():
            return f"rollbacks are stopped by the file {file}"
    except OSError as error:
        return f"it is not known whether the file {file} stops rollbacks: {error.strerror}"
    for stop in stops:
        if stop.covers(stream):
            what = "rollbacks of this model are" if stop.stream else "all rollbacks are"
            comment = f": {one_line(stop.comment)}" if stop.comment else ""
            return f"{what} stopped by {one_line(stop.author)} since {iso(stop.at)}{comment}"
    return ""
