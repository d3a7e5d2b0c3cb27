"""The digests of the files of a directory, or of one file: a model as it lies on disk."""

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from monitor.errors import InputError
from monitor.releases.recording.manifest import Artifact
from monitor.text_limits import shortened
from monitor.visible import visible

MOST_FILES, MOST_LISTED = 100_000, 500
"""Files of a model, and how many of them a manifest lists: of more, only their common digest."""
_LEFT_OUT = frozenset({".git", "__pycache__", ".ipynb_checkpoints"})


def artifact(path: Path) -> Artifact:
    """The digests of a model: of all its files, in any order. Links inside the directory count as what they lead to.

    Raises:
        InputError: there is no such directory, a file cannot be read, or is none (a pipe, a device).
    """
    files = {name: _digest(file) for name, file in _files(path)}
    if not files:
        raise InputError(
            f"{visible(str(path))} has no files", hint="name the directory that the model is served from"
        )
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(files.items()))
    of_all = hashlib.sha256(lines.encode()).hexdigest()
    return Artifact(of_all, files if len(files) <= MOST_LISTED else {})


def _files(path: Path) -> Iterator[tuple[str, Path]]:
    if path.is_file():
        yield _name(path.name), path
        return
    if not path.is_dir():
        raise InputError(
            f"{visible(str(path))} is neither a directory nor a file", hint="name the model's directory"
        )
    count = 0
    for folder, inner, names in os.walk(path, onerror=_unreadable):
        inner[:] = sorted(set(inner) - _LEFT_OUT)
        for name in names:
            count += 1
            if count > MOST_FILES:
                raise InputError(
                    f"{visible(str(path))} has more than {MOST_FILES:,} files", hint="is it the model's?"
                )
            file = Path(folder, name)
            yield _name(file.relative_to(path).as_posix()), file


def _name(name: str) -> str:
    """The name as text; bytes that are not UTF-8 are escaped."""
    text = visible(name.encode(errors="surrogateescape").decode(errors="backslashreplace"))
    return shortened(text, 512)


def _unreadable(error: OSError) -> None:
    raise InputError(f"cannot be read: {visible(str(error))}") from error


def _digest(path: Path) -> str:
    try:
        with open(path, "rb", opener=_regular) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot be read: {visible(str(error))}") from error


def _regular(path: str, flags: int) -> int:
    """Open a regular file only: a pipe would be read for ever."""
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    msg = f"{path} is not a regular file"
    raise OSError(msg)
