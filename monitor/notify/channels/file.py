"""A file of JSON lines: one notification each, for a log shipper or a test."""

import contextlib
import os
import stat
from pathlib import Path

from monitor.alerts.notification import Notification, encode
from monitor.config.sections import FileName, Section
from monitor.notify.channel import ATTEMPT_SECONDS, PAGES, RateLimit
from monitor.notify.failure import AttemptError, FailureKind
from monitor.runtime.durable_files import line_end_missing
from monitor.runtime.file_modes import PRIVATE_FILE, PRIVATE_FOLDER


class FileSettings(Section):
    """A file of JSON lines."""

    path: FileName
    """Path of the file."""


class File:
    """Appends and syncs, so that sent notifications survive a crash."""

    name = "file"
    seconds = ATTEMPT_SECONDS
    rate: RateLimit | None = None
    actions = PAGES

    def __init__(self, settings: FileSettings) -> None:
        self._path = Path(settings.path)

    def send(self, notification: Notification) -> str:
        """Append one line. If it cannot be written completely, it is removed again.

        Raises:
            AttemptError: the file cannot be written.
        """
        line = encode(notification) + b"\n"
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
            # Not blocking: a pipe without a reader fails this attempt instead of blocking the thread.
            file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, PRIVATE_FILE)
            try:
                _append(file, line_end_missing(self._path) + line)
            finally:
                os.close(file)
        except (OSError, ValueError) as error:
            words = getattr(error, "strerror", None) or str(error)
            raise AttemptError(f"cannot write to {self._path}: {words}", FailureKind.UNREACHABLE) from error
        return f"appended to {self._path}"

    def close(self) -> None:
        """Nothing to close."""


def _append(file: int, line: bytes) -> None:
    is_plain = stat.S_ISREG(os.fstat(file).st_mode)
    before = os.lseek(file, 0, os.SEEK_END) if is_plain else 0
    try:
        rest = line
        while rest:
            rest = rest[os.write(file, rest) :]
        if is_plain:
            os.fsync(file)
    except OSError:
        if is_plain:
            with contextlib.suppress(OSError):
                os.ftruncate(file, before)
        raise
