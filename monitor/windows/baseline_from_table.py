"""Baselines from a table or file. Independent of the database, so that notebooks can use it."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from monitor.errors import InputError
from monitor.predictions.fields import ALL, OUTCOME_FIELDS, PREDICTION_FIELDS, FieldType
from monitor.predictions.intake import item_fields
from monitor.predictions.intake.arrow_types import flat_table, is_time, readable
from monitor.predictions.log.columns import names, numbers
from monitor.records import Stream, Window
from monitor.sources.files.csv_dialect import DETECTED, Dialect
from monitor.sources.files.tables import read_table
from monitor.times.columns import micros_of_column
from monitor.times.reading import DateOrder
from monitor.windows import codec
from monitor.windows.declared.baseline_definitions import NOTHING, DeclaredBaseline, with_declared
from monitor.windows.error_trees import training
from monitor.windows.kernel import loss_model
from monitor.windows.kernel.count_rows import count
from monitor.windows.kernel.loss_model import LossModel
from monitor.windows.kernel.segment_cells import OF_BASELINE
from monitor.windows.layout import build, column_kinds
from monitor.windows.layout import from_table as layout_from_table
from monitor.windows.layout.layout import ColumnKind, Layout
from monitor.windows.outcome_counts import count_outcomes
from monitor.windows.profile import Profile, blank, merge

DEFAULT = "baseline"
SAMPLE_ROWS = 2000
_CHUNK = 250_000
_PREDICTION_COLUMNS = frozenset(PREDICTION_FIELDS)
_SAMPLING_COLUMNS = ("sampled", "weight")
"""Columns that the log adds when it samples features. In other tables, a weight is an ordinary feature."""
_NUMBERS = ("confidence", "latency_ms", "cost", "outcome.feedback", "outcome.delay", "weight")
_OUTCOME_COLUMNS = frozenset({*OUTCOME_FIELDS, "delay"})
_PREFIXES = ("features.", "segments.", "probabilities.", "attributions.", "outcome.", "signals.")


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """A pinned profile. `name` is `baseline`, or the name of a further baseline; `span` is the time range that it
    covers.

    `loss` predicts the size of a regressor's errors. `sample` holds some of the rows, for metrics that combine several
    columns.
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
        """The hash of its layout, source and profile."""
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
    overrides: Mapping[str, ColumnKind] | None = None,
    notes: Iterable[str] = (),
    dates: DateOrder | None = None,
    with_trees: bool = False,
    with_relations: bool = False,
    declared: DeclaredBaseline = NOTHING,
) -> Baseline:
    """Create a baseline from rows. Columns named as in a prediction batch have that meaning; all others are features.

    `outcome.truth` (or `truth`) gives the quality to compare later windows with. `notes` are hints for users. `dates`
    is the order of day and month in dates such as 10/11/2026, if it is configured. `with_trees` learns trees that
    estimate the errors of a regressor, in a process of its own. `with_relations` adds the strongest relations of
    columns to what is counted. `declared` is counted too.

    Raises:
        InputError: the table has no rows.
    """
    named = conform(table)
    if named.num_rows == 0:
        raise InputError("a baseline needs at least one row", hint=f"{source} has no rows")
    all_notes = [*notes, *_dropped_columns(table, named)]
    layout = layout_from_table.of(named, overrides, all_notes, dates, with_relations=with_relations)
    some = sample(named, loss_model.MOST_ROWS)
    if with_trees:
        layout = build.with_errors(layout, *training.learn(sample(named, training.MOST_ROWS), layout))
    return Baseline(
        stream,
        name,
        now,
        source,
        layout,
        _with_declared(count_table(named, layout), named, declared),
        loss=loss_model.learn(some, layout),
        sample=without_items(sample(pa.Table.from_batches([some]), SAMPLE_ROWS)),
    )


def from_file(
    stream: Stream,
    path: Path,
    now: float,
    *,
    name: str = DEFAULT,
    overrides: Mapping[str, ColumnKind] | None = None,
    dialect: Dialect = DETECTED,
    with_relations: bool = False,
    declared: DeclaredBaseline = NOTHING,
) -> Baseline:
    """Create a baseline from a Parquet, CSV, JSON or Arrow file (or a folder of Parquet files).

    Invalid lines are skipped and noted in the layout. `dialect` is the configured format of a CSV file.

    Raises:
        InputError: the file is missing, has another format, or is empty.
    """
    table = read_table(path, dialect)
    return from_table(
        stream,
        table.rows,
        now,
        source=str(path),
        name=name,
        overrides=overrides,
        notes=table.notes,
        dates=dialect.dates,
        with_trees=True,
        with_relations=with_relations,
        declared=declared,
    )


def _with_declared(profile: Profile, table: pa.Table, declared: DeclaredBaseline) -> Profile:
    has_outcomes = any(name.startswith("outcome.") for name in table.schema.names)
    return with_declared(
        profile, lambda: _chunks(table), lambda: _chunks(table) if has_outcomes else (), declared
    )


def count_table(table: pa.Table, layout: Layout) -> Profile:
    """The profile of a table whose columns are named as in a prediction batch."""
    parts = [blank(layout)]
    for rows in _chunks(table):
        parts.append(count(rows, layout, by_segment=OF_BASELINE))
        if any(name.startswith("outcome.") for name in table.schema.names):
            parts.append(count_outcomes(rows, layout))
        parts = [merge(parts)]
    return parts[0]


def conform(table: pa.Table) -> pa.Table:
    """Rename the columns as in a prediction batch and convert them to its types; of several columns with one name, the
    first is used.

    Structs become columns with dotted names. Columns of types that cannot be measured are dropped.
    """
    table = flat_table(table)
    columns = {target: typed(target, table.column(index)) for target, index in _targets(table.schema).items()}
    return pa.table({target: column for target, column in columns.items() if column is not None})


def sample(table: pa.Table, most: int) -> pa.RecordBatch:
    """At most `most` rows, evenly spread."""
    if table.num_rows > most:
        table = table.take(pa.array(np.linspace(0, table.num_rows - 1, most).astype(np.int64)))
    columns = [column.combine_chunks() for column in table.columns]
    return pa.RecordBatch.from_arrays(columns, names=table.schema.names)


def without_items(rows: pa.RecordBatch) -> pa.RecordBatch:
    """The rows of a sample without lists of items, which nothing reads there and which may name persons."""
    names = [name for name in rows.schema.names if _field_of(name) in item_fields.CHECKS]
    return rows.drop_columns(names) if names else rows


def _field_of(name: str) -> FieldType | None:
    field = ALL.get(name.removeprefix("outcome."))
    return None if field is None else field.type


def _chunks(table: pa.Table) -> Iterable[pa.RecordBatch]:
    for start in range(0, table.num_rows, _CHUNK):
        part = table.slice(start, _CHUNK).combine_chunks()
        columns = [column.combine_chunks() for column in part.columns]
        yield pa.RecordBatch.from_arrays(columns, names=part.schema.names)


def _dropped_columns(table: pa.Table, named: pa.Table) -> list[str]:
    """Notes on the columns that `conform` dropped because of their type."""
    schema = flat_table(table.slice(0, 0)).schema
    types, measurable = schema.types, set(named.column_names)  # each access creates a new list
    return [
        f"{target} is of type {types[index]}, which cannot be measured"
        for target, index in _targets(schema).items()
        if target not in measurable
    ]


def _targets(schema: pa.Schema) -> dict[str, int]:
    """The index of each column by its name in a prediction batch."""
    has_prefixed = any(name.startswith("features.") for name in schema.names)
    targets: dict[str, int] = {}
    for index, name in enumerate(schema.names):
        target = target_of(name, has_prefixed=has_prefixed)
        if target:
            targets.setdefault(target, index)
    return targets


def target_of(name: str, *, has_prefixed: bool) -> str:
    """The name of a column in a prediction batch; empty if it has none. If no column starts with `features.`, every
    unknown one is a feature.
    """
    if has_prefixed and name in _SAMPLING_COLUMNS:
        return name
    if name in _PREDICTION_COLUMNS or name.startswith(_PREFIXES):
        return name
    if name in _OUTCOME_COLUMNS:
        return f"outcome.{name}"
    return "" if has_prefixed else f"features.{name}"


def typed(name: str, column: pa.ChunkedArray) -> pa.Array | None:
    """A column in its type in a prediction batch; None if that type cannot be measured."""
    kind = _field_of(name)
    if kind is not None and kind in item_fields.CHECKS:
        return item_fields.column(kind, column.combine_chunks())
    array = readable(column.combine_chunks())
    if array is None:
        return None
    if name == "timestamp":
        return micros_of_column(array)
    if name in _NUMBERS or name.startswith(("probabilities.", "attributions.")):
        return _numeric(array)
    if name in ("version", "error") or name.startswith("segments."):
        return _labels(array)
    if name in ("automated", "sampled", "outcome.reviewed", "outcome.corrected"):
        return _booleans(array)
    if pa.types.is_string(array.type):
        return column_kinds.encoded(array)
    if name in ("prediction", "outcome.truth") and pa.types.is_boolean(array.type):
        return array.cast(pa.string()).dictionary_encode()
    return array


def _labels(array: pa.Array) -> pa.Array | None:
    if pa.types.is_list(array.type):
        return None
    return names(array)


def _booleans(array: pa.Array) -> pa.Array | None:
    """Booleans, also from numbers and words; None if other values occur."""
    if pa.types.is_dictionary(array.type):
        array = array.cast(pa.string())
    try:
        return array.cast(pa.bool_())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def _numeric(array: pa.Array) -> pa.Array | None:
    """Numbers, also from texts; None if the type is not numeric."""
    if is_time(array.type) or pa.types.is_list(array.type):
        return None
    parsed = numbers(array)
    return pa.array(parsed.values, mask=parsed.missing | parsed.unreadable)
