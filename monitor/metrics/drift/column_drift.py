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
from monitor.metrics.drift.binned_distances import CHI_SQUARE, PSI, BinnedDistances
from monitor.metrics.drift.compared_counts import ComparedCounts, baseline_counts_of, counts_of
from monitor.metrics.drift.distance_plan import DistancePlan, plan_of
from monitor.metrics.drift.ordered_distances import (
    KOLMOGOROV_SMIRNOV,
    MEAN_SHIFT,
    SPREAD_SHIFT,
    OrderedDistances,
)
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
_EVERY = frozenset(info.name for info in INFO)
_NEEDS_PSI = frozenset((PSI.name, CHI_SQUARE.name, DRIFTED_SHARE.name))
_SHIFTS = frozenset((MEAN_SHIFT.name, SPREAD_SHIFT.name))


@dataclass(frozen=True, slots=True)
class SomeDrift:
    """Measures some of the metrics of this family, each as `measure` does, and leaves out what only others need."""

    metrics: frozenset[str]

    def __call__(self, subject: Subject) -> MeasurementTable | list[Measurement]:
        """The measurements of these metrics."""
        return _measure(subject, self.metrics)


@dataclass(frozen=True, slots=True, eq=False)
class _Places:
    """The places of the measurements of the columns that have values in the baseline.

    `columns` are their numbers in the plan, `first` the places of their first measurement. `binned` and `ordered` are
    the distances that are measured, by their numbers in `_BINNED` and `_ORDERED`; they follow each other. `numbers` are
    the positions of number columns in `columns`, `ranks` their positions among the plan's number columns.
    """

    shape: TableSchema
    columns: np.ndarray
    first: np.ndarray
    binned: tuple[int, ...]
    ordered: tuple[int, ...]
    numbers: np.ndarray
    ranks: np.ndarray


_PLACES: WeakKeyDictionary[ComparedCounts, dict[frozenset[str], _Places]] = WeakKeyDictionary()


def measure(subject: Subject) -> MeasurementTable | list[Measurement]:
    """All distances of all columns, and the share of drifted features."""
    return _measure(subject, _EVERY)


def _measure(subject: Subject, metrics: frozenset[str]) -> MeasurementTable | list[Measurement]:
    baseline = subject.baseline
    if baseline is None or baseline.layout.id != subject.profile.layout.id:
        reason = "no baseline" if baseline is None else "the window was counted before the present baseline"
        return [subject.not_measured(DRIFTED_SHARE, reason)]
    plan = plan_of(baseline.layout)
    if not plan.columns:
        return [subject.not_measured(DRIFTED_SHARE, "the baseline has no feature")]
    current = counts_of(plan, subject.profile.overall)
    base = baseline_counts_of(plan, baseline.profile.overall)
    by_metrics = _PLACES.setdefault(base, {})
    places = by_metrics.get(metrics)
    if places is None:
        places = by_metrics[metrics] = _places(plan, base, metrics)
    figures = np.full((len(places.shape.names), FIGURES), np.nan)
    reasons: dict[int, str] = {}
    others: list[Measurement] = []
    rows, needed = current.rows / current.design, subject.settings.min_rows
    if places.binned or DRIFTED_SHARE.name in metrics:
        binned = binned_distances.compare(
            plan, current, base, only_psi=metrics.issubset(_NEEDS_PSI | _SHIFTS)
        )
        reasons |= _put_binned(figures, places, rows, binned, needed)
        others += [_drifted_share(subject, plan, rows, binned)] if DRIFTED_SHARE.name in metrics else []
    if places.ordered:
        only_shifts = metrics.isdisjoint({info.name for info in _ORDERED} - _SHIFTS)
        ordered = ordered_distances.compare(plan, current, base, only_shifts=only_shifts)
        reasons |= _put_ordered(figures, places, rows, current.values / current.design, ordered, needed)
    if PSI.name in metrics:
        others = [*_new_columns(subject, plan, current, base), *others]
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


def _places(plan: DistancePlan, base: ComparedCounts, metrics: frozenset[str]) -> _Places:
    columns = np.flatnonzero(_rows_with_value(plan, base) > 0)
    binned, ordered = (
        tuple(number for number, info in enumerate(infos) if info.name in metrics)
        for infos in (_BINNED, _ORDERED)
    )
    names: list[MeasurementName] = []
    first = []
    for index in columns.tolist():
        column = plan.columns[index]
        first.append(len(names))
        infos = [
            *(_BINNED[one] for one in binned),
            *(_ORDERED[one] for one in ordered if not column.labelled),
        ]
        names += [MeasurementName(info.name, where(column), info.unit, info.better) for info in infos]
    numeric = plan.numeric[columns]
    ranks = (np.cumsum(plan.numeric) - 1)[columns]
    return _Places(
        schema_of(tuple(names)),
        columns,
        np.array(first, np.int64),
        binned,
        ordered,
        np.flatnonzero(numeric),
        ranks[numeric],
    )


def _put_binned(
    figures: np.ndarray, places: _Places, rows: np.ndarray, binned: BinnedDistances, needed: int
) -> dict[int, str]:
    """Write the distances over cells; returns the reasons where there are too few rows."""
    by_cell = (binned.psi, binned.jensen_shannon, binned.hellinger, binned.total_variation, binned.chi_square)
    n = rows[places.columns]
    enough = n >= needed
    at = places.first[:, None] + np.arange(len(places.binned))
    figures[at, N] = n[:, None]
    measured = at[enough]
    for place, number in enumerate(places.binned):
        figures[measured[:, place], VALUE] = by_cell[number][places.columns[enough]]
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
    n_rows, n, ranks = rows[places.columns[places.numbers]], values[places.ranks], places.ranks
    shift, moved = ordered.mean_shift[ranks], ordered.wasserstein[ranks]
    at = places.first[places.numbers, None] + len(places.binned) + np.arange(len(places.ordered))
    enough = n_rows >= needed
    compared = enough & (n >= needed) & ordered.compared[ranks]
    varies = compared & np.isfinite(shift) & ~np.isnan(moved)
    figures[at, N] = np.where(enough, n, n_rows)[:, None]
    for place, number in enumerate(places.ordered):
        known = compared if number == 0 else varies
        _put_one(figures, at[known, place], _ORDERED[number], ordered, ranks[known])
    reasons: dict[int, str] = {}
    for index in np.flatnonzero(~varies).tolist():
        reason_of_rows = too_few(n_rows[index], needed) if not enough[index] else ""
        if not reason_of_rows and n[index] < needed:
            reason_of_rows = too_few(n[index], needed, "rows with a value")
        reason = reason_of_rows or (
            "the baseline's values do not vary" if compared[index] else "the baseline has no value"
        )
        lacking = [at[index, p] for p, number in enumerate(places.ordered) if number or not compared[index]]
        reasons |= dict.fromkeys([int(one) for one in lacking], reason)
    return reasons


def _put_one(
    figures: np.ndarray, at: np.ndarray, info: MetricInfo, ordered: OrderedDistances, ranks: np.ndarray
) -> None:
    """Write one distance of the columns with these ranks."""
    if info is MEAN_SHIFT:
        _put_shift(figures, at, ordered.mean_shift[ranks], ordered.mean_error[ranks], -np.inf)
    elif info is SPREAD_SHIFT:
        _put_shift(figures, at, ordered.spread_shift[ranks], ordered.spread_error[ranks], -1.0)
    else:
        distance = ordered.kolmogorov_smirnov if info is KOLMOGOROV_SMIRNOV else ordered.wasserstein
        figures[at, VALUE], figures[at, P_VALUE] = distance[ranks], ordered.p_value[ranks]


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
