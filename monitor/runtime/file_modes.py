"""Modes of files and folders: only the user who runs Watchkeeper may read what it writes."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700
_PRIVATE_MASK = 0o077
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_usual = [0o022]
"""The mask of this process before it became private."""


def write_privately() -> None:
    """From now on, new files of this process have the mode 0600 and new folders 0700."""
    before = os.umask(_PRIVATE_MASK)
    if before != _PRIVATE_MASK:
        _usual[0] = before


@contextmanager
def readable_by_others() -> Iterator[None]:
    """Files of this block have the modes that the user's shell would give them: other programs read them."""
    before = os.umask(_usual[0])
    try:
        yield
    finally:
        os.umask(before)


def make_private(path: Path) -> None:
    """Take the rights of others on an existing file or folder, if it is ours."""
    with suppress(OSError):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & _OTHERS:
            path.chmod(mode & ~_OTHERS)


def create_privately(path: Path) -> None:
    """Create an empty file with the mode 0600 where there is none; an existing one loses the rights of others."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE))
    except OSError:  # it exists, or its folder does not: whoever opens it says so
        make_private(path)
