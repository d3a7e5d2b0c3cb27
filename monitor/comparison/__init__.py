"""Compares two tables column by column: in a notebook, in CI, or from the command line.

    from watchkeeper import compare
    compare(reference, current)          # pandas, Polars, Arrow, or paths of files

One column at a time is in memory, so files of any width and of some hundred million rows fit.
"""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from monitor.comparison.counts import STREAM, WINDOW, CountedColumn, count_column, measure_columns
from monitor.comparison.result import ColumnResult, Comparison
from monitor.comparison.tables import open_source
from monitor.metrics import MetricSettings
from monitor.metrics.drift import presence
from monitor.metrics.metric import MetricInfo
from monitor.records import Measurement, labels
from monitor.sources.files.csv_dialect import dialect
from monitor.windows.layout.layout import ColumnKind

Progress = Callable[[int, int], None]
_SKIPPED = frozenset({"id", "timestamp"})
_OUTPUTS = frozenset({"prediction", "confidence"})
_PICTURED = 200
"""Maximum number of columns that keep their counts for a picture."""
_TOGETHER = 64
"""Columns that are measured in one call: the cost per call is larger than that per column."""


def compare(
    reference: object,
    current: object,
    *,
    kinds_of: Mapping[str, ColumnKind] | None = None,
    settings: MetricSettings | None = None,
    progress: Progress | None = None,
    separator: str = "",
    encoding: str = "",
    dates: str = "",
) -> Comparison:
    """Measure how far each column of `current` is from the same column of `reference`.

    Both are a pandas or Polars frame, an Arrow table or stream, or the path of a Parquet, CSV, JSON or Arrow file.
    `kinds_of` names the kind of single columns where their values mislead. `progress` is told (done, of) columns.
    `separator` and `encoding` of CSV files are found where that is safe, and so is the order of day and month in
    `dates` (`day-first`, `month-first`); here they can be said.

    Raises:
        InputError: a path does not exist or cannot be read, or a value is no table.
    """
    csv_dialect = dialect(separator, encoding, dates)
    base, new = open_source(reference, csv_dialect), open_source(current, csv_dialect)
    rules = settings or MetricSettings()
    named = {name: _name(name) for name in base.names if name not in _SKIPPED}
    columns: list[ColumnResult] = []
    counted: list[CountedColumn] = []
    rewritten: list[str] = []
    pictured: list[int] = []
    with ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, 4)) as workers:
        jobs = [
            workers.submit(count_column, base, new, name, target, dict(kinds_of or {}), csv_dialect.dates)
            for name, target in named.items()
        ]
        for done, job in enumerate(jobs, 1):
            counted.append(job.result())
            if len(counted) == _TOGETHER or done == len(jobs):
                measured = measure_columns(counted, rules)
                added = range(len(columns), len(columns) + len(measured))
                columns += measured
                pictured = _keep_counts(columns, [*pictured, *added])
                rewritten += [one.name for one in counted if one.is_rewritten]
                counted.clear()
            if progress is not None:
                progress(done, len(jobs))
    appeared = [name for name in new.names if name not in named and name not in _SKIPPED]
    vanished = [name for name in named if name not in new.names]
    schema = [
        _schema(name, change, new.rows)
        for names, change in (
            (appeared, "added"),
            (vanished, "vanished"),
            (rewritten, "notation"),
            (sorted({*base.repeated, *new.repeated}), "repeated, the first column of this name counts"),
        )
        for name in names
    ]
    notes = (*base.notes, *new.notes)
    return Comparison(tuple(columns), tuple(schema), base.rows, new.rows, rules.drifted_psi, notes)


def _keep_counts(columns: list[ColumnResult], candidates: list[int]) -> list[int]:
    """Drop the counts of all candidates but the most different ones, which get a picture. Returns the
    places of those.
    """
    ranked = sorted(candidates, key=lambda place: -columns[place].distance)
    for place in ranked[_PICTURED:]:
        columns[place] = replace(columns[place], counts=None)
    return ranked[:_PICTURED]


def _name(name: str) -> str:
    return name if name in _OUTPUTS else f"features.{name.removeprefix('features.')}"


def _schema(name: str, change: str, rows: int) -> Measurement:
    info: MetricInfo = presence.SCHEMA_CHANGES
    at = labels(feature=name.removeprefix("features."), change=change)
    return Measurement(STREAM, WINDOW, info.name, 1.0, info.unit, info.better, rows, at)


__all__ = ["ColumnResult", "Comparison", "compare"]
