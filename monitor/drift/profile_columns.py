"""Converts profiles to the input of the drift decision: which columns are watched, and where their counts are."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from monitor.drift.columns import ColumnType, Floats, Integers, Role, WatchedColumn, WindowCounts
from monitor.drift.replaced_values import REPLACED
from monitor.records import Window
from monitor.windows.layout import layout as layouts
from monitor.windows.layout.compact_counts import plain
from monitor.windows.layout.layout import Layout
from monitor.windows.profile import Profile, Slice

# Times and identifiers always change; only their presence is watched.
PRESENCE_ONLY = frozenset({layouts.ColumnKind.TIME, layouts.ColumnKind.IDENTIFIER})


@dataclass(frozen=True, slots=True, eq=False)
class Adapter:
    """Converts the flat counts of a layout to those of the watched columns.

    `cuts` are the starts, in the layout's array, of each watched place and of the ranges in between; `watched`
    distinguishes them. `inputs` marks the watched places whose counts are weighted.
    """

    layout: str
    columns: tuple[WatchedColumn, ...]
    cuts: Integers
    watched: np.ndarray
    inputs: np.ndarray

    def counts(self, profile: Profile, window: Window) -> WindowCounts:
        """The counts of all rows of a profile."""
        return WindowCounts(window, self.of_slice(profile.overall))

    def of_slice(self, part: Slice) -> Floats:
        """The counts of one slice. Weighted rows are divided by their design effect, so that variances are right."""
        return self._of(part.counts, part.design)

    def of_slices(self, parts: Iterable[Slice]) -> Floats:
        """The counts of several slices. Slices with equal design effects are added first, which costs less."""
        alike: dict[float, Floats] = {}
        for part in parts:
            if part.design in alike:
                alike[part.design] += plain(part.kept)
            else:
                alike[part.design] = part.counts.copy()
        return np.asarray(sum(self._of(counts, design) for design, counts in alike.items()))

    def _of(self, counts: Floats, design: float) -> Floats:
        if not len(self.cuts):
            return np.zeros(0)
        watched_counts = np.add.reduceat(counts, self.cuts)[self.watched]
        return np.asarray(np.where(self.inputs, watched_counts / max(design, 1e-9), watched_counts))


def adapter(layout: Layout) -> Adapter:
    """Watch every feature, the prediction, the confidence, every signal and every relation."""
    columns: list[WatchedColumn] = []
    cuts: list[int] = []
    is_watched: list[bool] = []
    inputs: list[bool] = []
    for column in layout.columns:
        is_output = layouts.is_answer(column.name) or layouts.is_signal(column.name)
        role = Role.OUTPUT if is_output else Role.INPUT
        if (
            role is Role.INPUT and not (column.name.startswith("features.") or column.other)
        ) or column.kind is layouts.ColumnKind.EMPTY:
            continue
        watched, sizes = _watched(column, role)
        columns.append(watched)
        if cuts and cuts[-1] == column.start:  # adjacent
            cuts.pop(), is_watched.pop()
        cuts += (column.start + np.cumsum([0, *sizes])).tolist()
        is_watched += [True] * len(sizes) + [False]
        inputs += [role is Role.INPUT] * len(sizes)
    if cuts and cuts[-1] == layout.size:
        cuts.pop(), is_watched.pop()
    return Adapter(
        layout.id,
        tuple(columns),
        np.array(cuts, np.int64),
        np.array(is_watched, bool),
        np.array(inputs, bool),
    )


def _watched(column: layouts.Column, role: Role) -> tuple[WatchedColumn, list[int]]:
    """The watched column, and the number of the layout's places in each of its places."""
    k = column.buckets
    if column.other:
        pair = (column.source, column.other, column.part) if column.part else (column.source, column.other)
        return WatchedColumn(column.name, ColumnType.LABEL, k, role, column.labels, relates=pair), [1] * (
            k + 3
        )
    if column.labelled:
        replaced = column.turnover > REPLACED
        watched = WatchedColumn(
            column.name, ColumnType.LABEL, k, role, column.labels, novelty=column.novelty, replaced=replaced
        )
        return watched, [1] * (k + 3)
    missing = layouts.NAN + 1
    if column.kind in PRESENCE_ONLY:
        return WatchedColumn(column.name, ColumnType.PRESENCE, 0, role), [missing, k + 4]
    edges = tuple(float(edge) for edge in column.edges)
    return WatchedColumn(column.name, ColumnType.NUMBER, k, role, edges=edges), [missing, 2, *([1] * k), 2]
