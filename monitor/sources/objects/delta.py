"""Delta tables: which files of a folder hold new rows, and which ones only rows that another file had before.

A table's `_delta_log` has one object for each commit, with the files that it adds and removes. OPTIMIZE, UPDATE and
DELETE write rows again into other files: such files are never read, so no row comes twice. Files of a folder with a log
that no commit mentions are not part of the table, or not yet.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from monitor.sources.objects.stores import ObjectStore, StoredObject
from monitor.sources.source import SourceError
from monitor.visible import visible

Partition = Mapping[str, Any]
"""The values of columns that are in the log of a table, and not in a file, by name."""
LONGEST = 64_000_000
"""Bytes of one commit."""
REWRITES = frozenset(("OPTIMIZE", "UPDATE", "DELETE", "REORG", "ZORDER BY", "VACUUM", "UPGRADE"))
"""Operations that write rows again. MERGE and an overwriting WRITE bring new ones as well."""
_COMMIT = re.compile(r"(?s)(.*?)/?_delta_log/(\d{20})\.json")
_WHOLE = ("byte", "short", "integer", "long")
_MAPPING = "delta.columnMapping.mode"
_HINT = "restore the log of the Delta table; its newer files wait until then"


def is_commit(name: str) -> bool:
    """Whether an object is a commit of a Delta table."""
    return _COMMIT.fullmatch(name) is not None


class DeltaLogs:
    """The files with new rows of each table, as far as its commits were read. Each commit is read once."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._read: dict[str, tuple[int, float]] = {}
        self._new: dict[str, dict[str, Partition]] = {}
        self._types: dict[str, dict[str, str]] = {}

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
        files = [one for one in objects if not is_commit(one.name) and self._has_new_rows(one.name, roots)]
        return files, next(iter(errors.values()), None)

    def partition_of(self, name: str) -> Partition:
        """The values that all rows of a file have in columns that the file lacks; empty for other objects."""
        root = _table_of(name, self._new)
        if root is None:
            return {}
        values = self._new[root].get(name.removeprefix(f"{root}/"), {})
        types = self._types.get(root, {})
        return {column: _typed(value, types.get(column, "")) for column, value in values.items()}

    def _has_new_rows(self, name: str, roots: set[str]) -> bool:
        root = _table_of(name, roots)
        return root is None or name.removeprefix(f"{root}/") in self._new.get(root, ())

    def _add(self, root: str, commit: StoredObject) -> None:
        if commit.size > LONGEST:
            raise SourceError(f"{visible(commit.name)} has more than {LONGEST:,} bytes", hint=_HINT)
        try:
            content = self._store.read(commit.name, 0, commit.size)
            added, types = new_files(content), types_of(content)
        except ValueError as error:
            raise SourceError(f"{visible(commit.name)}: {error}", hint=_HINT) from error
        self._new.setdefault(root, {}).update(added)
        self._types.setdefault(root, {}).update(types)
        self._read[commit.name] = (commit.size, commit.modified)


def new_files(commit: bytes) -> dict[str, Partition]:
    """The files, relative to the table, whose rows a commit brings for the first time, with their partitions.

    Raises:
        ValueError: it is no commit, or the table cannot be read.
    """
    done = actions(commit)
    try:
        operation = next((one["commitInfo"].get("operation") for one in done if one.get("commitInfo")), None)
        added = [one["add"] for one in done if one.get("add")]
        new = [one for one in added if one.get("dataChange") is not False]
        files: dict[str, Partition] = {path_of(one): dict(one.get("partitionValues") or {}) for one in new}
    except (TypeError, AttributeError, LookupError, ValueError) as error:
        raise ValueError(f"no commit of a Delta table ({error})") from error
    return {} if operation in REWRITES else files


def types_of(commit: bytes) -> dict[str, str]:
    """The types of the columns that a commit declares. Nested ones are left out."""
    try:
        schemas = [one["metaData"].get("schemaString") for one in actions(commit) if one.get("metaData")]
        fields = [field for schema in schemas if schema for field in json.loads(schema)["fields"]]
        return {str(field["name"]): field["type"] for field in fields if isinstance(field["type"], str)}
    except (TypeError, AttributeError, LookupError, ValueError, RecursionError) as error:
        raise ValueError(f"no schema of a Delta table ({error})") from error


def _typed(value: object, kind: str) -> Any:
    """The value of a partition, which the log has as a text; an empty one is null."""
    if not isinstance(value, str) or not value:
        return None
    if kind == "boolean":
        return {"true": True, "false": False}.get(value.lower(), value)
    try:
        if kind in _WHOLE:
            return int(value)
        return float(value) if kind in ("float", "double") or kind.startswith("decimal") else value
    except ValueError:
        return value


def with_partition(lines: bytes, partition: Partition) -> bytes:
    """Rows as lines of JSON, with the values of their partition. A column that the file has takes precedence."""
    if not partition:
        return lines
    head = json.dumps(partition).encode()[:-1]  # of two equal names, readers of JSON take the last
    rows = lines.splitlines(keepends=True)
    return b"".join(
        head + (b", " if row[1:2] != b"}" else b"") + row[1:] if row.startswith(b"{") else row for row in rows
    )


def actions(commit: bytes) -> list[dict[str, Any]]:
    """What a commit says.

    Raises:
        ValueError: it is no commit, or the columns of the table are mapped.
    """
    try:
        lines: list[dict[str, Any]] = [json.loads(line) for line in commit.splitlines() if line.strip()]
        settings = [line["metaData"].get("configuration") or {} for line in lines if line.get("metaData")]
        modes = [one.get(_MAPPING, "none") for one in settings]
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        raise ValueError(f"no commit of a Delta table ({error})") from error
    if any(mode != "none" for mode in modes):
        raise ValueError(f"its files have other names for its columns ({_MAPPING}); export the table")
    return lines


def path_of(action: Mapping[str, Any]) -> str:
    """The file of an action, relative to the table."""
    return unquote(str(action["path"]))


def _table_of(name: str, roots: Iterable[str]) -> str | None:
    return next((root for root in roots if name.startswith(f"{root}/")), None)


def _root(name: str) -> str:
    commit = _COMMIT.fullmatch(name)
    assert commit is not None
    return commit.group(1)
