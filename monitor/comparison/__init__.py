"""Two tables against each other, column by column: in a notebook, in CI, or from the command line.

    from monitor import compare
    compare(reference, current)          # pandas, Polars, Arrow, or paths of Parquet, CSV or Arrow files

One column at a time is in memory, so a file of any width and of some hundred million rows fits.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa

from monitor.comparison.result import ColumnResult, Comparison
from monitor.comparison.source import Source, open_source
from monitor.metrics import MetricSettings, Subject
from monitor.metrics.drift import features, presence
from monitor.metrics.subject import MetricInfo
from monitor.predictions import arrays
from monitor.records import Measurement, Stream, Window, labels
from monitor.windows import describe, kinds
from monitor.windows.count import count_slice
from monitor.windows.layout import Kind, Layout
from monitor.windows.profile import OVERALL, Profile, Slice, empty, merge_slices
from monitor.windows.reference import Baseline

Progress = Callable[[int, int], None]
_STREAM, _WINDOW = Stream("", "comparison"), Window(0, 1)
_SKIPPED = frozenset({"id", "timestamp"})
_OUTPUTS = frozenset({"prediction", "confidence"})
_MOST_REFERENCE_ROWS = 20_000_000


def compare(
    reference: object,
    current: object,
    *,
    kinds_of: Mapping[str, Kind] | None = None,
    settings: MetricSettings | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Measure how far each column of `current` is from the same column of `reference`.

    Both are a pandas or Polars frame, an Arrow table or stream, or the path of a Parquet, CSV or Arrow file.
    `kinds_of` names the kind of single columns where their values mislead. `progress` is told (done, of) columns.

    Raises:
        InputError: a path does not exist or cannot be read, or a value is no table.
    """
    base, new = open_source(reference), open_source(current)
    rules = settings or MetricSettings()
    named = {name: _name(name) for name in base.names if name not in _SKIPPED}
    done = 0
    found: dict[str, tuple[ColumnResult, ...]] = {}
    with ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, 4)) as workers:
        jobs = {
            name: workers.submit(_compare_column, base, new, name, target, dict(kinds_of or {}), rules)
            for name, target in named.items()
        }
        for name, job in jobs.items():
            found[name] = job.result()
            done += 1
            if progress is not None:
                progress(done, len(jobs))
    columns = [result for name in named for result in found[name]]
    added = [name for name in new.names if name not in named and name not in _SKIPPED]
    vanished = [name for name in named if name not in new.names]
    schema = [
        _schema(name, change, new.rows)
        for names, change in ((added, "added"), (vanished, "vanished"))
        for name in names
    ]
    return Comparison(tuple(columns), tuple(schema), base.rows, new.rows, rules.drifted_psi)


def compare_files(
    reference: Path, current: Path, progress: Progress | None = None, settings: MetricSettings | None = None
) -> Comparison:
    """Compare two files, one column at a time (see `compare`)."""
    return compare(reference, current, settings=settings, progress=progress)


def _compare_column(
    base: Source, new: Source, name: str, target: str, chosen: dict[str, Kind], settings: MetricSettings
) -> tuple[ColumnResult, ...]:
    whole = kinds.plain(base.column(name, _MOST_REFERENCE_ROWS))
    kind = chosen.get(name) or kinds.find(whole)
    if kind in (Kind.NUMBER, Kind.INTEGER) and pa.types.is_floating(whole.type):
        whole = _in_order(whole)
    made, notes = describe.describe(target, whole, kind)
    layout = Layout.assemble((), made)
    reference = count_slice(_batch(target, whole), layout, layout.columns)
    del whole
    parts = [
        count_slice(_batch(target, kinds.plain(chunk)), layout, layout.columns) for chunk in new.chunks(name)
    ]
    current = merge_slices(parts) if parts else empty(layout)
    subject = _subject(layout, reference, current, settings)
    measured = [*_only_columns(features.measure(subject)), *_only_columns(presence.measure(subject))]
    return tuple(
        ColumnResult(
            name=name if not column.part else f"{name}#{column.part}",
            kind=column.kind,
            measurements=tuple(m for m in measured if m.labels == features.where(column)),
            expected_psi=_expected_psi(column.cells, reference, current),
            note="; ".join(note.removeprefix("features.") for note in notes),
        )
        for column in layout.columns
    )


def _in_order(column: pa.Array) -> pa.Array:
    """The same values in order, missing ones last: edges and counts then need no sort of their own."""
    return arrays.with_missing_last(np.sort(arrays.floats(column)), column.null_count)


def _subject(layout: Layout, reference: Slice, current: Slice, settings: MetricSettings) -> Subject:
    baseline = Baseline(_STREAM, "reference", 0.0, "", layout, Profile(layout, {OVERALL: reference}))
    return Subject(_STREAM, _WINDOW, Profile(layout, {OVERALL: current}), baseline, settings)


def _only_columns(measured: Iterable[Measurement]) -> Iterator[Measurement]:
    overall = (features.DRIFTED_SHARE.name, presence.SCHEMA_CHANGES.name)
    return (m for m in measured if m.metric not in overall)


def _expected_psi(cells: tuple[int, ...], reference: Slice, current: Slice) -> float:
    """What PSI is by chance alone."""
    n, m = current.rows, reference.rows
    return (len(cells) - 1) * (1 / n + 1 / m) if n and m else 0.0


def _batch(name: str, array: pa.Array) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([array], names=[name])


def _name(name: str) -> str:
    return name if name in _OUTPUTS else f"features.{name.removeprefix('features.')}"


def _schema(name: str, change: str, rows: int) -> Measurement:
    info: MetricInfo = presence.SCHEMA_CHANGES
    at = labels(feature=name.removeprefix("features."), change=change)
    return Measurement(_STREAM, _WINDOW, info.name, 1.0, info.unit, info.better, rows, at)


__all__ = ["ColumnResult", "Comparison", "compare", "compare_files"]
