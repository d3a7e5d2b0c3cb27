"""Distributions of features compared with the baseline: shares by bucket."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from markupsafe import Markup, escape
from sqlalchemy import Connection

from monitor.records import Stream, Window
from monitor.windows import baseline as baselines
from monitor.windows.baseline import Baseline
from monitor.windows.layout.layout import Column
from monitor.windows.profile import ColumnCounts, Slice
from monitor.windows.rolling import Rolling

MOST_LABELS = 12
_WIDTH, _BAR, _GAP = 300, 9, 3


@dataclass(frozen=True, slots=True)
class Distribution:
    """One column: the names of its bars, and their shares in the baseline and in the window (0 to 1)."""

    name: str
    kind: str
    names: tuple[str, ...]
    before: tuple[float, ...]
    now: tuple[float, ...]
    rows: float

    @property
    def distance(self) -> float:
        """Half the sum of the differences: 0 equal, 1 disjoint. For sorting only."""
        return sum(abs(b - n) for b, n in zip(self.before, self.now, strict=True)) / 2


def of_stream(
    connection: Connection, stream: Stream, window: Window, rolling: Rolling
) -> tuple[Baseline | None, list[Distribution]]:
    """The baseline, and all columns of a window compared with it, largest difference first."""
    baseline = baselines.load(connection, stream)
    if baseline is None:
        return None, []
    profile = rolling.profile(stream, window)
    if profile.layout.id != baseline.layout.id or not profile.rows:
        return baseline, []
    columns = [*baseline.layout.features, *_outputs(baseline)]
    compared = [compare(column, baseline.profile.overall, profile.overall) for column in columns]
    return baseline, sorted((one for one in compared if one is not None), key=lambda one: -one.distance)


def _outputs(baseline: Baseline) -> list[Column]:
    return [column for column in baseline.layout.columns if column.name in ("prediction", "confidence")]


def compare(column: Column, before: Slice, now: Slice) -> Distribution | None:
    """One column in two slices; None where either does not count it."""
    if not (before.has(column.name) and now.has(column.name)):
        return None
    old, new = before.column(column.name), now.column(column.name)
    names, groups = _labels(column) if column.labelled else _ranges(column, old)
    return Distribution(
        column.feature or column.name,
        column.kind.value,
        names,
        _shares(old, groups),
        _shares(new, groups),
        new.rows,
    )


def _labels(column: Column) -> tuple[tuple[str, ...], list[slice]]:
    shown = column.labels[:MOST_LABELS]
    groups = [slice(2 + index, 3 + index) for index in range(len(shown))]
    rest = slice(2 + len(shown), column.size)
    return (*shown, "others", "not in the baseline", "missing"), [*groups, rest, slice(1, 2), slice(0, 1)]


def _ranges(column: Column, old: ColumnCounts) -> tuple[tuple[str, ...], list[slice]]:
    """About ten ranges of equal mass in the baseline, and the values outside."""
    running = np.cumsum(old.regular)
    if running.size == 0 or running[-1] <= 0:
        cuts = [0, column.buckets]
    else:
        cuts = [
            0,
            *(int(np.searchsorted(running, running[-1] * part / 10)) + 1 for part in range(1, 10)),
            column.buckets,
        ]
    cuts = sorted(set(cuts))
    names, groups = ["below"], [slice(3, 5)]
    for first, last in pairwise(cuts):
        low, high = column.edges[first], column.edges[last]
        names.append(f"{low:.4g}" if last - first == 1 and column.atoms else f"{low:.4g} to {high:.4g}")
        groups.append(slice(5 + first, 5 + last))
    return (*names, "above", "missing"), [*groups, slice(column.size - 2, column.size), slice(0, 3)]


def _shares(counts: ColumnCounts, groups: list[slice]) -> tuple[float, ...]:
    total = counts.rows or 1.0
    return tuple(float(counts.counts[group].sum() / total) for group in groups)


def draw(one: Distribution) -> Markup:
    """Pairs of bars: the baseline in grey, the window in blue."""
    step = 2 * _BAR + _GAP
    height = len(one.names) * step
    most = max((*one.before, *one.now, 1e-9))
    parts = [
        f'<svg class="distribution" viewBox="0 0 480 {height}" role="img">',
        f"<title>{escape(one.name)}: shares in the baseline and now</title>",
    ]
    for index, (name, before, now) in enumerate(zip(one.names, one.before, one.now, strict=True)):
        top = index * step
        parts.append(
            f'<text class="tick" x="140" y="{top + 14}" text-anchor="end">{escape(_short(name))}</text>'
        )
        for kind, share, offset in (("second", before, 0), ("main", now, _BAR)):
            width = share / most * _WIDTH
            parts.append(
                f'<rect class="fill-{kind}" x="148" y="{top + offset}" width="{width:.1f}" height="{_BAR - 1}"/>'
            )
    return Markup("".join(parts) + "</svg>")  # noqa: S704 - every text above is escaped


def mini(one: Distribution) -> Markup:
    """A small drawing without texts, for one line of a table: the baseline as a grey area, the window as bars."""
    width, height = 8 * len(one.names), 24
    most = max((*one.before, *one.now, 1e-9))

    def bars(shares: tuple[float, ...]) -> str:
        return "".join(
            f"M{8 * index + 4} {height}v-{share / most * height:.1f}"
            for index, share in enumerate(shares)
            if share > 0
        )

    return Markup(  # noqa: S704 - every text is escaped
        f'<svg class="mini" viewBox="0 0 {width} {height}" preserveAspectRatio="none" role="img">'
        f"<title>{escape(change(one))}</title>"
        f'<path class="stroke-second" d="{bars(one.before)}"/><path class="stroke-main" d="{bars(one.now)}"/></svg>'
    )


def change(one: Distribution) -> str:
    """The bar that changed most, in words: `4 to 12: 10 % before, 14.1 % now`."""
    moved = changes(one)
    return moved[0] if moved else "no values"


def changes(one: Distribution, most: int = 1) -> list[str]:
    """The bars that changed most, in words; those that did not change are left out."""
    rows = zip(one.names, one.before, one.now, strict=True)
    order = sorted((row for row in rows if row[1] != row[2]), key=lambda row: -abs(row[2] - row[1]))
    return [
        f"{name}: {before * 100:.3g} % before, {now * 100:.3g} % now" for name, before, now in order[:most]
    ]


def _short(name: str) -> str:
    return name if len(name) <= 20 else f"{name[:19]}…"
