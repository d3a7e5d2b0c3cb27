"""Reads the next part of an object: whole lines of text, or rows of Parquet as lines of JSON."""

import hashlib
import json
import re
from dataclasses import dataclass

import pyarrow as pa

from monitor.errors import InputError
from monitor.predictions.intake import bodies
from monitor.predictions.intake.validation import RecordError
from monitor.sources.objects import parquet_rows
from monitor.sources.objects.open_tables import DamagedRowsError, OpenTables
from monitor.sources.objects.stores import ObjectStore, StoredObject

PART = 1_000_000
"""Bytes of one part. A line may be longer, up to `LONGEST`."""
LONGEST = 16_000_000
HEAD = 256
"""Bytes at the beginning of text by which an object is recognized: it grows at its end."""
TAIL = 256
"""Bytes before a position by which an object is recognized under another name."""
FOOTER = 2_000
"""Bytes at the end of Parquet by which an object is recognized: its footer counts and describes all of its rows."""
PARQUET = (".parquet", ".pq")
OTHER_OFFSETS = (*PARQUET, ".gz")
"""Objects whose positions are not offsets of their bytes, but of their rows or of the text inside."""


_DOCUMENT = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:[\[{][ \t\r]*\n|\[[^\n]*,[ \t\r]*\n)")
"""How JSON begins that is written over several lines."""


class DamagedPositionError(ValueError):
    """A stored position that cannot be read."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far an object was read: bytes, or rows of Parquet. `mark` is a digest of `mark_size` of its bytes.

    They are the first bytes of text, and the last ones of Parquet. An object with another mark, or one that is shorter
    than what was read of it, is another object, although it has the same name. `tail` is a digest of the last bytes of
    text that were read: an object of another name with the same mark and tail is the same, renamed or copied.
    """

    offset: int
    mark: str
    mark_size: int
    tail: str = ""

    def __str__(self) -> str:
        return f"{self.offset} {self.mark_size} {self.mark} {self.tail}".rstrip()

    @classmethod
    def parsed(cls, text: str) -> "Position":
        """A position as it is stored.

        Raises:
            DamagedPositionError: it is none.
        """
        try:
            offset, size, mark, *tail = text.split(" ")
            return cls(int(offset), mark, int(size), *tail[:1])
        except ValueError as error:
            raise DamagedPositionError(str(error)) from error

    def moved(self, offset: int, tail: bytes = b"") -> "Position":
        """The same object, read further; `tail` are the last bytes of text up to there."""
        return Position(offset, self.mark, self.mark_size, _digest(tail[-TAIL:]) if tail else "")


@dataclass(frozen=True, slots=True)
class ObjectPart:
    """Some of an object: lines, and the position after them. `error` says why what lies there cannot be read."""

    body: bytes
    where: str
    position: Position
    error: str = ""


def is_continued(store: ObjectStore, stored_object: StoredObject, known: Position) -> bool:
    """Whether an object is the one in which this position was."""
    is_shorter = stored_object.size < known.offset and not stored_object.name.lower().endswith(OTHER_OFFSETS)
    return not is_shorter and _mark(store, stored_object, known.mark_size) == known.mark


def continued(store: ObjectStore, stored_object: StoredObject, stored: str) -> Position:
    """Where to continue: at the stored position, or at the beginning of what is another object by now."""
    known = Position.parsed(stored) if stored else None
    size = min(FOOTER if is_parquet(stored_object) else HEAD, stored_object.size)
    if known is not None and is_continued(store, stored_object, known):
        if is_parquet(stored_object) or known.mark_size >= size:
            return known
        return Position(known.offset, _mark(store, stored_object, size), size, known.tail)  # it has grown
    return Position(0, _mark(store, stored_object, size), size)


def _mark(store: ObjectStore, stored_object: StoredObject, size: int) -> str:
    begin = max(0, stored_object.size - size) if is_parquet(stored_object) else 0
    return _digest(store.read(stored_object.name, begin, size))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def has_tail(store: ObjectStore, stored_object: StoredObject, known: Position) -> bool:
    """Whether an object with the same mark has the same bytes before a position as the object that was read."""
    if is_parquet(stored_object) or not known.tail or not 0 < known.offset <= stored_object.size:
        return False
    begin = max(0, known.offset - TAIL)
    return _digest(store.read(stored_object.name, begin, known.offset - begin)) == known.tail


def is_parquet(stored_object: StoredObject) -> bool:
    """Whether an object is a table, by its name."""
    return stored_object.name.lower().endswith(PARQUET)


def next_part(
    store: ObjectStore,
    stored_object: StoredObject,
    position: Position,
    tables: OpenTables,
    *,
    is_settled: bool,
) -> ObjectPart | None:
    """What comes after the position; None where nothing whole does.

    An object is settled if nobody has written to it for a while: its last line is then whole without a line break, and
    what cannot be read will not become readable.
    """
    if is_parquet(stored_object):
        return _rows(store, stored_object, position, tables, is_settled=is_settled)
    return _lines(store, stored_object, position, is_settled=is_settled)


def _lines(
    store: ObjectStore, stored_object: StoredObject, position: Position, *, is_settled: bool
) -> ObjectPart | None:
    size = PART
    left = stored_object.size - position.offset  # what was added since the listing is read after the next one
    while True:
        content = store.read(stored_object.name, position.offset, min(size, left))
        at_end = len(content) < size
        end = content.rfind(b"\n") + 1 or (len(content) if at_end and is_settled else 0)
        if end or at_end or size >= LONGEST:
            break
        size = min(size * 4, LONGEST)
    if not position.offset and _DOCUMENT.match(content):
        if not is_settled:
            return None
        if (document := _document(store, stored_object, position)) is not None:
            return document
    if not content or (not end and at_end):
        return None
    begin = position.offset
    if not end:
        after = position.moved(begin + len(content), content)
        return ObjectPart(
            b"", _where(begin, after.offset), after, f"it has a line of more than {LONGEST:,} bytes"
        )
    after = position.moved(begin + end, _before(store, stored_object, begin, content[:end]))
    return ObjectPart(content[:end], _where(begin, after.offset), after)


def _document(store: ObjectStore, stored_object: StoredObject, position: Position) -> ObjectPart | None:
    """An object that is written over several lines, several of them, or an array of them: one a line. None where it is
    none of these, as JSON that is cut off: whole lines of it may be read.
    """
    content = store.read(stored_object.name, 0, LONGEST + 1)
    after = position.moved(len(content), content)
    where = _where(0, after.offset)
    if len(content) > LONGEST:
        everything = position.moved(stored_object.size)
        reason = f"it is JSON over several lines, of more than {LONGEST:,} bytes: write one object a line"
        return ObjectPart(b"", "the whole object", everything, reason)
    try:
        records = bodies.joined(content.strip()) or bodies.records(content)
    except InputError:
        return None
    if any(isinstance(record, RecordError) for record in records):
        return None
    return ObjectPart(b"\n".join(json.dumps(record).encode() for record in records), where, after)


def _before(store: ObjectStore, stored_object: StoredObject, begin: int, content: bytes) -> bytes:
    """The last bytes up to the end of `content`, which may be shorter than a tail."""
    missing = min(begin, TAIL - len(content))
    return content if missing <= 0 else store.read(stored_object.name, begin - missing, missing) + content


def _where(begin: int, end: int) -> str:
    return f"bytes {begin} to {end}"


def _rows(
    store: ObjectStore,
    stored_object: StoredObject,
    position: Position,
    tables: OpenTables,
    *,
    is_settled: bool,
) -> ObjectPart | None:
    begin = position.offset
    try:
        rows = _tried_twice(store, stored_object, position, tables)
    except DamagedRowsError as error:
        if not is_settled:
            return None
        where, after = f"rows {begin} to {error.end}", position.moved(error.end)
        return ObjectPart(b"", where, after, f"they cannot be read: {_reason(error)}")
    except (pa.ArrowException, OSError, parquet_rows.TooWideError) as error:  # being written, or damaged
        if not is_settled or begin:
            return None
        return ObjectPart(
            b"", "the whole object", position.moved(1), f"it cannot be read as Parquet: {_reason(error)}"
        )
    if not rows:
        return None
    after = position.moved(begin + len(rows))
    return ObjectPart(b"\n".join(rows), f"rows {begin} to {after.offset}", after)


def _tried_twice(
    store: ObjectStore, stored_object: StoredObject, position: Position, tables: OpenTables
) -> list[bytes]:
    """Rows, also where the connection to the store broke once: Arrow does not tell that from damage."""
    try:
        return tables.next_rows(store, stored_object, position.offset, position.mark)
    except (DamagedRowsError, pa.ArrowException, OSError):
        store.read(stored_object.name, 0, 1)  # raises where the store cannot be reached
        return tables.next_rows(store, stored_object, position.offset, position.mark)


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["it is damaged"])[0]
