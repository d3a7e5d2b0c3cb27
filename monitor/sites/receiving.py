"""Reads bundles from folders and Maildirs that the daemon watches, and files that somebody has carried."""

import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from monitor.errors import InputError, TooLargeError
from monitor.sites.bundle import LARGEST_FILE, SUFFIX
from monitor.sites.merge import Merged, merge
from monitor.sites.settings import KnownSite
from monitor.sites.transports.attachments import LARGEST_MAIL, bundles_in
from monitor.store.db import Store

log = logging.getLogger(__name__)

REFUSED = "refused"
_MOST_FILES = 100_000


@dataclass(frozen=True, slots=True)
class ReceivedFile:
    """What became of a file: merged, or refused with the reason."""

    path: Path
    merged: Merged | None
    reason: str = ""


def find(places: Iterable[Path]) -> list[Path]:
    """The bundles among some files and folders.

    Raises:
        InputError: a place does not exist.
    """
    files = list[Path]()
    for place in places:
        if place.is_dir():
            files += sorted(place.glob(f"*{SUFFIX}"))[:_MOST_FILES]
        elif place.exists():
            files.append(place)
        else:
            raise InputError(f"{place} does not exist", hint="name bundles or a folder of bundles")
    return files


def read(
    path: Path, store: Store, sites: Mapping[str, KnownSite], base_seconds: int, now: float
) -> ReceivedFile:
    """Merge one file. A file that cannot be merged is the only one that is not.

    Raises:
        StoreError: the database cannot be written.
    """
    try:
        return ReceivedFile(path, merge(store, _content(path), sites, base_seconds, now))
    except InputError as error:
        return ReceivedFile(path, None, str(error))


def read_mail(
    content: bytes, path: Path, store: Store, sites: Mapping[str, KnownSite], base_seconds: int, now: float
) -> list[ReceivedFile]:
    """Merge the bundles in a mail; one result for each, or one that says that there are none.

    Raises:
        StoreError: the database cannot be written.
    """
    imported = list[ReceivedFile]()
    for packed in bundles_in(content):
        try:
            imported.append(ReceivedFile(path, merge(store, packed, sites, base_seconds, now)))
        except InputError as error:
            imported.append(ReceivedFile(path, None, str(error)))
    return imported or [ReceivedFile(path, None, "the email has no bundle")]


def _content(path: Path, most: int = LARGEST_FILE) -> bytes:
    try:
        if not path.is_file():
            raise InputError("it is not a file")
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise InputError(f"it cannot be read: {error.strerror}") from error
    if len(content) > most:
        raise TooLargeError(f"it has more than {most:,} bytes")
    return content


class Inboxes:
    """The folders and Maildirs of the configuration. What is merged is deleted there; what is refused moves to a folder
    beside.

    A file may still be being copied: it is refused only if it has not changed between two looks.
    """

    def __init__(self, store: Store, sites: Mapping[str, KnownSite], base_seconds: int) -> None:
        self._store, self._sites, self._base = store, sites, base_seconds
        self._seen: dict[Path, tuple[int, float, bool]] = {}

    def look(self, now: float) -> list[ReceivedFile]:
        """Merge what has arrived."""
        results = list[ReceivedFile]()
        for folder in sorted({site.inbox for site in self._sites.values() if site.inbox}):
            with self._store.faults.isolate("sites", folder, lasts=600.0):
                results += self._look_at(find([Path(folder)]), now, self._bundle, Path(folder) / REFUSED)
        for folder in sorted({site.maildir for site in self._sites.values() if site.maildir}):
            with self._store.faults.isolate("sites", folder, lasts=600.0):
                results += self._look_at(_mails(Path(folder)), now, self._mail, Path(folder) / REFUSED)
        self._seen = {path: seen for path, seen in self._seen.items() if path.exists()}
        return results

    def _look_at(
        self,
        paths: Iterable[Path],
        now: float,
        read_one: Callable[[Path, float], list[ReceivedFile]],
        refused: Path,
    ) -> list[ReceivedFile]:
        results = list[ReceivedFile]()
        for path in paths:
            with self._store.faults.isolate("sites", str(path)[:300], lasts=600.0):
                results += self._take(path, now, read_one, refused)
        return results

    def _bundle(self, path: Path, now: float) -> list[ReceivedFile]:
        return [read(path, self._store, self._sites, self._base, now)]

    def _mail(self, path: Path, now: float) -> list[ReceivedFile]:
        try:
            content = _content(path, LARGEST_MAIL)
        except InputError as error:
            return [ReceivedFile(path, None, str(error))]
        return read_mail(content, path, self._store, self._sites, self._base, now)

    def _take(
        self, path: Path, now: float, read_one: Callable[[Path, float], list[ReceivedFile]], refused: Path
    ) -> list[ReceivedFile]:
        status = path.stat()
        before, is_done = self._seen.get(path), False
        same = before is not None and before[:2] == (status.st_size, status.st_mtime)
        if same and before is not None and before[2]:
            return []  # of a medium that cannot be written
        received = read_one(path, now)
        reasons = [one.reason for one in received if one.merged is None]
        if not reasons:
            is_done = True
            with suppress(OSError):
                path.unlink()
        elif same:
            is_done = True
            log.warning("a bundle was refused", extra={"file": path.name, "reason": reasons[0]})
            _set_aside(path, refused, "; ".join(reasons))
        self._seen[path] = (status.st_size, status.st_mtime, is_done)
        return received if is_done else []


def _mails(folder: Path) -> list[Path]:
    """The mails of a Maildir, new ones and those that a mail program has moved to `cur`.

    Raises:
        InputError: it is no Maildir.
    """
    if not (folder / "new").is_dir():
        raise InputError(f"{folder} is not a Maildir", hint="it has no folder `new`")
    mails = [path for name in ("new", "cur") for path in (folder / name).glob("*")]
    return sorted(mails, key=lambda path: path.name)[:_MOST_FILES]


def _set_aside(path: Path, folder: Path, reason: str) -> None:
    """Move a file to the folder of those that were refused, with the reason beside it."""
    with suppress(OSError):
        folder.mkdir(exist_ok=True)
        path.replace(folder / path.name)
        (folder / f"{path.name}.txt").write_text(f"{reason}\n", encoding="utf-8")
