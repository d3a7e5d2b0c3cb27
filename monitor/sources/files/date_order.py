"""Whether the day or the month comes first in the times of files: decided once, from all of their values."""

from collections.abc import Iterator, Sequence

import pyarrow as pa

from monitor.sources.files.chunked import chunks
from monitor.sources.files.csv_dialect import Dialect
from monitor.sources.files.locations import Location
from monitor.times.order import DateOrderExamples, decided, evidence
from monitor.times.reading import DateOrder


def order_of(places: Sequence[Location], names: Sequence[str], dialect: Dialect) -> DateOrder | None:
    """The order of day and month in columns of these names, which belong together; None if no date needs an order.

    A file is read to its end only if its first rows have such dates.

    Raises:
        InputError: the values do not determine the order and `dialect` does not set it, or a file cannot be read.
    """
    return decided(names[0], _values(places, names, dialect), dialect.dates)


def _values(places: Sequence[Location], names: Sequence[str], dialect: Dialect) -> Iterator[pa.Array]:
    for place in places:
        for piece in chunks(place, read_as_text=names, dialect=dialect):
            columns = [piece.rows.column(name) for name in names if piece.rows.schema.names.count(name) == 1]
            yield from columns
            if all(evidence(column) == DateOrderExamples() for column in columns):
                break
