"""Reads bundles from folders: an inbox that the daemon watches, or files that somebody has carried."""

import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from monitor.errors import InputError, TooLargeError
from monitor.sites.bundle import LARGEST_FILE, SUFFIX
from monitor.sites.merge import Merged, merge
from monitor.sites.settings import KnownSite
from monitor.store.db import Store

log = logging.getLogger(__name__)

REFUSED = "refused"
_MOST_FILES = 100_000


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file: merged, or refused with the reason."""

    path: Path
    merged: Merged | None
    reason: str = ""


def find(places: Iterable[Path]) -> list[Path]:
    """The bundles among some files and folders.

    Raises:
        InputError: a place does not exist.
    """
    found = list[Path]()
    for place in places:
        if place.is_dir():
            found += sorted(place.glob(f"*{SUFFIX}"))[:_MOST_FILES]
        elif place.exists():
            found.append(place)
        else:
            raise InputError(f"{place} does not exist", hint="name bundles or a folder of bundles")
    return found


def read(path: Path, store: Store, sites: Mapping[str, KnownSite], base_seconds: int, now: float) -> Imported:
    """Merge one file. A file that cannot be merged is the only one that is not.

    Raises:
        StoreError: the database cannot be written.
    """
    try:
        return Imported(path, merge(store, _content(path), sites, base_seconds, now))
    except InputError as error:
        return Imported(path, None, str(error))


def _content(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise InputError("it is no file")
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise InputError(f"it cannot be read: {error.strerror}") from error
    if len(content) > LARGEST_FILE:
        raise TooLargeError(f"it has more than {LARGEST_FILE:,} bytes")
    return content


class Inboxes:
    """The folders of the configuration. What is merged is deleted there; what is refused moves to a folder beside.

    A file may still be being copied: it is refused only if it has not changed between two looks.
    """

    def __init__(self, store: Store, sites: Mapping[str, KnownSite], base_seconds: int) -> None:
        self._store, self._sites, self._base = store, sites, base_seconds
        self._seen: dict[Path, tuple[int, float, bool]] = {}

    def look(self, now: float) -> list[Imported]:
        """Merge what has arrived."""
        results = list[Imported]()
        folders = sorted({site.inbox for site in self._sites.values() if site.inbox})
        for folder in folders:
            with self._store.faults.isolate("sites", folder, lasts=600.0):
                for path in find([Path(folder)]):
                    with self._store.faults.isolate("sites", str(path)[:300], lasts=600.0):
                        results += self._take(path, now)
        self._seen = {path: seen for path, seen in self._seen.items() if path.exists()}
        return results

    def _take(self, path: Path, now: float) -> list[Imported]:
        status = path.stat()
        before, is_done = self._seen.get(path), False
        same = before is not None and before[:2] == (status.st_size, status.st_mtime)
        if same and before is not None and before[2]:
            return []  # of a medium that cannot be written
        found = read(path, self._store, self._sites, self._base, now)
        if found.merged is not None:
            is_done = True
            with suppress(OSError):
                path.unlink()
        elif same:
            is_done = True
            log.warning("a bundle was refused", extra={"file": path.name, "reason": found.reason})
            _set_aside(path, found.reason)
        self._seen[path] = (status.st_size, status.st_mtime, is_done)
        return [found] if is_done else []


def _set_aside(path: Path, reason: str) -> None:
    """Move a file to the folder of those that were refused, with the reason beside it."""
    with suppress(OSError):
        folder = path.parent / REFUSED
        folder.mkdir(exist_ok=True)
        path.replace(folder / path.name)
        (folder / f"{path.name}.txt").write_text(f"{reason}\n", encoding="utf-8")
