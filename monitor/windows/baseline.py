"""The baseline: the profile that windows are held against, made from a table, a file, or a past period."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from sqlalchemy import Connection

from monitor.errors import InputError, NotFoundError, StoreError
from monitor.predictions import outcomes as joining
from monitor.predictions.batches import concatenate
from monitor.predictions.batches import decode as decode_rows
from monitor.predictions.batches import encode as encode_rows
from monitor.records import Stream, Window
from monitor.store import baselines, predictions
from monitor.store.baselines import StoredBaseline
from monitor.windows import codec, describe, kinds, loss
from monitor.windows import layout as layouts
from monitor.windows.count import count
from monitor.windows.layout import Kind, Layout
from monitor.windows.loss import LossModel
from monitor.windows.outcomes import count_outcomes
from monitor.windows.profile import Profile, blank, merge

DEFAULT = "baseline"
MOST_ROWS = 2_000_000
SAMPLE_ROWS = 2000
_CHUNK = 250_000
_PREDICTION_COLUMNS = frozenset(
    {
        "id",
        "timestamp",
        "version",
        "prediction",
        "confidence",
        "latency_ms",
        "error",
        "automated",
        "cost",
        "sampled",
        "weight",
    }
)
_OUTCOME_COLUMNS = frozenset({"truth", "reviewed", "corrected", "feedback", "delay"})
_PREFIXES = ("features.", "segments.", "probabilities.", "outcome.")


_MOST_KEPT = 256


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
        """The hash of what it holds."""
        return hashlib.sha256(self.layout.id.encode() + codec.encode(self.profile)).hexdigest()


_KEPT: dict[tuple[Stream, str, str], Baseline] = {}
"""Baselines that were read, by what they hold: they never change, only which one is in force does."""


def from_table(
    stream: Stream,
    table: pa.Table,
    now: float,
    *,
    source: str = "table",
    name: str = DEFAULT,
    overrides: Mapping[str, Kind] | None = None,
) -> Baseline:
    """A baseline from rows. Columns named as in a prediction batch are what they say; all others are features.

    `outcome.truth` (or `truth`) gives the quality to hold later windows against.
    """
    named = conform(table)
    if named.num_rows == 0:
        raise InputError("a baseline needs at least one row", hint=f"{source} has none")
    layout = describe.of(named, overrides)
    some = _sample(named, loss.MOST_ROWS)
    return Baseline(
        stream,
        name,
        now,
        source,
        layout,
        count_table(named, layout),
        loss=loss.learn(some, layout),
        sample=_sample(pa.Table.from_batches([some]), SAMPLE_ROWS),
    )


def from_file(
    stream: Stream,
    path: Path,
    now: float,
    *,
    name: str = DEFAULT,
    overrides: Mapping[str, Kind] | None = None,
) -> Baseline:
    """A baseline from a Parquet, CSV or Arrow file (or a folder of Parquet files).

    Raises:
        InputError: the file is missing, of another format, or empty.
    """
    return from_table(stream, read_table(path), now, source=str(path), name=name, overrides=overrides)


def from_period(
    connection: Connection,
    stream: Stream,
    start: float,
    end: float,
    now: float,
    *,
    name: str = DEFAULT,
    overrides: Mapping[str, Kind] | None = None,
) -> Baseline:
    """A baseline from the predictions of the windows that begin in `[start, end)`, with the outcomes known by now.

    The layout is made from the first two million rows; the profile counts them all.

    Raises:
        NotFoundError: the log holds nothing of that period.
    """
    some: list[pa.RecordBatch] = []
    taken = 0
    for stored in predictions.batches(connection, stream, start, end):
        some.append(decode_rows(stored.blob))
        taken += stored.rows
        if taken >= MOST_ROWS:
            break
    if not some:
        raise NotFoundError(
            f"no prediction of {stream} is kept from that period", hint="see `watchkeeper status`"
        )
    layout = describe.of(pa.Table.from_batches([concatenate(some)]), overrides)
    parts: list[Profile] = []
    judged: list[pa.RecordBatch] = []
    for stored in predictions.batches(connection, stream, start, end):
        parts.append(count(decode_rows(stored.blob), layout))
        known = joining.with_known(connection, stored)
        if known is not None:
            parts.append(count_outcomes(known, layout))
            judged += [known] if sum(part.num_rows for part in judged) < loss.MOST_ROWS else []
        parts = [merge(parts)]
    return Baseline(
        stream,
        name,
        now,
        "period",
        layout,
        parts[0],
        Window(int(start), int(end)),
        loss.learn(concatenate(judged), layout) if judged else None,
        _sample(pa.Table.from_batches([concatenate(some)]), SAMPLE_ROWS),
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
    """Name the columns as in a prediction batch, and bring them to its types; the first of several names counts."""
    has_prefixed = any(name.startswith("features.") for name in table.schema.names)
    columns: dict[str, pa.Array] = {}
    for index, name in enumerate(table.schema.names):
        target = _target(name, has_prefixed=has_prefixed)
        if target and target not in columns:
            columns[target] = _typed(target, table.column(index))
    return pa.table(columns)


def read_table(path: Path) -> pa.Table:
    """A file as an Arrow table.

    Raises:
        InputError: the file is missing or of another format.
    """
    try:
        if path.suffix in (".csv", ".tsv"):
            delimiter = "\t" if path.suffix == ".tsv" else ","
            return pa.csv.read_csv(path, parse_options=pa.csv.ParseOptions(delimiter=delimiter))
        if path.suffix in (".arrow", ".feather", ".ipc"):
            return pa.ipc.open_file(path).read_all()
        return pq.read_table(path)
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except (pa.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{path} cannot be read: {reason}", hint="use a Parquet, CSV or Arrow file"
        ) from error


def save(connection: Connection, baseline: Baseline, now: float) -> bool:
    """Write a baseline and its layout; it is in force from now on. False if the very same was so already."""
    baselines.put_layout(connection, baseline.layout.id, layouts.encode(baseline.layout))
    span = baseline.span
    stored = StoredBaseline(
        baseline.stream,
        baseline.name,
        baseline.created_at,
        baseline.source,
        span.start if span else None,
        span.end if span else None,
        baseline.layout.id,
        baseline.digest,
        codec.encode(baseline.profile),
        loss.encode(baseline.loss) if baseline.loss is not None else b"",
        encode_rows(baseline.sample) if baseline.sample is not None else b"",
    )
    return baselines.put(connection, stored, now)


def load(connection: Connection, stream: Stream, name: str = DEFAULT) -> Baseline | None:
    """The baseline of this name in force, or None before there is one."""
    digest = baselines.current_digest(connection, stream, name)
    if digest is None:
        return None
    kept = _KEPT.get((stream, name, digest))
    if kept is not None:
        return kept
    stored = baselines.current(connection, stream, name)
    assert stored is not None
    loaded = _restored(connection, stored)
    while len(_KEPT) >= _MOST_KEPT:
        _KEPT.pop(next(iter(_KEPT)), None)
    _KEPT[(stream, name, digest)] = loaded
    return loaded


def layout_by_id(connection: Connection, identity: str) -> Layout:
    """A layout that was stored with a baseline.

    Raises:
        StoreError: it is not in the store.
    """
    if identity == describe.BARE.id:
        return describe.BARE
    blob = baselines.get_layout(connection, identity)
    if blob is None:
        raise StoreError(
            f"layout {identity} is not in the store", hint="was the store restored only in part?"
        )
    return _decoded_layout(blob)


def _restored(connection: Connection, stored: StoredBaseline) -> Baseline:
    layout = layout_by_id(connection, stored.layout)
    profile = codec.decode(stored.blob, layout)
    span = None if stored.start is None or stored.end is None else Window(stored.start, stored.end)
    return Baseline(
        stored.stream,
        stored.name,
        stored.created_at,
        stored.source,
        layout,
        profile,
        span,
        loss.decode(stored.loss) if stored.loss else None,
        decode_rows(stored.sample) if stored.sample else None,
    )


@lru_cache(maxsize=256)
def _decoded_layout(blob: bytes) -> Layout:
    return layouts.decode(blob)


def _sample(table: pa.Table, most: int) -> pa.RecordBatch:
    """At most so many rows, evenly spread."""
    if table.num_rows > most:
        table = table.take(pa.array(np.linspace(0, table.num_rows - 1, most).astype(np.int64)))
    arrays = [column.combine_chunks() for column in table.columns]
    return pa.RecordBatch.from_arrays(arrays, names=table.schema.names)


def _chunks(table: pa.Table) -> Iterable[pa.RecordBatch]:
    for start in range(0, table.num_rows, _CHUNK):
        part = table.slice(start, _CHUNK).combine_chunks()
        arrays = [column.combine_chunks() for column in part.columns]
        yield pa.RecordBatch.from_arrays(arrays, names=part.schema.names)


def _target(name: str, *, has_prefixed: bool) -> str:
    if name in _PREDICTION_COLUMNS or name.startswith(_PREFIXES):
        return name
    if name in _OUTCOME_COLUMNS:
        return f"outcome.{name}"
    return "" if has_prefixed else f"features.{name}"


def _typed(name: str, column: pa.ChunkedArray) -> pa.Array:
    if name == "timestamp":
        return _microseconds(column)
    array = kinds.plain(column)
    if name in ("version", "error") or name.startswith("segments."):
        texts = array if pa.types.is_dictionary(array.type) else array.cast(pa.string())
        return texts if pa.types.is_dictionary(texts.type) else texts.dictionary_encode()
    if name in ("automated", "sampled", "outcome.reviewed", "outcome.corrected"):
        return array.cast(pa.bool_())
    if pa.types.is_string(array.type) and not name.startswith("features."):
        return array.dictionary_encode()
    if name in ("prediction", "outcome.truth") and pa.types.is_boolean(array.type):
        return array.cast(pa.string()).dictionary_encode()
    return array


def _microseconds(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    if kinds.is_time(array.type):
        return array.cast(pa.timestamp("us")).cast(pa.int64())
    if pa.types.is_integer(array.type):
        return array.cast(pa.int64())
    texts = array.cast(pa.string())
    return pa.array(kinds.times_of_texts(texts) * 1e6, from_pandas=True).cast(pa.int64(), safe=False)
