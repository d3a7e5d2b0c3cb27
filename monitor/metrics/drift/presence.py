"""Values that are missing, unreadable, new, or out of the baseline's range; and columns that appear or vanish."""

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
    is_answer,
)
from monitor.windows.profile import NOTATION, Slice

_WHERE = ("feature", "output")
MISSING_SHARE = MetricInfo(
    "missing_share", "share", Better.LOWER, "Share of the rows without a usable value.", _WHERE,
    "(missing + NaN + unreadable) / rows, Wilson interval", "features or answers",
)  # fmt: skip
NEW_CATEGORY_SHARE = MetricInfo(
    "new_category_share", "share", Better.LOWER, "Share of the rows with a label that the baseline does not contain.",
    _WHERE, "rows with a new label / rows", "a baseline; labels",
)  # fmt: skip
OUT_OF_RANGE_SHARE = MetricInfo(
    "out_of_range_share", "share", Better.LOWER, "Share of the values outside of the baseline's range.",
    _WHERE, "(below + above) / rows with a value", "a baseline; numbers",
)  # fmt: skip
UNREADABLE_SHARE = MetricInfo(
    "unreadable_share", "share", Better.LOWER,
    "Share of the rows with a text instead of a number, or a vector of another length.", _WHERE,
    "unreadable / rows", "a baseline; numbers",
)  # fmt: skip
SCHEMA_CHANGES = MetricInfo(
    "schema_changes", "features", Better.LOWER,
    "Number of features that appeared, vanished, or changed their type or notation.", ("feature", "change"),
    "features not in the baseline + without any value + mostly unreadable + mostly written in another way",
    "a baseline",
)  # fmt: skip
ADDED, VANISHED, TYPE, FILLED, WRITTEN = CHANGES = ("added", "vanished", "type", "filled", "notation")
"""Kinds of schema changes: a feature that the baseline does not have; a feature without any value that had values; a
feature that is mostly texts instead of numbers, or vectors of another length; a feature that has values and had none; a
column whose labels have the same meaning but are mostly written in another way, such as `True` or 1 for true.
"""
INFO = (MISSING_SHARE, NEW_CATEGORY_SHARE, OUT_OF_RANGE_SHARE, UNREADABLE_SHARE, SCHEMA_CHANGES)


@dataclass(frozen=True, slots=True, eq=False)
class _Counts:
    """The counts that the shares are computed from: per share of `_SHARES`, one number per column, shape (4 columns,).

    `amounts` are the counted rows, `of` the rows that they are a share of.
    """

    amounts: np.ndarray
    of: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    """The watched columns of a layout, and the place of each of their shares in the table.

    `picked` are the places in `_Counts` of the shares that a column of its kind has. `ends` are the start and the end
    of each column in the array of counts.
    """

    columns: tuple[Column, ...]
    ends: np.ndarray
    labelled: np.ndarray
    features: np.ndarray
    empty: np.ndarray
    picked: np.ndarray
    shape: TableSchema

    def counts(self, part: Slice) -> _Counts:
        """The counts of a slice."""
        counts, starts, ends = part.counts, self.ends[::2], self.ends[1::2]
        rows = np.add.reduceat(np.append(counts, 0.0), self.ends)[::2]

        def at(place: int) -> np.ndarray:
            """The counts at a place of each column; meaningless for label columns without such a place."""
            return counts.take((starts if place >= 0 else ends) + place, mode="clip")

        unreadable = np.where(self.labelled, 0.0, at(UNREADABLE))
        missing = at(MISSING) + np.where(self.labelled, 0.0, unreadable + at(NAN))
        outside = at(MINUS_INFINITY) + at(BELOW) + at(ABOVE) + at(PLUS_INFINITY)
        amounts = [missing, at(NEW), outside, unreadable]
        return _Counts(np.concatenate(amounts), np.concatenate([rows, rows, rows - missing, rows]))


_SHARES = (MISSING_SHARE, NEW_CATEGORY_SHARE, OUT_OF_RANGE_SHARE, UNREADABLE_SHARE)
_COLUMNS: dict[bool, WeakKeyDictionary[Layout, _Columns]] = {
    is_compared: WeakKeyDictionary() for is_compared in (False, True)
}
_USUAL: WeakKeyDictionary[Slice, _Counts] = WeakKeyDictionary()


def measure(subject: Subject) -> MeasurementTable | list[Measurement]:
    """The shares of each watched column, and the schema changes."""
    part, base, layout = subject.profile.overall, _comparable(subject), subject.profile.layout
    columns = _COLUMNS[base is not None].get(layout)
    if columns is None:
        columns = _COLUMNS[base is not None][layout] = _columns(layout, is_compared=base is not None)
    if not columns.columns:
        return _schema(subject, part, base is not None, [])
    now, usual = columns.counts(part), None
    if base is not None:
        usual = _USUAL.get(base)
        if usual is None:
            usual = _USUAL[base] = columns.counts(base)
    design = np.tile(np.where(columns.features, max(part.design, 1.0), 1.0), len(_SHARES))
    picked = columns.picked
    figures, reasons = _figures(
        now.amounts[picked] / design[picked],
        now.of[picked] / design[picked],
        (usual.amounts if usual is not None else np.zeros(now.of.size))[picked],
        (usual.of if usual is not None else np.zeros(now.of.size))[picked],
        subject.settings.min_rates,
    )
    block = MeasurementTable(subject.stream, subject.window, columns.shape, figures, reasons)
    changed = _changed(columns, now, usual, subject.settings.min_rows)
    changes = _schema(subject, part, base is not None, changed)
    return merge_tables([block, table_of(subject.stream, subject.window, changes)])


def _comparable(subject: Subject) -> Slice | None:
    baseline = subject.baseline
    if baseline is None or baseline.layout.id != subject.profile.layout.id:
        return None
    return baseline.profile.overall


def _columns(layout: Layout, *, is_compared: bool) -> _Columns:
    columns = tuple(c for c in layout.columns if is_answer(c.name) or c.feature)
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
    """Which of `_SHARES` a column has."""
    if not is_compared or column.kind in (ColumnKind.IDENTIFIER, ColumnKind.EMPTY):
        return (0,)
    if column.labelled:
        return (0,) if column.open_ended else (0, 1)
    return (0, 2, 3)


def _figures(
    amounts: np.ndarray, of: np.ndarray, usual_amounts: np.ndarray, usual_of: np.ndarray, needed: int
) -> tuple[np.ndarray, dict[int, str]]:
    """The values of all shares, and the reasons for those without value."""
    figures = np.full((len(of), FIGURES), np.nan)
    figures[:, N] = of
    enough, compared = of >= needed, (of >= needed) & (usual_of > 0)
    figures[enough, VALUE] = amounts[enough] / of[enough]
    figures[enough, LOW], figures[enough, HIGH] = intervals.wilson_each(amounts[enough], of[enough])
    before, rows = usual_amounts[compared], usual_of[compared]
    figures[compared, P_VALUE] = intervals.two_shares_each(amounts[compared], of[compared], before, rows)
    figures[compared, BASELINE] = before / rows
    return figures, {place: too_few(of[place], needed) for place in np.flatnonzero(~enough).tolist()}


def _changed(watched: _Columns, now: _Counts, usual: _Counts | None, needed: int) -> list[tuple[str, str]]:
    """The features whose schema changed, and how."""
    shape = (len(_SHARES), len(watched.columns))
    rows, with_value = now.of.reshape(shape)[0], now.of.reshape(shape)[2]
    unreadable = now.amounts.reshape(shape)[3] > rows / 2
    usual_with_value = usual.of.reshape(shape)[2] if usual is not None else np.zeros(shape[1])
    vanished, filled = (with_value == 0) & (usual_with_value > 0), watched.empty & (with_value > 0)
    changed = watched.features & (rows >= needed) & (unreadable | vanished | filled)
    return [
        (
            watched.columns[index].feature,
            TYPE if unreadable[index] else VANISHED if vanished[index] else FILLED,
        )
        for index in np.flatnonzero(changed).tolist()
    ]


def _rewritten(part: Slice, needed: int) -> list[tuple[str, str]]:
    """The columns, features and answers, whose labels are mostly written in another way than in the baseline."""
    rewritten_rows = {
        name.removeprefix(NOTATION): sum(tally.values())
        for name, tally in part.tallies.items()
        if name.startswith(NOTATION)
    }
    return [
        (name.removeprefix("features."), WRITTEN)
        for name, rows in sorted(rewritten_rows.items())
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
