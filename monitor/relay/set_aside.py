"""Requests that the daemon refuses: each a segment file with the reason beside it, kept until somebody decides.

`aside/` holds them; `again/` those that are to be sent once more.
"""

import contextlib
import time
from pathlib import Path

from monitor.relay import frames
from monitor.relay.frames import Frame
from monitor.relay.request_queue import SUFFIX
from monitor.runtime.durable_files import write_whole
from monitor.runtime.file_modes import PRIVATE_FOLDER

ASIDE, AGAIN = "aside", "again"
_REASON = ".reason"


class SetAside:
    """Those of one key, in the folder of its queue. Used by the thread that sends them."""

    def __init__(self, folder: Path) -> None:
        self._aside, self._again = folder / ASIDE, folder / AGAIN
        self.size = size_in(folder)
        """Bytes."""

    def add(self, frame: Frame, reason: str) -> Path:
        """Set a request aside; its file.

        Raises:
            OSError: it cannot be written.
        """
        self._aside.mkdir(exist_ok=True, mode=PRIVATE_FOLDER)
        start = frames.new_segment()
        content = start + frames.encoded(frames.mark_of(start), frame.request, frame.body)
        path = self._aside / f"{time.time_ns():020}{SUFFIX}"
        write_whole(path.with_suffix(_REASON), reason.encode(errors="replace"))
        write_whole(path, content)
        self.count()
        return path

    def again(self) -> list[Path]:
        """Those that are to be sent once more, oldest first."""
        return sorted(self._again.glob(f"*{SUFFIX}"))

    def read(self, path: Path) -> Frame | None:
        """One of them; None if it is damaged.

        Raises:
            OSError: it cannot be read.
        """
        return frames.read(path, frames.START, path.stat().st_size)

    def put_back(self, path: Path, reason: str) -> None:
        """One that was to be sent once more cannot be: it is set aside as it is.

        Raises:
            OSError: it cannot be moved.
        """
        self._aside.mkdir(exist_ok=True, mode=PRIVATE_FOLDER)
        write_whole((self._aside / path.name).with_suffix(_REASON), reason.encode())
        path.rename(self._aside / path.name)

    def remove(self, path: Path) -> None:
        """It was sent, or set aside again."""
        for one in (path, path.with_suffix(_REASON)):
            with contextlib.suppress(FileNotFoundError):
                one.unlink()
        self.count()

    def count(self) -> None:
        """Look how large they are: people may delete them."""
        self.size = size_in(self._aside.parent)


def in_folder(folder: Path) -> list[tuple[Path, str]]:
    """The requests that are set aside in the folder of a queue, oldest first, each with the reason."""
    listed = list[tuple[Path, str]]()
    for path in sorted((folder / ASIDE).glob(f"*{SUFFIX}")):
        reason = ""
        with contextlib.suppress(OSError):
            reason = path.with_suffix(_REASON).read_text(encoding="utf-8", errors="replace")
        listed.append((path, reason))
    return listed


def retry(folder: Path) -> int:
    """Have all that is set aside in the folder of a queue sent once more; their number.

    Raises:
        OSError: a file cannot be moved.
    """
    paths = [path for path, _ in in_folder(folder)]
    if paths:
        (folder / AGAIN).mkdir(exist_ok=True, mode=PRIVATE_FOLDER)
    for path in paths:
        path.rename(folder / AGAIN / path.name)
        with contextlib.suppress(FileNotFoundError):
            path.with_suffix(_REASON).unlink()
    return len(paths)


def size_in(folder: Path) -> int:
    """Bytes of the requests that are set aside, or are to be sent once more, in the folder of a queue."""
    total = 0
    for inner in (ASIDE, AGAIN):
        for path in (folder / inner).glob(f"*{SUFFIX}"):
            with contextlib.suppress(FileNotFoundError):
                total += path.stat().st_size
    return total
