"""Rehearses the drift decision on your own data: learns from its first part and evaluates the rest.

    from watchkeeper import rehearse
    rehearse("last-quarter.parquet", time="scored_at")     # pandas, Polars, Arrow, or the path of a file

Nothing is stored and nobody is notified. The decision is the daemon's own (`monitor.drift`), so it raises the same
incidents. The whole table is in memory.
"""

from collections.abc import Callable, Collection, Mapping

import numpy as np

from monitor import drift
from monitor.clock import iso
from monitor.config.units import MINUTE, format_duration
from monitor.drift import replay as replaying
from monitor.drift import window_length
from monitor.drift.explain import detection_delay
from monitor.drift.learning import is_special, learn
from monitor.drift.profile_columns import Adapter, adapter
from monitor.errors import InputError
from monitor.records import Window
from monitor.rehearsal.evaluation import evaluate_windows
from monitor.rehearsal.ordered_table import OrderedRows, read
from monitor.rehearsal.result import Rehearsal
from monitor.sources.files.csv_dialect import dialect
from monitor.windows.kernel.count_rows import count
from monitor.windows.layout import from_table
from monitor.windows.layout.layout import ColumnKind, Layout

Progress = Callable[[int, int], None]
_MIN_WINDOW_SECONDS = 60


def rehearse(
    data: object,
    *,
    time: str = "timestamp",
    settings: drift.DriftSettings | None = None,
    ignore: Collection[str] = (),
    kinds_of: Mapping[str, ColumnKind] | None = None,
    progress: Progress = lambda _done, _of: None,
    separator: str = "",
    encoding: str = "",
    dates: str = "",
) -> Rehearsal:
    """Learn from the first `settings.reference` seconds of a table (at most half of it), and evaluate the rest.

    `time` is the column with the time of each row; `prediction` and `confidence` are outputs, every other column that
    is not in `ignore` is a feature. `kinds_of` sets the type of single columns whose values mislead. `progress` is
    called with (done, total) windows. `separator` and `encoding` of a CSV file are detected where that is safe; `dates`
    (`day-first`, `month-first`) is the order in dates such as 10/11/2026 if their values do not determine it.

    Raises:
        InputError: the file cannot be read, has no such column, is too short to learn from, or the date order is
            unknown.
    """
    rules = settings or drift.DriftSettings()
    configured = dialect(separator, encoding, dates)
    history = read(data, time, ignore, configured)
    split = history.start + min(rules.reference, (history.end - history.start) / 2)
    reference_rows = history.rows(history.start, split)
    layout = from_table.of(reference_rows, kinds_of, dates=configured.dates, with_relations=True)
    columns_adapter = adapter(layout)
    starts = np.unique(history.seconds[history.seconds < split] // MINUTE) * MINUTE
    seconds = window_length.length(
        reference_rows.num_rows, split - history.start, _MIN_WINDOW_SECONDS, rules, starts
    )
    windows = _count(history, layout, columns_adapter, seconds, rules, progress)
    reference_windows = [counts for counts in windows if counts.window.end <= split]
    if len(reference_windows) < window_length.least_windows(seconds):
        raise InputError(
            _too_few(len(reference_windows), seconds, history),
            hint="set a longer reference, or shorter windows",
        )
    calibration = learn(columns_adapter.columns, reference_windows, rules.budget, rules)
    limit = rules.budget.limit(seconds, calibration.raised)
    limits = drift.limits(calibration.columns, limit, rules.importance, calibration.silent)
    return Rehearsal(
        learned=Window(calibration.start, calibration.end),
        learned_windows=len(reference_windows),
        seconds=seconds,
        columns=history.columns,
        untimed=history.untimed,
        notes=history.notes,
        meaning=detection_delay.meaning(calibration, limits, rules.budget),
        raised=calibration.raised,
        note=replaying.too_little(calibration.start, calibration.end, len(reference_windows), seconds),
        judged=tuple(counts.window for counts in windows[len(reference_windows) :]),
        incidents=tuple(
            evaluate_windows(calibration, limits, rules.budget, windows[len(reference_windows) :])
        ),
    )


def _count(
    history: OrderedRows,
    layout: Layout,
    columns_adapter: Adapter,
    seconds: int,
    settings: drift.DriftSettings,
    progress: Progress,
) -> list[drift.WindowCounts]:
    """The counts of each window that has rows and is not a special day, sorted."""
    measured_windows = [window for window in history.windows(seconds) if not is_special(window, settings)]
    counted = []
    for done, window in enumerate(measured_windows, 1):
        for rows in history.rows(window.start, window.end).combine_chunks().to_batches():
            counted.append(columns_adapter.counts(count(rows, layout), window))
        progress(done, len(measured_windows))
    return counted


def _too_few(windows: int, seconds: int, history: OrderedRows) -> str:
    span = f"{iso(history.start)} to {iso(history.end)}"
    return (
        f"only {windows} windows of {format_duration(seconds)} to learn from (the rows are from {span}), "
        f"and {window_length.least_windows(seconds)} are needed"
    )


__all__ = ["Rehearsal", "rehearse"]
