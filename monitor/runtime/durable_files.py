"""Writes files so that after a crash the old or the new content is there, and never a part."""

import os
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file beside its place, sync it, and move it there.

    Raises:
        OSError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def line_end_missing(path: Path) -> bytes:
    """What to write before the next line of a file of lines: a line end, if a full disk or a kill has left half a line,
    because what follows that would be as unreadable as it is; otherwise nothing. A file that cannot be read is whole.
    """
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            if not file.seek(0, os.SEEK_END):
                return b""
            file.seek(-1, os.SEEK_END)
            return b"" if file.read(1) == b"\n" else b"\n"
    except OSError:
        return b""
