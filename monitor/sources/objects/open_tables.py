"""Tables that stay open between two parts: the rows of a row group are decoded once, not again for each part."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import pyarrow as pa

from monitor.sources.objects import parquet_rows
from monitor.sources.objects.stores import ObjectStore, StoredObject

MOST_KEPT = 64_000_000
"""Bytes, about, that the pages of all open tables take. One table stays open whatever it takes."""
_PAGES = 2_000_000
"""Bytes of a column that are in memory while its rows are read, at most about: a page, compressed and not."""


class DamagedRowsError(Exception):
    """The rows up to `end`, the end of their row group, cannot be read; those after them perhaps."""

    def __init__(self, reason: str, end: int) -> None:
        super().__init__(reason)
        self.end = end


@dataclass(frozen=True, slots=True)
class _Open:
    """A table whose next row is `begin`, where its row groups end, and what it takes in bytes."""

    stored_object: StoredObject
    mark: str
    begin: int
    file: Any
    rows: Iterator[list[bytes]]
    ends: Sequence[int]
    size: int


class OpenTables:
    """The tables of one source. What does not fit is opened for each part."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}

    def next_rows(
        self, store: ObjectStore, stored_object: StoredObject, begin: int, mark: str
    ) -> list[bytes]:
        """Some rows from `begin` on; none at the end of the table. `mark` tells its content from another's.

        Raises:
            DamagedRowsError: these rows cannot be read.
            TooWideError: its footer or its columns would take too much memory.
            ArrowException: the table cannot be opened.
            OSError: as above.
            SourceError: the store cannot be reached.
        """
        known = self._open.pop(stored_object.name, None)
        if known is not None and (known.stored_object, known.mark, known.begin) != (
            stored_object, mark, begin,
        ):  # fmt: skip
            known.file.close()
            known = None
        if known is None:
            known = _opened(store, stored_object, begin, mark)
        try:
            rows = next(known.rows, [])
        except (pa.ArrowException, OSError) as error:
            known.file.close()
            raise DamagedRowsError(str(error), next(end for end in known.ends if end > begin)) from error
        except BaseException:
            known.file.close()
            raise
        taken = sum(one.size for one in self._open.values())
        if rows and (not self._open or taken + known.size <= MOST_KEPT):
            after = begin + len(rows)
            self._open[stored_object.name] = _Open(
                stored_object, mark, after, known.file, known.rows, known.ends, known.size
            )
        else:
            known.file.close()
        return rows

    def keep(self, names: Collection[str]) -> None:
        """Close all others."""
        for name in [one for one in self._open if one not in names]:
            self._open.pop(name).file.close()

    def close(self) -> None:
        """Close all of them."""
        self.keep(())


def _opened(store: ObjectStore, stored_object: StoredObject, begin: int, mark: str) -> _Open:
    file = store.open(stored_object.name)
    try:
        table = parquet_rows.opened(file)
        groups = [table.metadata.row_group(group) for group in range(table.num_row_groups)]
        largest = max((group.total_byte_size for group in groups), default=0)
        size = min(largest, table.metadata.num_columns * _PAGES)
        ends = list(accumulate(group.num_rows for group in groups))
        return _Open(stored_object, mark, begin, file, parquet_rows.rows_from(table, begin), ends, size)
    except BaseException:
        file.close()
        raise
