"""Objects in a folder, S3 or another object store: each is read on from where it was, in order of time."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from pydantic import Field

from monitor.config.sections import Duration, FileName
from monitor.config.units import DAY, HOUR
from monitor.runtime.faults import one_line
from monitor.sources.objects.delta import DeltaLogs, with_partition
from monitor.sources.objects.gzip_text import GzipText, is_gzip, next_unzipped
from monitor.sources.objects.open_tables import OpenTables
from monitor.sources.objects.parts import (
    DamagedPositionError,
    ObjectPart,
    Position,
    continued,
    has_tail,
    is_continued,
    next_part,
)
from monitor.sources.objects.stores import ObjectStore, StoredObject, store_of
from monitor.sources.objects.unreadable import UnreadableObjects
from monitor.sources.settings import SourceSettings
from monitor.sources.source import (
    Fetched,
    Gone,
    Lag,
    Payload,
    Positions,
    Source,
    SourceError,
    positions_after,
)
from monitor.store.source_positions import SHARD
from monitor.visible import visible

_AT_ONCE = 16
"""Parts of one fetch: about 16 MB."""
_LINES = "application/x-ndjson"
_DAMAGED = "restore the database from a backup, or delete the row from source_positions"


class ObjectsSettings(SourceSettings):
    """Files or objects with one JSON object per line (also as gzip), or with rows of Parquet, such as captures."""

    kind: Literal["objects"] = "objects"
    """Objects of a folder or bucket."""
    url: FileName = Field(min_length=1)
    """A folder with all folders in it, one file, a path with wildcards (`captures/**/*.jsonl`), or `s3://bucket/folder`."""
    every: Duration = Field(default=10.0, ge=1.0)
    """How often the objects are listed."""
    settled: Duration = Field(default=60.0, ge=1.0)
    """An object that nobody wrote to for this long is complete: its last line needs no line break."""
    newest: Duration = Field(default=7.0 * DAY, ge=60.0)
    """Objects that were last written before this time are not read. Use `watchkeeper load` for older ones."""

    def make_source(self, name: str) -> Source:
        """A reader, not opened yet."""
        del name  # no store of objects asks who reads
        return Objects(self, store_of(self.url))


class Objects:
    """Lists and reads. The shards are the objects; their positions say how far each was read."""

    is_ordered = True

    def __init__(self, settings: ObjectsSettings, store: ObjectStore) -> None:
        self._settings, self._store = settings, store
        self._delta = DeltaLogs(store)
        self._gzip = GzipText(store.read)
        self._tables = OpenTables()
        self._positions: dict[str, str] = {}
        self._complete: dict[str, tuple[int, float]] = {}
        self._waiting: list[StoredObject] = []
        self._by_mark: dict[str, list[str]] = {}
        self._listed: dict[str, StoredObject] = {}
        self._unreadable = UnreadableObjects()
        self._of_logs: SourceError | None = None
        self._stored: Positions = dict
        self._forget_at = 0.0
        self._list_at = 0.0

    def open(self, positions: Positions) -> None:
        """Read where each object continues, and list the objects."""
        self._stored = positions
        self._load_positions()
        self._list()

    def fetch(self, most: int, wait: float) -> Fetched:
        """The next part of each object that has more, the oldest object first.

        An object that cannot be read holds up no other, neither one that is there nor one that comes.
        """
        if not self._waiting and time.monotonic() >= self._list_at:
            self._list()
        payloads: list[Payload] = []
        for stored_object in self._waiting[: min(most, _AT_ONCE)]:
            payload = self._next(stored_object)
            if payload is None:
                self._waiting.remove(stored_object)
            else:
                payloads.append(payload)
        if not payloads and not self._waiting:
            time.sleep(min(wait, max(0.0, self._list_at - time.monotonic())))
        return Fetched(payloads, gone=self._gone(), problem=self._unreadable.error or self._of_logs)

    def acknowledge(self, fetched: Fetched) -> None:
        """Read on after these payloads. Objects need no acknowledgement."""
        self._remember(positions_after(fetched.payloads))

    def lag(self) -> Lag:
        """The age of the oldest object with something left. How many records that is, nobody knows before reading."""
        if not self._waiting:
            return Lag(0, 0.0)
        return Lag(None, max(0.0, time.time() - self._waiting[0].modified))

    def peek(self, most: int, wait: float) -> Sequence[Payload]:
        """The beginning of the newest objects, some lines of each."""
        del wait  # what lies there is there
        payloads: list[Payload] = []
        for stored_object in reversed(self._current()):
            position = continued(self._store, stored_object, "")
            part = self._part(stored_object, position, is_settled=True)
            if part is not None:
                lines = part.body.splitlines(keepends=True)[: most - len(payloads)]
                payloads += [self._payload(stored_object, part, line) for line in lines or [b""]]
            if len(payloads) >= most:
                break
        return payloads

    def close(self) -> None:
        """Close the tables that are being read."""
        self._tables.close()

    def _gone(self) -> Gone | None:
        """The objects that are no longer there, once an hour."""
        if time.monotonic() < self._forget_at:
            return None
        self._forget_at = time.monotonic() + HOUR
        gone = [shard for shard in self._positions if shard not in self._listed]
        return Gone(gone, time.time() - self._settings.newest) if gone else None

    def _load_positions(self) -> None:
        self._positions, self._by_mark = {}, {}
        self._remember(self._stored())

    def _list(self) -> None:
        now = time.monotonic()
        self._list_at = now + self._settings.every
        if self._unreadable:  # perhaps because of their positions, which people may have corrected
            self._load_positions()
        current = self._current()
        self._unreadable.keep(current)
        self._tables.keep({one.name for one in current})
        self._complete = {one.name: self._complete[one.name] for one in current if one.name in self._complete}
        self._waiting = [
            one
            for one in current
            if self._complete.get(one.name) != (one.size, one.modified) and self._unreadable.is_due(one, now)
        ]

    def _current(self) -> list[StoredObject]:
        """The objects that are young enough and have any bytes, in order of time."""
        since = time.time() - self._settings.newest
        readable, self._of_logs = self._delta.readable(self._store.listed())
        listed = [one for one in readable if one.size]
        self._listed = {shard_of(one.name): one for one in listed}
        young = [one for one in listed if one.modified >= since]
        return sorted(young, key=lambda one: (one.modified, one.name))

    def _next(self, stored_object: StoredObject) -> Payload | None:
        is_settled = time.time() - stored_object.modified >= self._settings.settled
        try:
            position = self._place(stored_object)
            part = self._part(stored_object, position, is_settled=is_settled)
        except Exception as error:  # boundary: an object that cannot be read holds up no other
            self._unreadable.failed(stored_object, _cause(stored_object, error), time.monotonic())
            return None
        self._unreadable.worked(stored_object)
        if part is None:
            if is_settled:
                self._complete[stored_object.name] = (stored_object.size, stored_object.modified)
            return None
        return self._payload(stored_object, part, part.body)

    def _part(
        self, stored_object: StoredObject, position: Position, *, is_settled: bool
    ) -> ObjectPart | None:
        if not is_gzip(stored_object.name):
            part = next_part(self._store, stored_object, position, self._tables, is_settled=is_settled)
            partition = self._delta.partition_of(stored_object.name)
            return replace(part, body=with_partition(part.body, partition)) if part and partition else part
        return next_unzipped(self._gzip, stored_object, position) if is_settled else None

    def _place(self, stored_object: StoredObject) -> Position:
        """Where an object continues: also one that was read under a name that it no longer has, as a rotated log."""
        shard = shard_of(stored_object.name)
        position = continued(self._store, stored_object, self._positions.get(shard, ""))
        if position.offset:
            return position
        for other in self._by_mark.get(position.mark, ()):
            known = _parsed(self._positions.get(other, ""))
            if (
                known is not None
                and (known.mark, known.mark_size) == (position.mark, position.mark_size)
                and has_tail(self._store, stored_object, known)
                and (other == shard or not self._is_there(other, known))
            ):
                return known
        return position

    def _is_there(self, shard: str, known: Position) -> bool:
        """Whether the object that was read up to this position still has its name."""
        present = self._listed.get(shard)
        return present is not None and is_continued(self._store, present, known)

    def _remember(self, positions: Mapping[str, str]) -> None:
        self._positions |= positions
        for shard, text in positions.items():
            known = _parsed(text)
            if known is not None and known.tail:
                shards = self._by_mark.setdefault(known.mark, [])
                if shard not in shards:
                    shards.append(shard)

    def _payload(self, stored_object: StoredObject, part: ObjectPart, body: bytes) -> Payload:
        return Payload(
            body,
            f"{visible(stored_object.name)}, {part.where}",
            shard=shard_of(stored_object.name),
            position=str(part.position),
            sent_at=stored_object.modified,
            headers={"content-type": _LINES},
            error=part.error,
        )


def _cause(stored_object: StoredObject, error: Exception) -> SourceError:
    name = visible(stored_object.name)
    if isinstance(error, SourceError):
        return error
    if isinstance(error, DamagedPositionError):
        return SourceError(f"the stored position of {name} is damaged: {error}", hint=_DAMAGED)
    return SourceError(f"{name} cannot be read: {one_line(error)}", hint="is it what its name says?")


def shard_of(name: str) -> str:
    """The name of an object as a shard: what is too long, or no Unicode text, ends in a digest."""
    written = name.encode(errors="surrogateescape")  # names of files may be any bytes
    shown = written.decode(errors="replace").replace("\0", "\ufffd")
    if len(name) <= SHARD and shown == name:
        return name
    return shown[: SHARD - 33] + "~" + hashlib.sha256(written).hexdigest()[:32]


def _parsed(text: str) -> Position | None:
    """A position; None where it is damaged."""
    try:
        return Position.parsed(text)
    except ValueError:
        return None
