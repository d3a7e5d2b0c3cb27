"""Drift of each input, of the prediction and of the confidence: all distances of a window from its baseline.

The distances are in `binned_distances` (PSI, Jensen-Shannon, chi-square, ...) and `ordered_distances`
(Kolmogorov-Smirnov, Wasserstein, mean shift). This module writes them into one table and counts the drifted features.
"""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from monitor.measurement_table import (
    FIGURES,
    HIGH,
    LOW,
    P_VALUE,
    VALUE,
    MeasurementName,
    MeasurementTable,
    N,
    TableSchema,
    merge_tables,
    schema_of,
    table_of,
)
from monitor.metrics import intervals
from monitor.metrics.drift import binned_distances, ordered_distances
from monitor.metrics.drift.binned_distances import PSI, BinnedDistances
from monitor.metrics.drift.compared_counts import ComparedCounts, baseline_counts_of, counts_of
from monitor.metrics.drift.distance_plan import DistancePlan, plan_of
from monitor.metrics.drift.ordered_distances import OrderedDistances
from monitor.metrics.intervals import Z
from monitor.metrics.metric import MetricInfo, Subject, too_few
from monitor.records import Better, Labels, Measurement, labels
from monitor.windows.layout.layout import Column

DRIFTED_SHARE = MetricInfo(
    "drifted_share", "share", Better.LOWER, "Share of the features whose PSI exceeds the configured limit.", (),
    "features with psi - expected psi >= drifted_psi / features measured", "a baseline",
)  # fmt: skip
_BINNED = binned_distances.INFO
_ORDERED = ordered_distances.INFO
INFO = (*_BINNED, *_ORDERED, DRIFTED_SHARE)


@dataclass(frozen=True, slots=True, eq=False)
class _Places:
    """The places of the measurements of the columns that have values in the baseline.

    `columns` are their numbers in the plan, `first` the places of their PSI, after which the other distances follow.
    `numbers` are the positions of number columns in `columns`, `ranks` their positions among the plan's number columns.
    """

    shape: TableSchema
    columns: np.ndarray
    first: np.ndarray
    numbers: np.ndarray
    ranks: np.ndarray


_PLACES: WeakKeyDictionary[ComparedCounts, _Places] = WeakKeyDictionary()


def measure(subject: Subject) -> MeasurementTable | list[Measurement]:
    """All distances of all columns, and the share of drifted features."""
    baseline = subject.baseline
    if baseline is None or baseline.layout.id != subject.profile.layout.id:
        reason = "no baseline" if baseline is None else "the window was counted before the present baseline"
        return [subject.not_measured(DRIFTED_SHARE, reason)]
    plan = plan_of(baseline.layout)
    if not plan.columns:
        return [subject.not_measured(DRIFTED_SHARE, "the baseline has no feature")]
    current = counts_of(plan, subject.profile.overall)
    base = baseline_counts_of(plan, baseline.profile.overall)
    places = _PLACES.get(base)
    if places is None:
        places = _PLACES[base] = _places(plan, base)
    binned, ordered = (
        binned_distances.compare(plan, current, base),
        ordered_distances.compare(plan, current, base),
    )
    rows = current.rows / current.design
    others = [*_new_columns(subject, plan, current, base), _drifted_share(subject, plan, rows, binned)]
    figures = np.full((len(places.shape.names), FIGURES), np.nan)
    reasons = _put_binned(figures, places, rows, binned, subject.settings.min_rows)
    values = current.values / current.design
    reasons |= _put_ordered(figures, places, rows, values, ordered, subject.settings.min_rows)
    block = MeasurementTable(subject.stream, subject.window, places.shape, figures, reasons)
    return merge_tables([block, table_of(subject.stream, subject.window, others)])


def where(column: Column) -> Labels:
    """The labels that name a column."""
    if column.feature:
        return labels(feature=column.feature)
    return labels(output=column.name)


def _rows_with_value(plan: DistancePlan, side: ComparedCounts) -> np.ndarray:
    """Rows with a value per column, shape (columns,)."""
    return np.asarray(side.rows - side.cells[plan.first_cell])


def _places(plan: DistancePlan, base: ComparedCounts) -> _Places:
    columns = np.flatnonzero(_rows_with_value(plan, base) > 0)
    names: list[MeasurementName] = []
    first = []
    for index in columns.tolist():
        column = plan.columns[index]
        first.append(len(names))
        for info in (*_BINNED, *(() if column.labelled else _ORDERED)):
            names.append(MeasurementName(info.name, where(column), info.unit, info.better))
    numeric = plan.numeric[columns]
    ranks = (np.cumsum(plan.numeric) - 1)[columns]
    return _Places(
        schema_of(tuple(names)), columns, np.array(first, np.int64), np.flatnonzero(numeric), ranks[numeric]
    )


def _put_binned(
    figures: np.ndarray, places: _Places, rows: np.ndarray, binned: BinnedDistances, needed: int
) -> dict[int, str]:
    """Write the distances over cells; returns the reasons where there are too few rows."""
    by_cell = (binned.psi, binned.jensen_shannon, binned.hellinger, binned.total_variation, binned.chi_square)
    n = rows[places.columns]
    enough = n >= needed
    at = places.first[:, None] + np.arange(len(_BINNED))
    figures[at, N] = n[:, None]
    measured = at[enough]
    figures[measured, VALUE] = np.stack(by_cell, axis=1)[places.columns[enough]]
    figures[measured, P_VALUE] = binned.p_value[places.columns[enough], None]
    lacking = zip(at[~enough].tolist(), n[~enough].tolist(), strict=True)
    return {place: too_few(count, needed) for some, count in lacking for place in some}


def _put_ordered(
    figures: np.ndarray,
    places: _Places,
    rows: np.ndarray,
    values: np.ndarray,
    ordered: OrderedDistances,
    needed: int,
) -> dict[int, str]:
    """Write the distances over ordered values, and the shifts; returns the reasons where they cannot be measured."""
    n_rows, n = rows[places.columns[places.numbers]], values[places.ranks]
    distance, p_value, moved, shift, shift_error, spread, spread_error = (
        part[places.ranks] for part in (
            ordered.kolmogorov_smirnov, ordered.p_value, ordered.wasserstein, ordered.mean_shift,
            ordered.mean_error, ordered.spread_shift, ordered.spread_error,
        )
    )  # fmt: skip
    at = places.first[places.numbers, None] + len(_BINNED) + np.arange(len(_ORDERED))
    enough = n_rows >= needed
    compared = enough & (n >= needed) & ~np.isnan(distance)
    varies = compared & np.isfinite(shift) & ~np.isnan(moved)
    figures[at, N] = np.where(enough, n, n_rows)[:, None]
    figures[at[compared, 0], VALUE] = distance[compared]
    figures[at[compared, 0], P_VALUE] = p_value[compared]
    figures[at[varies, 1], VALUE] = moved[varies]
    figures[at[varies, 1], P_VALUE] = p_value[varies]
    _put_shift(figures, at[varies, 2], shift[varies], shift_error[varies], -np.inf)
    _put_shift(figures, at[varies, 3], spread[varies], spread_error[varies], -1.0)
    reasons: dict[int, str] = {}
    for index in np.flatnonzero(~varies).tolist():
        reason_of_rows = too_few(n_rows[index], needed) if not enough[index] else ""
        if not reason_of_rows and n[index] < needed:
            reason_of_rows = too_few(n[index], needed, "rows with a value")
        reason = reason_of_rows or (
            "the baseline's values do not vary" if compared[index] else "the baseline has no value"
        )
        reasons |= dict.fromkeys(at[index, int(compared[index]) :].tolist(), reason)
    return reasons


def _put_shift(
    figures: np.ndarray, at: np.ndarray, shift: np.ndarray, error: np.ndarray, lowest: float
) -> None:
    """Write shifts with their intervals, and the p-values that they are zero."""
    figures[at, VALUE] = shift
    figures[at, LOW] = np.maximum(shift - Z * error, lowest)
    figures[at, HIGH] = shift + Z * error
    sure = error > 0
    figures[at, P_VALUE] = 1.0
    figures[at[sure], P_VALUE] = intervals.two_sided_each(shift[sure] / error[sure])


def _new_columns(
    subject: Subject, plan: DistancePlan, current: ComparedCounts, base: ComparedCounts
) -> list[Measurement]:
    """Columns that have values now and had none in the baseline."""
    new = np.flatnonzero((_rows_with_value(plan, base) <= 0) & (_rows_with_value(plan, current) > 0))
    rows = current.rows / current.design
    reason = "the baseline has no value"
    return [
        subject.not_measured(PSI, reason, float(rows[index]), where=where(plan.columns[index]))
        for index in new.tolist()
    ]


def _drifted_share(
    subject: Subject, plan: DistancePlan, rows: np.ndarray, binned: BinnedDistances
) -> Measurement:
    enough = plan.features & (rows >= subject.settings.min_rows)
    n = float(enough.sum())
    if n == 0:
        largest = float(rows.max(initial=0.0))
        return subject.not_measured(DRIFTED_SHARE, too_few(largest, subject.settings.min_rows), largest)
    beyond = float(((binned.psi - binned.expected_psi >= subject.settings.drifted_psi) & enough).sum())
    return subject.ok(DRIFTED_SHARE, beyond / n, n, interval=intervals.wilson(beyond, n))
