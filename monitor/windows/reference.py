"""A baseline from rows: a table, or a file. Knows no database, so that a notebook can use it alone."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from monitor.errors import InputError
from monitor.predictions import arrays
from monitor.predictions.columns import names, numbers
from monitor.predictions.fields import OUTCOME_FIELDS, PREDICTION_FIELDS
from monitor.predictions.readable import flat_table, is_time, readable
from monitor.predictions.times import micros_of_numbers
from monitor.records import Stream, Window
from monitor.sources.dialect import FOUND, Dialect
from monitor.sources.tables import read_table
from monitor.windows import codec, describe, kinds, loss
from monitor.windows.count import count
from monitor.windows.layout import Kind, Layout
from monitor.windows.loss import LossModel
from monitor.windows.outcomes import count_outcomes
from monitor.windows.profile import Profile, blank, merge

DEFAULT = "baseline"
SAMPLE_ROWS = 2000
_CHUNK = 250_000
_PREDICTION_COLUMNS = frozenset(PREDICTION_FIELDS)
_OF_A_SAMPLE = ("sampled", "weight")
"""What the log adds to predictions of which only some are kept whole. Elsewhere a weight is a feature like others."""
_NUMBERS = ("confidence", "latency_ms", "cost", "outcome.feedback", "outcome.delay", "weight")
_OUTCOME_COLUMNS = frozenset({*OUTCOME_FIELDS, "delay"})
_PREFIXES = ("features.", "segments.", "probabilities.", "outcome.")


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """A pinned profile. `name` is `baseline`, or what a seasonal one is called; `span` is the time it covers.

    `loss` says how large a regressor's errors are to be expected; `sample` are some of the rows, for metrics that
    look at several columns at once.
    """

    stream: Stream
    name: str
    created_at: float
    source: str
    layout: Layout
    profile: Profile
    span: Window | None = None
    loss: LossModel | None = None
    sample: pa.RecordBatch | None = None

    @property
    def digest(self) -> str:
        """The hash of what it holds and where that comes from."""
        return hashlib.sha256(
            f"{self.layout.id}{self.source}".encode() + codec.encode(self.profile)
        ).hexdigest()


def from_table(
    stream: Stream,
    table: pa.Table,
    now: float,
    *,
    source: str = "table",
    name: str = DEFAULT,
    overrides: Mapping[str, Kind] | None = None,
    notes: Iterable[str] = (),
) -> Baseline:
    """A baseline from rows. Columns named as in a prediction batch are what they say; all others are features.

    `outcome.truth` (or `truth`) gives the quality to hold later windows against. `notes` is what a person should know.
    """
    named = conform(table)
    if named.num_rows == 0:
        raise InputError("a baseline needs at least one row", hint=f"{source} has none")
    layout = describe.of(named, overrides, [*notes, *_left_out(table, named)])
    some = sample(named, loss.MOST_ROWS)
    return Baseline(
        stream,
        name,
        now,
        source,
        layout,
        count_table(named, layout),
        loss=loss.learn(some, layout),
        sample=sample(pa.Table.from_batches([some]), SAMPLE_ROWS),
    )


def from_file(
    stream: Stream,
    path: Path,
    now: float,
    *,
    name: str = DEFAULT,
    overrides: Mapping[str, Kind] | None = None,
    said: Dialect = FOUND,
) -> Baseline:
    """A baseline from a Parquet, CSV, JSON or Arrow file (or a folder of Parquet files). Lines that are no rows are
    left out, and noted in the layout. `said` is what somebody says of a CSV file.

    Raises:
        InputError: the file is missing, of another format, or empty.
    """
    read = read_table(path, said)
    return from_table(
        stream, read.rows, now, source=str(path), name=name, overrides=overrides, notes=read.notes
    )


def count_table(table: pa.Table, layout: Layout) -> Profile:
    """The profile of a table whose columns are named as in a prediction batch."""
    parts = [blank(layout)]
    for rows in _chunks(table):
        parts.append(count(rows, layout))
        if any(name.startswith("outcome.") for name in table.schema.names):
            parts.append(count_outcomes(rows, layout))
        parts = [merge(parts)]
    return parts[0]


def conform(table: pa.Table) -> pa.Table:
    """Name the columns as in a prediction batch, and bring them to its types; the first of several names counts.

    Objects are columns with a dot. Columns of a type that cannot be measured are left out.
    """
    table = flat_table(table)
    found = {target: typed(target, table.column(index)) for target, index in _targets(table.schema).items()}
    return pa.table({target: column for target, column in found.items() if column is not None})


def sample(table: pa.Table, most: int) -> pa.RecordBatch:
    """At most so many rows, evenly spread."""
    if table.num_rows > most:
        table = table.take(pa.array(np.linspace(0, table.num_rows - 1, most).astype(np.int64)))
    columns = [column.combine_chunks() for column in table.columns]
    return pa.RecordBatch.from_arrays(columns, names=table.schema.names)


def _chunks(table: pa.Table) -> Iterable[pa.RecordBatch]:
    for start in range(0, table.num_rows, _CHUNK):
        part = table.slice(start, _CHUNK).combine_chunks()
        columns = [column.combine_chunks() for column in part.columns]
        yield pa.RecordBatch.from_arrays(columns, names=part.schema.names)


def _left_out(table: pa.Table, named: pa.Table) -> list[str]:
    """What `conform` left out because of its type, in words."""
    schema = flat_table(table.slice(0, 0)).schema
    types, kept = schema.types, set(named.column_names)  # each is a new list whenever it is asked for
    return [
        f"{target} is of type {types[index]}, which cannot be measured"
        for target, index in _targets(schema).items()
        if target not in kept
    ]


def _targets(schema: pa.Schema) -> dict[str, int]:
    """The place of each column by its name in a prediction batch."""
    has_prefixed = any(name.startswith("features.") for name in schema.names)
    targets: dict[str, int] = {}
    for index, name in enumerate(schema.names):
        target = target_of(name, has_prefixed=has_prefixed)
        if target:
            targets.setdefault(target, index)
    return targets


def target_of(name: str, *, has_prefixed: bool) -> str:
    """What a column is called in a prediction batch; empty when it is none of that. Where no column is called
    `features.`, every unknown one is a feature.
    """
    if has_prefixed and name in _OF_A_SAMPLE:
        return name
    if name in _PREDICTION_COLUMNS or name.startswith(_PREFIXES):
        return name
    if name in _OUTCOME_COLUMNS:
        return f"outcome.{name}"
    return "" if has_prefixed else f"features.{name}"


def typed(name: str, column: pa.ChunkedArray) -> pa.Array | None:
    """A column in the type that a prediction batch gives it; None where it is of none that can be measured."""
    array = readable(column.combine_chunks())
    if array is None:
        return None
    if name == "timestamp":
        return _microseconds(array)
    if name in _NUMBERS or name.startswith("probabilities."):
        return _numeric(array)
    if name in ("version", "error") or name.startswith("segments."):
        return _labels(array)
    if name in ("automated", "sampled", "outcome.reviewed", "outcome.corrected"):
        return _truths(array)
    if pa.types.is_string(array.type):
        return kinds.encoded(array)
    if name in ("prediction", "outcome.truth") and pa.types.is_boolean(array.type):
        return array.cast(pa.string()).dictionary_encode()
    return array


def _labels(array: pa.Array) -> pa.Array | None:
    if pa.types.is_list(array.type):
        return None
    return names(array)


def _truths(array: pa.Array) -> pa.Array | None:
    """True and false, also as numbers and words; None where something else stands there."""
    if pa.types.is_dictionary(array.type):
        array = array.cast(pa.string())
    try:
        return array.cast(pa.bool_())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def _numeric(array: pa.Array) -> pa.Array | None:
    """Numbers, also as texts; None where something else stands there."""
    if is_time(array.type) or pa.types.is_list(array.type):
        return None
    found = numbers(array)
    return pa.array(found.values, mask=found.missing | found.unreadable)


def _microseconds(array: pa.Array) -> pa.Array | None:
    if pa.types.is_list(array.type):
        return None
    if is_time(array.type):
        return array.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
    if pa.types.is_integer(array.type) or pa.types.is_floating(array.type):
        micros, fits = micros_of_numbers(arrays.floats(array.cast(pa.float64(), safe=False)))
        return pa.array(micros, mask=~(fits & arrays.valid(array)))
    texts = array.cast(pa.string())
    return pa.array(kinds.times_of_texts(texts) * 1e6, from_pandas=True).cast(pa.int64(), safe=False)
