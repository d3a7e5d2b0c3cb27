"""Values that are missing, unreadable, never seen before, or out of the baseline's range; columns that come or go."""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from monitor.measurement_table import (
    BASELINE,
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
from monitor.metrics.drift.column_drift import where
from monitor.metrics.metric import MetricInfo, Subject, too_few
from monitor.records import Better, Measurement, labels
from monitor.windows.kernel import unknown_columns
from monitor.windows.layout.layout import (
    ABOVE,
    BELOW,
    MINUS_INFINITY,
    MISSING,
    NAN,
    NEW,
    PLUS_INFINITY,
    UNREADABLE,
    Column,
    ColumnKind,
    Layout,
)
from monitor.windows.profile import NOTATION, Slice

_WHERE = ("feature", "output")
MISSING_SHARE = MetricInfo(
    "missing_share", "share", Better.LOWER, "Share of the rows without a usable value.", _WHERE,
    "(missing + NaN + unreadable) / rows, Wilson interval", "features or answers",
)  # fmt: skip
NEW_CATEGORY_SHARE = MetricInfo(
    "new_category_share", "share", Better.LOWER, "Share of the rows with a label that the baseline never saw.",
    _WHERE, "rows with a new label / rows", "a baseline; labels",
)  # fmt: skip
OUT_OF_RANGE_SHARE = MetricInfo(
    "out_of_range_share", "share", Better.LOWER, "Share of the values outside of the baseline's range.",
    _WHERE, "(below + above) / rows with a value", "a baseline; numbers",
)  # fmt: skip
UNREADABLE_SHARE = MetricInfo(
    "unreadable_share", "share", Better.LOWER,
    "Share of the rows with a text where a number belongs, or a vector of another length.", _WHERE,
    "unreadable / rows", "a baseline; numbers",
)  # fmt: skip
SCHEMA_CHANGES = MetricInfo(
    "schema_changes", "features", Better.LOWER,
    "How many features appeared, vanished, or changed their type or notation.", ("feature", "change"),
    "features not in the baseline + without any value + mostly unreadable + mostly written in another way",
    "a baseline",
)  # fmt: skip
ADDED, VANISHED, TYPE, FILLED, WRITTEN = CHANGES = ("added", "vanished", "type", "filled", "notation")
"""How the schema changes: a feature that the baseline does not have; one without any value that had some; one that is
mostly texts where numbers belong, or vectors of another length; one that has values and had none; one whose labels
mean what they did and are mostly written in another way, such as `True` or 1 for true.
"""
INFO = (MISSING_SHARE, NEW_CATEGORY_SHARE, OUT_OF_RANGE_SHARE, UNREADABLE_SHARE, SCHEMA_CHANGES)


@dataclass(frozen=True, slots=True, eq=False)
class _Counts:
    """What presence is measured from: one number a column, and then the same of the next kind, shape (4 columns,).

    The kinds are those of `_SHARES`: `amounts` are the rows that count, `of` the rows that they are a share of.
    """

    amounts: np.ndarray
    of: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    """The columns of a layout that are looked at, and where each of their shares stands in the block.

    `picked` are the shares that a column of its kind has, as places in `_Counts`. `ends` are where each column begins
    and ends in the array of counts.
    """

    columns: tuple[Column, ...]
    ends: np.ndarray
    labelled: np.ndarray
    features: np.ndarray
    empty: np.ndarray
    picked: np.ndarray
    shape: TableSchema

    def counts(self, part: Slice) -> _Counts:
        """All that is needed of a slice."""
        counts, starts, ends = part.counts, self.ends[::2], self.ends[1::2]
        rows = np.add.reduceat(np.append(counts, 0.0), self.ends)[::2]

        def at(place: int) -> np.ndarray:
            """The counts at a place of each column; of a label column that has no such place, any."""
            return counts.take((starts if place >= 0 else ends) + place, mode="clip")

        unreadable = np.where(self.labelled, 0.0, at(UNREADABLE))
        missing = at(MISSING) + np.where(self.labelled, 0.0, unreadable + at(NAN))
        outside = at(MINUS_INFINITY) + at(BELOW) + at(ABOVE) + at(PLUS_INFINITY)
        amounts = [missing, at(NEW), outside, unreadable]
        return _Counts(np.concatenate(amounts), np.concatenate([rows, rows, rows - missing, rows]))


_SHARES = (MISSING_SHARE, NEW_CATEGORY_SHARE, OUT_OF_RANGE_SHARE, UNREADABLE_SHARE)
_COLUMNS: dict[bool, WeakKeyDictionary[Layout, _Columns]] = {
    held: WeakKeyDictionary() for held in (False, True)
}
_USUAL: WeakKeyDictionary[Slice, _Counts] = WeakKeyDictionary()


def measure(subject: Subject) -> MeasurementTable | list[Measurement]:
    """Shares of each watched column, and the changes of the schema."""
    part, base, layout = subject.profile.overall, _comparable(subject), subject.profile.layout
    looked_at = _COLUMNS[base is not None].get(layout)
    if looked_at is None:
        looked_at = _COLUMNS[base is not None][layout] = _columns(layout, is_compared=base is not None)
    if not looked_at.columns:
        return _schema(subject, part, base is not None, [])
    now, usual = looked_at.counts(part), None
    if base is not None:
        usual = _USUAL.get(base)
        if usual is None:
            usual = _USUAL[base] = looked_at.counts(base)
    design = np.tile(np.where(looked_at.features, max(part.design, 1.0), 1.0), len(_SHARES))
    picked = looked_at.picked
    figures, reasons = _figures(
        now.amounts[picked] / design[picked],
        now.of[picked] / design[picked],
        (usual.amounts if usual is not None else np.zeros(now.of.size))[picked],
        (usual.of if usual is not None else np.zeros(now.of.size))[picked],
        subject.settings.min_rates,
    )
    block = MeasurementTable(subject.stream, subject.window, looked_at.shape, figures, reasons)
    changed = _changed(looked_at, now, usual, subject.settings.min_rows)
    changes = _schema(subject, part, base is not None, changed)
    return merge_tables([block, table_of(subject.stream, subject.window, changes)])


def _comparable(subject: Subject) -> Slice | None:
    baseline = subject.baseline
    if baseline is None or baseline.layout.id != subject.profile.layout.id:
        return None
    return baseline.profile.overall


def _columns(layout: Layout, *, is_compared: bool) -> _Columns:
    columns = tuple(c for c in layout.columns if c.name in ("prediction", "confidence") or c.feature)
    picked: list[tuple[int, MeasurementName]] = []
    for index, column in enumerate(columns):
        for kind in _kinds(column, is_compared=is_compared):
            info = _SHARES[kind]
            name = MeasurementName(info.name, where(column), info.unit, info.better)
            picked.append((kind * len(columns) + index, name))
    return _Columns(
        columns=columns,
        ends=np.array([at for c in columns for at in (c.start, c.start + c.size)], np.int64),
        labelled=np.array([column.labelled for column in columns], bool),
        features=np.array([bool(column.feature) for column in columns], bool),
        empty=np.array([column.kind is ColumnKind.EMPTY for column in columns], bool),
        picked=np.array([place for place, _ in picked], np.int64),
        shape=schema_of(tuple(name for _, name in picked)),
    )


def _kinds(column: Column, *, is_compared: bool) -> tuple[int, ...]:
    """Which of the shares a column has."""
    if not is_compared or column.kind in (ColumnKind.IDENTIFIER, ColumnKind.EMPTY):
        return (0,)
    if column.labelled:
        return (0,) if column.open_ended else (0, 1)
    return (0, 2, 3)


def _figures(
    amounts: np.ndarray, of: np.ndarray, usual_amounts: np.ndarray, usual_of: np.ndarray, needed: int
) -> tuple[np.ndarray, dict[int, str]]:
    """The figures of all shares, and why some have no value."""
    figures = np.full((len(of), FIGURES), np.nan)
    figures[:, N] = of
    known, compared = of >= needed, (of >= needed) & (usual_of > 0)
    figures[known, VALUE] = amounts[known] / of[known]
    figures[known, LOW], figures[known, HIGH] = intervals.wilson_each(amounts[known], of[known])
    before, rows = usual_amounts[compared], usual_of[compared]
    figures[compared, P_VALUE] = intervals.two_shares_each(amounts[compared], of[compared], before, rows)
    figures[compared, BASELINE] = before / rows
    return figures, {place: too_few(of[place], needed) for place in np.flatnonzero(~known).tolist()}


def _changed(looked_at: _Columns, now: _Counts, usual: _Counts | None, needed: int) -> list[tuple[str, str]]:
    """The features that changed beyond all drifting, and how."""
    shape = (len(_SHARES), len(looked_at.columns))
    rows, given = now.of.reshape(shape)[0], now.of.reshape(shape)[2]
    unreadable = now.amounts.reshape(shape)[3] > rows / 2
    usual_given = usual.of.reshape(shape)[2] if usual is not None else np.zeros(shape[1])
    vanished, filled = (given == 0) & (usual_given > 0), looked_at.empty & (given > 0)
    changed = looked_at.features & (rows >= needed) & (unreadable | vanished | filled)
    return [
        (
            looked_at.columns[index].feature,
            TYPE if unreadable[index] else VANISHED if vanished[index] else FILLED,
        )
        for index in np.flatnonzero(changed).tolist()
    ]


def _rewritten(part: Slice, needed: int) -> list[tuple[str, str]]:
    """The columns whose labels are mostly written in another way than in the baseline: features, and the answers."""
    found = {
        name.removeprefix(NOTATION): sum(tally.values())
        for name, tally in part.tallies.items()
        if name.startswith(NOTATION)
    }
    return [
        (name.removeprefix("features."), WRITTEN)
        for name, rows in sorted(found.items())
        if part.rows >= needed and rows > part.column(name).n / 2
    ]


def _schema(
    subject: Subject, part: Slice, is_compared: bool, changes: list[tuple[str, str]]
) -> list[Measurement]:
    if not is_compared:
        return [subject.not_measured(SCHEMA_CHANGES, "no baseline")]
    changes = changes + _rewritten(part, subject.settings.min_rows)
    changes += [(name, ADDED) for name in unknown_columns.unknown_features(dict(part.tallies))]
    return [
        subject.ok(SCHEMA_CHANGES, float(len(changes)), part.rows),
        *(
            subject.ok(SCHEMA_CHANGES, 1.0, part.rows, where=labels(feature=feature, change=change))
            for feature, change in changes
        ),
    ]
