"""Delta tables: which files of a folder hold new rows, and which ones only rows that another file had before.

A table's `_delta_log` has one object for each commit, with the files that it adds and removes. OPTIMIZE, UPDATE and
DELETE write rows again into other files: such files are never read, so no row comes twice. Files of a folder with a log
that no commit mentions are not part of the table, or not yet.
"""

import json
import re
from collections.abc import Iterable, Sequence
from urllib.parse import unquote

import pyarrow as pa

from monitor.errors import InputError
from monitor.sources.files.locations import Location
from monitor.sources.objects.stores import ObjectStore, StoredObject
from monitor.sources.source import SourceError
from monitor.visible import visible

LONGEST = 64_000_000
"""Bytes of one commit."""
REWRITES = frozenset(("OPTIMIZE", "UPDATE", "DELETE", "REORG", "ZORDER BY", "VACUUM", "UPGRADE"))
"""Operations that write rows again. MERGE and an overwriting WRITE bring new ones as well."""
_COMMIT = re.compile(r"(?s)(.*?)/?_delta_log/(\d{20})\.json")
_IN_LOG = re.compile(r"(?s)(.*?)/?_delta_log/.*")
_CHECKPOINT = re.compile(r"_delta_log/(\d{20})\.checkpoint(?:\.\d+\.\d+)?\.parquet$")
_HINT = "restore the log of the Delta table; its newer files wait meanwhile"


def is_commit(name: str) -> bool:
    """Whether an object is a commit of a Delta table."""
    return _COMMIT.fullmatch(name) is not None


class DeltaLogs:
    """The files with new rows of each table, as far as its commits were read. Each commit is read once."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._read: dict[str, tuple[int, float]] = {}
        self._new: dict[str, set[str]] = {}

    def readable(self, listed: Iterable[StoredObject]) -> tuple[list[StoredObject], SourceError | None]:
        """The objects without commits, and without the files of tables that hold no new rows. A commit that cannot be
        read, which is the error, holds up the newer ones of its table alone.
        """
        objects = list(listed)
        commits = sorted((one for one in objects if is_commit(one.name)), key=lambda one: one.name)
        errors: dict[str, SourceError] = {}
        for commit in commits:
            root = _root(commit.name)
            if root not in errors and self._read.get(commit.name) != (commit.size, commit.modified):
                try:
                    self._add(root, commit)
                except SourceError as error:
                    errors[root] = error
        roots = {_root(one.name) for one in commits}
        found = [one for one in objects if not is_commit(one.name) and self._has_new_rows(one.name, roots)]
        return found, next(iter(errors.values()), None)

    def _has_new_rows(self, name: str, roots: set[str]) -> bool:
        root = _table_of(name, roots)
        return root is None or name.removeprefix(f"{root}/") in self._new.get(root, ())

    def _add(self, root: str, commit: StoredObject) -> None:
        if commit.size > LONGEST:
            raise SourceError(f"{visible(commit.name)} has more than {LONGEST:,} bytes", hint=_HINT)
        try:
            added = new_files(self._store.read(commit.name, 0, commit.size))
        except ValueError as error:
            raise SourceError(f"{visible(commit.name)}: {error}", hint=_HINT) from error
        self._new.setdefault(root, set()).update(added)
        self._read[commit.name] = (commit.size, commit.modified)


def loadable(places: Sequence[Location]) -> list[Location]:
    """The files to load of all that were found: of a Delta table those that hold each row once. If the first commits
    are gone, those of its newest checkpoint, and the new ones since.

    Raises:
        InputError: the log of a table cannot be read, or lacks its beginning.
    """
    logs: dict[str, list[Location]] = {}
    for place in places:
        found = _IN_LOG.fullmatch(place.name)
        if found is not None:
            logs.setdefault(found.group(1), []).append(place)
    chosen = {root: _files_of(root, log) for root, log in logs.items()}
    return [
        place
        for place in places
        if _IN_LOG.fullmatch(place.name) is None
        and (
            (root := _table_of(place.name, chosen)) is None
            or place.name.removeprefix(f"{root}/") in chosen[root]
        )
    ]


def _files_of(root: str, log: Sequence[Location]) -> set[str]:
    commits = {int(found.group(2)): place for place in log if (found := _COMMIT.fullmatch(place.name))}
    points = [(int(found.group(1)), place) for place in log if (found := _CHECKPOINT.search(place.name))]
    files: set[str] = set()
    newest = -1
    try:
        if 0 not in commits:
            if not points:
                raise ValueError("its first commit and a checkpoint are missing")
            newest = max(number for number, _ in points)
            for number, place in points:
                files |= _active(place) if number == newest else set()
        for number, place in sorted(commits.items(), key=lambda one: one[0]):
            if number > newest:
                with place.open() as file:
                    files |= new_files(file.read())
    except (ValueError, OSError, pa.ArrowException) as error:
        raise InputError(f"the log of the Delta table {visible(root)} cannot be read: {error}") from error
    return files


def _active(checkpoint: Location) -> set[str]:
    """The files of a table at a checkpoint."""
    from pyarrow import parquet

    with checkpoint.open() as file:
        added = parquet.read_table(file, columns=["add"]).column("add").to_pylist()
    return {unquote(str(one["path"])) for one in added if one and one.get("path")}


def new_files(commit: bytes) -> set[str]:
    """The files, relative to the table, whose rows a commit brings for the first time.

    Raises:
        ValueError: it is no commit.
    """
    try:
        actions = [json.loads(line) for line in commit.splitlines() if line.strip()]
        operation = next(
            (one["commitInfo"].get("operation") for one in actions if one.get("commitInfo")), None
        )
        added = [one["add"] for one in actions if one.get("add")]
        files = {unquote(str(one["path"])) for one in added if one.get("dataChange") is not False}
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        raise ValueError(f"no commit of a Delta table ({error})") from error
    return set() if operation in REWRITES else files


def _table_of(name: str, roots: Iterable[str]) -> str | None:
    return next((root for root in roots if name.startswith(f"{root}/")), None)


def _root(name: str) -> str:
    commit = _COMMIT.fullmatch(name)
    assert commit is not None
    return commit.group(1)
