"""Drift of each input, and of the model's answers and confidence: distances, tests, shifts in standard units."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from monitor.metrics import intervals
from monitor.metrics.drift import distances
from monitor.metrics.drift.distances import Binned, Ordered
from monitor.metrics.drift.plan import Plan, plan_of
from monitor.metrics.intervals import Z
from monitor.metrics.subject import MetricInfo, Subject, too_few
from monitor.records import Better, Labels, Measurement, labels
from monitor.windows.layout import Column

_WHERE = ("feature", "output")
_CELLS = "over missing, the baseline's deciles (or most frequent labels) and new labels"
PSI = MetricInfo(
    "psi", "", Better.LOWER, "Population stability index: below 0.1 alike, above 0.2 changed.", _WHERE,
    f"sum (p - q) ln(p / q) {_CELLS}, half a row added to each", "a baseline", "Siddiqi 2006",
)  # fmt: skip
JENSEN_SHANNON = MetricInfo(
    "jensen_shannon", "", Better.LOWER, "Jensen-Shannon distance, 0 (alike) to 1 (nothing in common).", _WHERE,
    f"square root of the divergence in bits {_CELLS}", "a baseline", "Lin 1991; Endres and Schindelin 2003",
)  # fmt: skip
HELLINGER = MetricInfo(
    "hellinger", "", Better.LOWER, "Hellinger distance, 0 to 1.", _WHERE,
    f"square root of 1 - sum sqrt(p q) {_CELLS}", "a baseline",
)  # fmt: skip
TOTAL_VARIATION = MetricInfo(
    "total_variation", "share", Better.LOWER, "Share of the rows that would have to move to make both alike.",
    _WHERE, f"half the sum of |p - q| {_CELLS}", "a baseline",
)  # fmt: skip
CHI_SQUARE = MetricInfo(
    "chi_square", "", Better.LOWER, "Chi-square of window against baseline; its p-value says if chance explains it.",
    _WHERE, f"Pearson's contingency statistic {_CELLS}, both sides counted as samples", "a baseline", "Pearson 1900",
)  # fmt: skip
KOLMOGOROV_SMIRNOV = MetricInfo(
    "kolmogorov_smirnov", "", Better.LOWER, "Largest gap between the two distribution functions, 0 to 1.", _WHERE,
    "largest |F - G| at the edges of up to 1,000 buckets", "a baseline; numbers", "Smirnov 1948; Stephens 1970",
)  # fmt: skip
WASSERSTEIN = MetricInfo(
    "wasserstein", "standard deviations", Better.LOWER,
    "How far values moved on average, in the baseline's standard deviations.", _WHERE,
    "area between the distribution functions / standard deviation, and at least |mean shift|",
    "a baseline; numbers",
)  # fmt: skip
MEAN_SHIFT = MetricInfo(
    "mean_shift", "standard deviations", Better.NONE, "How far the mean moved, and which way.", _WHERE,
    "(mean - baseline's mean) / baseline's standard deviation", "a baseline; numbers",
)  # fmt: skip
SPREAD_SHIFT = MetricInfo(
    "spread_shift", "share", Better.NONE, "How much wider (above 0) or narrower values became.", _WHERE,
    "standard deviation / baseline's - 1", "a baseline; numbers",
)  # fmt: skip
DRIFTED_SHARE = MetricInfo(
    "drifted_share", "share", Better.LOWER, "Share of the features whose PSI is beyond the line set for it.", (),
    "features with psi - expected psi >= drifted_psi / features measured", "a baseline",
)  # fmt: skip
_BINNED = (PSI, JENSEN_SHANNON, HELLINGER, TOTAL_VARIATION, CHI_SQUARE)
_ORDERED = (KOLMOGOROV_SMIRNOV, WASSERSTEIN, MEAN_SHIFT, SPREAD_SHIFT)
INFO = (*_BINNED, *_ORDERED, DRIFTED_SHARE)


class _Row(NamedTuple):
    """One column's figures."""

    where: Labels
    n: float
    values: float
    binned: tuple[float, float, float, float, float, float]
    ordered: tuple[float, float, float, float, float, float, float] | None


def measure(subject: Subject) -> Iterator[Measurement]:
    """Every distance of every column, and the share of features that drifted."""
    baseline = subject.baseline
    if baseline is None or baseline.layout.id != subject.profile.layout.id:
        reason = "no baseline" if baseline is None else "the window was counted before the present baseline"
        yield subject.not_measured(DRIFTED_SHARE, reason)
        return
    plan = plan_of(baseline.layout)
    if not plan.columns:
        yield subject.not_measured(DRIFTED_SHARE, "the baseline has no feature")
        return
    current = distances.side_of(plan, subject.profile.overall)
    base = distances.reference(plan, baseline.profile.overall)
    binned, ordered = distances.binned(plan, current, base), distances.ordered(plan, current, base)
    rows = current.rows / current.design
    given = [side.rows - side.cells[plan.first_cell] for side in (base, current)]  # rows with a value
    table = _rows(plan, rows, current.values / current.design, binned, ordered)
    for row, before, after in zip(table, given[0].tolist(), given[1].tolist(), strict=True):
        if before > 0:
            yield from _measure_column(subject, row)
        elif after > 0:
            yield subject.not_measured(PSI, "the baseline has no value", row.n, where=row.where)
    yield _drifted_share(subject, plan, rows, binned)


def where(column: Column) -> Labels:
    """The labels that name a column."""
    if column.feature:
        return labels(feature=column.feature)
    return labels(output=column.name)


def _rows(
    plan: Plan, rows: np.ndarray, values: np.ndarray, binned: Binned, ordered: Ordered
) -> Iterator[_Row]:
    by_cell = (binned.psi, binned.jensen_shannon, binned.hellinger, binned.total_variation, binned.chi_square)
    cells = np.stack([*by_cell, binned.p_value], axis=1).tolist()
    o = ordered
    table = np.stack(
        [
            o.kolmogorov_smirnov, o.p_value, o.wasserstein, o.mean_shift, o.mean_error, o.spread_shift, o.spread_error
        ],
        axis=1,
    ).tolist()  # fmt: skip
    number = 0
    for index, column in enumerate(plan.columns):
        if column.labelled:
            yield _Row(where(column), float(rows[index]), float(rows[index]), tuple(cells[index]), None)
        else:
            yield _Row(
                where(column),
                float(rows[index]),
                float(values[number]),
                tuple(cells[index]),
                tuple(table[number]),
            )
            number += 1


def _measure_column(subject: Subject, row: _Row) -> Iterator[Measurement]:
    needed = subject.settings.min_rows
    if row.n < needed:
        for info in (*_BINNED, *(_ORDERED if row.ordered else ())):
            yield subject.not_measured(info, too_few(row.n, needed), row.n, where=row.where)
        return
    p_value = row.binned[5]
    for info, value in zip(_BINNED, row.binned[:5], strict=True):
        yield subject.ok(info, value, row.n, where=row.where, p_value=p_value)
    if row.ordered is None:
        return
    if row.values < needed:
        for info in _ORDERED:
            reason = too_few(row.values, needed, "rows with a value")
            yield subject.not_measured(info, reason, row.values, where=row.where)
        return
    yield from _measure_order(subject, row, row.ordered)


def _measure_order(
    subject: Subject, row: _Row, figures: tuple[float, float, float, float, float, float, float]
) -> Iterator[Measurement]:
    distance, p_value, moved, shift, shift_error, spread, spread_error = figures
    if math.isnan(distance):
        for info in _ORDERED:
            yield subject.not_measured(info, "the baseline has no value", row.values, where=row.where)
        return
    yield subject.ok(KOLMOGOROV_SMIRNOV, distance, row.values, where=row.where, p_value=p_value)
    if math.isnan(shift) or math.isinf(shift) or math.isnan(moved):
        for info in (WASSERSTEIN, MEAN_SHIFT, SPREAD_SHIFT):
            reason = "the baseline's values do not vary"
            yield subject.not_measured(info, reason, row.values, where=row.where)
        return
    yield subject.ok(WASSERSTEIN, moved, row.values, where=row.where, p_value=p_value)
    interval = (shift - Z * shift_error, shift + Z * shift_error)
    test = intervals.two_sided(shift / shift_error) if shift_error > 0 else 1.0
    yield subject.ok(MEAN_SHIFT, shift, row.values, where=row.where, interval=interval, p_value=test)
    interval = (max(spread - Z * spread_error, -1.0), spread + Z * spread_error)
    test = intervals.two_sided(spread / spread_error) if spread_error > 0 else 1.0
    yield subject.ok(SPREAD_SHIFT, spread, row.values, where=row.where, interval=interval, p_value=test)


def _drifted_share(subject: Subject, plan: Plan, rows: np.ndarray, binned: Binned) -> Measurement:
    features = np.array([bool(column.feature) for column in plan.columns])
    enough = features & (rows >= subject.settings.min_rows)
    n = float(enough.sum())
    if n == 0:
        most = float(rows.max(initial=0.0))
        return subject.not_measured(DRIFTED_SHARE, too_few(most, subject.settings.min_rows), most)
    beyond = float(((binned.psi - binned.expected_psi >= subject.settings.drifted_psi) & enough).sum())
    return subject.ok(DRIFTED_SHARE, beyond / n, n, interval=intervals.wilson(beyond, n))
