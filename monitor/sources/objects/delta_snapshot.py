"""The files of a Delta table that hold its rows now, by its log: for commands that read a table as a whole."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from monitor.errors import InputError
from monitor.sources.files.locations import Location
from monitor.sources.objects.delta import actions, path_of
from monitor.visible import counted, visible

_IN_LOG = re.compile(r"(?s)(.*?)/?_delta_log/(.*)")
_COMMIT = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint(?:\.\d+\.\d+)?\.parquet")
_HINT = "name the folder of the table, not a pattern"


def current(places: Sequence[Location]) -> list[Location]:
    """The files to read of all that were found: of a Delta table only those that are part of it now.

    Raises:
        InputError: the log of a table cannot be read or lacks a part, or some rows of a file are deleted.
    """
    logs: dict[str, dict[str, Location]] = {}
    others: list[Location] = []
    for place in places:
        match = _IN_LOG.fullmatch(place.name)
        if match is None:
            others.append(place)
        else:
            logs.setdefault(match[1], {})[match[2]] = place
    names = {place.name for place in others}
    chosen = {root: _files_of(root, log, names) for root, log in logs.items()}
    return [
        place
        for place in others
        if (root := next((one for one in chosen if place.name.startswith(f"{one}/")), None)) is None
        or place.name in chosen[root]
    ]


def _files_of(root: str, log: dict[str, Location], names: set[str]) -> set[str]:
    """The full names of the files that hold a table's rows."""
    try:
        files = {f"{root}/{path}" for path in _active(log)}
    except (ValueError, TypeError, AttributeError, LookupError, OSError, pa.ArrowException) as error:
        message = f"the Delta table {visible(root)} cannot be read: {error}"
        raise InputError(message, hint=_HINT) from error
    if missing := sorted(files - names):
        lacking = counted(len(missing), "file")
        message = f"the Delta table {visible(root)} lacks {lacking}, such as {visible(missing[0])}"
        raise InputError(message, hint=_HINT)
    return files


def _active(log: dict[str, Location]) -> set[str]:
    """The files, relative to the table, after the last commit."""
    commits = {int(match[1]): place for name, place in log.items() if (match := _COMMIT.fullmatch(name))}
    points = [(int(match[1]), place) for name, place in log.items() if (match := _CHECKPOINT.fullmatch(name))]
    newest, files = -1, dict[str, bool]()
    if 0 not in commits:
        newest = max((number for number, _ in points), default=-1)
        if newest < 0:
            raise ValueError("its first commit and a checkpoint are missing")
        for number, place in points:
            _apply(files, ({"add": one} for one in _added(place)) if number == newest else ())
    last = max(commits, default=-1)
    if last < newest or not all(number in commits for number in range(newest + 1, last + 1)):
        raise ValueError("commits are missing")
    for number in range(newest + 1, last + 1):
        with commits[number].open() as file:
            _apply(files, actions(file.read()))
    if deleted := sum(files.values()):
        raise ValueError(
            f"rows of {counted(deleted, 'file')} are deleted by a deletion vector, which is not read: "
            "run REORG TABLE ... APPLY (PURGE)"
        )
    return set(files)


def _apply(files: dict[str, bool], actions: Iterable[Mapping[str, Any]]) -> None:
    """Change the files by the actions of a commit; True stands for a file of which some rows are deleted."""
    changes = list(actions)
    for removed in [change["remove"] for change in changes if change.get("remove")]:
        files.pop(path_of(removed), None)
    for added in [change["add"] for change in changes if change.get("add")]:
        files[path_of(added)] = bool(added.get("deletionVector"))


def _added(checkpoint: Location) -> list[dict[str, Any]]:
    """The files of a table at a checkpoint, as their actions."""
    from pyarrow import parquet

    with checkpoint.open() as file:
        table = parquet.read_table(file)
    if "metaData" in table.column_names:
        for one in table.column("metaData").to_pylist():
            if dict((one or {}).get("configuration") or {}).get("delta.columnMapping.mode", "none") != "none":
                raise ValueError("its files have other names for its columns; export the table")
    return [one for one in table.column("add").to_pylist() if one and one.get("path")]
