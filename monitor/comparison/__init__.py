"""Two tables against each other, column by column: in a notebook, in CI, or from the command line.

    from monitor import compare
    compare(reference, current)          # pandas, Polars, Arrow, or paths of files

One column at a time is in memory, so a file of any width and of some hundred million rows fits.
"""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from monitor.comparison.counting import STREAM, WINDOW, Counted, count_column, measure_columns
from monitor.comparison.result import ColumnResult, Comparison
from monitor.comparison.source import open_source
from monitor.metrics import MetricSettings
from monitor.metrics.drift import presence
from monitor.metrics.subject import MetricInfo
from monitor.records import Measurement, labels
from monitor.sources.dialect import dialect
from monitor.windows.layout import Kind

Progress = Callable[[int, int], None]
_SKIPPED = frozenset({"id", "timestamp"})
_OUTPUTS = frozenset({"prediction", "confidence"})
_TOGETHER = 64
"""Columns that are measured together: measuring costs by the call more than by the column."""


def compare(
    reference: object,
    current: object,
    *,
    kinds_of: Mapping[str, Kind] | None = None,
    settings: MetricSettings | None = None,
    progress: Progress | None = None,
    separator: str = "",
    encoding: str = "",
) -> Comparison:
    """Measure how far each column of `current` is from the same column of `reference`.

    Both are a pandas or Polars frame, an Arrow table or stream, or the path of a Parquet, CSV, JSON or Arrow file.
    `kinds_of` names the kind of single columns where their values mislead. `progress` is told (done, of) columns.
    `separator` and `encoding` of CSV files are found where that is safe; here they can be said.

    Raises:
        InputError: a path does not exist or cannot be read, or a value is no table.
    """
    said = dialect(separator, encoding)
    base, new = open_source(reference, said), open_source(current, said)
    rules = settings or MetricSettings()
    named = {name: _name(name) for name in base.names if name not in _SKIPPED}
    columns: list[ColumnResult] = []
    counted: list[Counted] = []
    with ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, 4)) as workers:
        jobs = [
            workers.submit(count_column, base, new, name, target, dict(kinds_of or {}))
            for name, target in named.items()
        ]
        for done, job in enumerate(jobs, 1):
            counted.append(job.result())
            if len(counted) == _TOGETHER or done == len(jobs):
                columns += measure_columns(counted, rules)
                counted.clear()
            if progress is not None:
                progress(done, len(jobs))
    added = [name for name in new.names if name not in named and name not in _SKIPPED]
    vanished = [name for name in named if name not in new.names]
    schema = [
        _schema(name, change, new.rows)
        for names, change in (
            (added, "added"),
            (vanished, "vanished"),
            (sorted({*base.repeated, *new.repeated}), "repeated, the first column of this name counts"),
        )
        for name in names
    ]
    notes = (*base.notes, *new.notes)
    return Comparison(tuple(columns), tuple(schema), base.rows, new.rows, rules.drifted_psi, notes)


def _name(name: str) -> str:
    return name if name in _OUTPUTS else f"features.{name.removeprefix('features.')}"


def _schema(name: str, change: str, rows: int) -> Measurement:
    info: MetricInfo = presence.SCHEMA_CHANGES
    at = labels(feature=name.removeprefix("features."), change=change)
    return Measurement(STREAM, WINDOW, info.name, 1.0, info.unit, info.better, rows, at)


__all__ = ["ColumnResult", "Comparison", "compare"]
