"""From profiles to what the decision sees: which columns are watched, and where their counts stand."""

from dataclasses import dataclass

import numpy as np

from monitor.drift.columns import Column, Floats, Integers, Kind, Role, WindowCounts
from monitor.records import Window
from monitor.windows import layout as layouts
from monitor.windows.layout import Layout
from monitor.windows.profile import Profile, Slice

OUTPUTS = ("prediction", "confidence")

# Times and identifiers always move on; of them only whether they are there is watched.
PRESENCE_ONLY = frozenset({layouts.Kind.TIME, layouts.Kind.IDENTIFIER})


@dataclass(frozen=True, slots=True, eq=False)
class Adapter:
    """How the flat counts of a layout become those of the watched columns.

    `take` picks places of the layout's array, and `cuts` says where each watched place begins among them. `inputs`
    marks the watched places whose counts carry weights.
    """

    layout: str
    columns: tuple[Column, ...]
    take: Integers
    cuts: Integers
    inputs: np.ndarray

    def counts(self, profile: Profile, window: Window) -> WindowCounts:
        """All rows of a profile."""
        return WindowCounts(window, self.of_slice(profile.overall))

    def of_slice(self, part: Slice) -> Floats:
        """The rows of one slice. Weighted rows count as many as they are worth, so that variances are right."""
        if not len(self.cuts):
            return np.zeros(0)
        counts = np.add.reduceat(part.counts[self.take], self.cuts)
        return np.where(self.inputs, counts / max(part.design, 1e-9), counts)


def adapter(layout: Layout) -> Adapter:
    """Watch every feature, the prediction and the confidence."""
    columns: list[Column] = []
    take: list[Integers] = []
    cuts: list[int] = []
    inputs: list[bool] = []
    at = 0
    for column in layout.columns:
        role = Role.OUTPUT if column.name in OUTPUTS else Role.INPUT
        if (
            role is Role.INPUT and not column.name.startswith("features.")
        ) or column.kind is layouts.Kind.EMPTY:
            continue
        watched, sizes = _watched(column, role)
        columns.append(watched)
        take.append(np.arange(column.start, column.start + sum(sizes)))
        cuts.extend(int(place) for place in at + np.cumsum([0, *sizes[:-1]]))
        inputs.extend([role is Role.INPUT] * len(sizes))
        at += sum(sizes)
    places = np.concatenate(take) if take else np.zeros(0, dtype=np.int64)
    return Adapter(
        layout.id, tuple(columns), places, np.array(cuts, dtype=np.int64), np.array(inputs, dtype=bool)
    )


def _watched(column: layouts.Column, role: Role) -> tuple[Column, list[int]]:
    """The watched column, and how many places of the layout each of its places joins."""
    k = column.buckets
    if column.labelled:
        return Column(column.name, Kind.LABEL, k, role, labels=column.labels), [1] * (k + 3)
    missing = layouts.NAN + 1
    if column.kind in PRESENCE_ONLY:
        return Column(column.name, Kind.PRESENCE, 0, role), [missing, k + 4]
    edges = tuple(float(edge) for edge in column.edges)
    return Column(column.name, Kind.NUMBER, k, role, edges=edges), [missing, 2, *([1] * k), 2]
