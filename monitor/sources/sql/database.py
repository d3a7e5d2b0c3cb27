"""A table or view of a SQL database: rows that were added are read in the order of a column that grows.

A transaction may commit a row after another one with a higher position was read. Therefore every row is read twice: at
once, and again when `overlap` has passed. A row is recognized by its position, its key and its content.

A row whose position is a time that lies ahead waits until that time has come: had it been read, the rows that appear
until then would lie below it, and be lost.
"""

import hashlib
import json
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from time import monotonic, sleep, time
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from monitor.config.sections import Duration, Secret
from monitor.config.units import DAY
from monitor.sources.formats.plain import PlainFormat
from monitor.sources.settings import SourceSettings
from monitor.sources.source import Fetched, Lag, Payload, Positions, Source, SourceError, positions_after
from monitor.sources.sql import keyset
from monitor.sources.sql.cells import plain, record_of
from monitor.sources.sql.keyset import Keyset, Values
from monitor.sources.sql.read_only import MYSQL, ReadOnlyDatabase, UnreadableRowsError
from monitor.text_limits import shortened
from monitor.visible import counted

_NEW, _AGAIN = "rows", "overlap"
"""The shards: rows that are read at once, and those that are read again."""
_AT_ONCE = 5000
"""Rows of one statement."""
_JSON = "application/json"
_SHOWN = 150
"""Characters of a place in messages."""
_AHEAD = 300.0
"""Seconds by which the clock of the database may be ahead; no more than half of `overlap`, after which rows that
appeared below the last one are read."""
_OF_AHEAD = (
    "they are read when that time has come: correct the rows, or the clock of what writes them (without a zone, a time "
    "is UTC)"
)
_DAMAGED = "restore the database from a backup, or delete the row from source_positions"


class SqlSettings(SourceSettings):
    """A table or view, such as outcomes that a nightly job writes. PostgreSQL needs the extra
    `postgresql`, MariaDB and MySQL the extra `mysql`.
    """

    kind: Literal["sql"] = "sql"
    """A table or view of a SQL database."""
    url: str = Field(min_length=1)
    """Address in SQLAlchemy's notation: `postgresql://warehouse/analytics`, `sqlite:////data/truth.db`."""
    username: str = ""
    """User; one that may only read."""
    password: Secret | None = None
    """Password."""
    table: str = Field(min_length=1)
    """The table or view, such as `analytics.truths`."""
    position: str = Field(min_length=1)
    """The column that grows from row to row: a time, a date or a number."""
    key: tuple[str, ...] = Field(min_length=1)
    """The columns that identify a row, also among rows of one position."""
    overlap: Duration = Field(default=600.0, ge=0.0)
    """How long after a row others with a lower position may appear. Rows are read again after this time."""
    every: Duration = Field(default=60.0, ge=1.0)
    """How often the database is asked for new rows."""
    statement_timeout: Duration = Field(default=30.0, ge=1.0)
    """How long one statement may take."""

    @field_validator("url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        try:
            url = make_url(value)
        except ArgumentError as error:
            msg = "is not an address such as postgresql://warehouse/analytics"
            raise ValueError(msg) from error
        if url.password is not None:
            msg = "must not contain the password; use `password`"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _key_is_not_the_position(self) -> Self:
        if self.position in self.key:
            msg = "`key` must not contain the column of `position`"
            raise ValueError(msg)
        return self

    def make_source(self, name: str) -> Source:
        """A reader, not connected yet."""
        del name  # the database does not ask who reads
        return SqlTable(self)

    @property
    def address(self) -> URL:
        """Where the database is, with user and password."""
        url = make_url(self.url)
        if url.drivername == "postgresql":
            url = url.set(drivername="postgresql+psycopg")
        if url.drivername in MYSQL:
            url = url.set(drivername=f"{url.drivername}+pymysql")
        if self.username:
            url = url.set(username=self.username)
        return url.set(password=self.password.get_secret_value()) if self.password else url


class SqlTable:
    """Reads on from the last row."""

    is_ordered = False  # rows come a second time, and are recognized by their key

    def __init__(self, settings: SqlSettings) -> None:
        self._settings = settings
        self._order = (settings.position, *settings.key)
        self._statements = Keyset(settings.table, self._order)
        self._database = ReadOnlyDatabase(settings.address, settings.statement_timeout)
        self._places: dict[str, Values | None] = {_NEW: None, _AGAIN: None}
        self._until: tuple[float, Values] | None = None
        """Since when rows up to this place have been read; they are read again after `overlap`."""
        self._unplaced: set[bytes] = set()
        """Rows that were read and cannot be a position, by their keys: the next ones are read beyond them."""
        self._buffer: deque[Payload] = deque()
        self._ask_at = 0.0
        self._has_more = True
        self._waiting: SourceError | None = None
        """What waits because its time lies ahead."""

    def open(self, positions: Positions) -> None:
        """Find out where to continue."""
        try:
            self._places |= {shard: keyset.read(text) for shard, text in positions().items() if text}
        except ValueError as error:
            raise SourceError(f"the stored position is damaged: {error}", hint=_DAMAGED) from error
        new, again = self._places[_NEW], self._places[_AGAIN]
        if new is not None and again is not None and self._is_ahead(new) and not self._is_ahead(again):
            self._places[_NEW] = again  # the clock was ahead when it was stored; what is known is recognized
        self._database.rows(self._statements.places(None, None, 1))

    def fetch(self, most: int, wait: float) -> Fetched:
        """The next rows; new ones first."""
        if not self._buffer and monotonic() >= self._ask_at and not self._read_new():
            self._read_again()
        if not self._buffer:
            sleep(min(wait, max(0.0, self._ask_at - monotonic())))
        payloads = [self._buffer.popleft() for _ in range(min(most, len(self._buffer)))]
        return Fetched(payloads, problem=self._waiting)

    def acknowledge(self, fetched: Fetched) -> None:
        """Continue after these rows. A database needs no acknowledgement."""
        for shard, text in positions_after(fetched.payloads).items():
            self._places[shard] = keyset.read(text)

    def lag(self) -> Lag:
        """The age of the last row that was read, if the position is a time and more rows wait."""
        if not self._buffer and not self._has_more:
            return Lag(0, 0.0)
        place = self._places[_NEW]
        read_until = keyset.seconds_of(place[0]) if place is not None else None
        return Lag(None, None if read_until is None else max(0.0, time() - read_until))

    def peek(self, most: int, wait: float) -> Sequence[Payload]:
        """The last rows."""
        del wait  # what is there is there
        rows = self._database.rows(self._statements.last(most))
        return [self._payload(_NEW, row) for row in reversed(rows)]

    def close(self) -> None:
        """Disconnect."""
        self._database.close()

    def _read_new(self) -> bool:
        payloads = self._page(_NEW, None)
        self._has_more = bool(payloads)
        self._buffer.extend(payloads)
        if not payloads:
            self._ask_at = monotonic() + self._settings.every
            place = self._places[_NEW]
            if self._until is None and place is not None and place != self._places[_AGAIN]:
                self._until = monotonic(), place
        return bool(payloads)

    def _read_again(self) -> None:
        if self._until is None or monotonic() < self._until[0] + self._settings.overlap:
            return
        payloads = self._page(_AGAIN, self._until[1])
        self._buffer.extend(payloads)
        if payloads:
            self._ask_at = 0.0  # the rest of this pass
        else:
            self._places[_AGAIN], self._until = self._until[1], None

    def _page(self, shard: str, until: Values | None) -> list[Payload]:
        """Some rows after the last one of a shard. A row that the driver cannot read stops only itself."""
        after = self._places[shard]
        try:
            rows = self._come(self._database.rows(self._statements.rows(after, until, _AT_ONCE)), shard)
            return self._beyond(after, [self._payload(shard, row) for row in rows])
        except UnreadableRowsError:
            places = self._come(self._database.rows(self._statements.places(after, until, _AT_ONCE)), shard)
        payloads: list[Payload] = []
        for row in places:
            try:
                alone = self._database.rows(self._statements.one(self._place(row)))
                payloads += [self._payload(shard, one) for one in alone]
            except UnreadableRowsError as error:
                payloads.append(self._payload(shard, row, error.message))
        return self._beyond(after, payloads)

    def _come(self, rows: Sequence[Mapping[str, Any]], shard: str) -> Sequence[Mapping[str, Any]]:
        """The rows whose time has come. The others are the last ones, because rows are read in order."""
        if shard != _NEW:
            return rows
        first = next((at for at, row in enumerate(rows) if self._is_ahead(self._place(row))), len(rows))
        self._waiting = None
        if first < len(rows):
            more = " or more" if len(rows) == _AT_ONCE else ""
            which = f"{counted(len(rows) - first, 'row')}{more} with a {self._settings.position} ahead of now"
            at = shortened(str(self._place(rows[first])[0]), _SHOWN)
            self._waiting = SourceError(f"{self._settings.table}: {which}, the first at {at}", hint=_OF_AHEAD)
        return rows[:first]

    def _is_ahead(self, place: Values) -> bool:
        """Whether the time of a position has not come; of a date, whether it has begun nowhere on earth."""
        begins = place[0]
        if isinstance(begins, date) and not isinstance(begins, datetime):
            return datetime.combine(begins, datetime.min.time(), UTC).timestamp() > time() + DAY
        seconds = keyset.seconds_of(begins)
        return seconds is not None and seconds > time() + min(_AHEAD, self._settings.overlap / 2)

    def _beyond(self, after: Values | None, payloads: list[Payload]) -> list[Payload]:
        """The rows without that at the place itself: a database that rounds what it compares, as SQL Server does with
        `datetime`, returns it for ever.
        """
        known = self._unplaced if after is None else {keyset.written(after).encode(), *self._unplaced}
        new = [payload for payload in payloads if payload.key not in known]
        self._unplaced.update(one.key for one in new if not one.position)
        if len(self._unplaced) >= _AT_ONCE:
            reason = f"{self._settings.table}: too many rows have values of more than {keyset.LONGEST:,} characters"
            raise SourceError(reason, hint="choose other columns for `position` and `key`")
        return new

    def _place(self, row: Mapping[str, Any]) -> Values:
        try:
            return tuple(row[name] for name in self._order)
        except KeyError as error:
            alike = [name for name in row if name.lower() in map(str.lower, self._order)]
            hint = (
                f"names are case-sensitive; it has {', '.join(map(repr, alike))}"
                if alike
                else "correct the name"
            )
            raise SourceError(f"the table has no column {error}", hint=hint) from error

    def _record(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """What the format reads: a record, or the columns as they are."""
        if self._settings.format == PlainFormat.kind:
            return record_of(row, self._order)
        return {name: plain(cell) for name, cell in row.items()}

    def _payload(self, shard: str, row: Mapping[str, Any], error: str = "") -> Payload:
        place, position = self._place(row), ""
        try:
            position = keyset.written(place)
            key = position.encode()
        except keyset.LongPlaceError as flaw:
            error, key = error or str(flaw), hashlib.sha256(repr(place).encode()).digest()
        except ValueError as flaw:
            raise SourceError(f"{self._settings.table}: {flaw}", hint="choose other columns") from flaw
        shown = ", ".join(f"{name} {value}" for name, value in zip(self._order, place, strict=True))
        return Payload(
            json.dumps(self._record(row)).encode(),
            shortened(shown, _SHOWN),
            shard=shard,
            position=position,
            key=key,
            sent_at=keyset.seconds_of(place[0]),
            headers={"content-type": _JSON},
            error=error,
        )
