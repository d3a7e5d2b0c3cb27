"""A feature now beside its baseline: shares by bucket, as an engineer reads them."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from markupsafe import Markup, escape
from sqlalchemy import Connection

from monitor.records import Stream, Window
from monitor.windows import baseline as baselines
from monitor.windows.baseline import Baseline
from monitor.windows.layout import Column
from monitor.windows.profile import ColumnCounts, Slice
from monitor.windows.rolling import Rolling

MOST_LABELS = 12
_WIDTH, _BAR, _GAP = 300, 9, 3


@dataclass(frozen=True, slots=True)
class Distribution:
    """One column: what each bar is called, and its share in the baseline and in the window (0 to 1)."""

    name: str
    kind: str
    names: tuple[str, ...]
    before: tuple[float, ...]
    now: tuple[float, ...]
    rows: float

    @property
    def distance(self) -> float:
        """Half the sum of the differences: 0 alike, 1 nothing in common. Only to sort by."""
        return sum(abs(b - n) for b, n in zip(self.before, self.now, strict=True)) / 2


def of_stream(
    connection: Connection, stream: Stream, window: Window, base_seconds: int
) -> tuple[Baseline | None, list[Distribution]]:
    """The baseline and every column of a window beside it, what differs most first."""
    baseline = baselines.load(connection, stream)
    if baseline is None:
        return None, []
    # Nothing is settled here, so that looking at a page never writes.
    profile = Rolling(connection, base_seconds, settled=float("-inf")).profile(stream, window)
    if profile.layout.id != baseline.layout.id or not profile.rows:
        return baseline, []
    columns = [*baseline.layout.features, *_outputs(baseline)]
    found = [_compare(column, baseline.profile.overall, profile.overall) for column in columns]
    return baseline, sorted((one for one in found if one is not None), key=lambda one: -one.distance)


def _outputs(baseline: Baseline) -> list[Column]:
    return [column for column in baseline.layout.columns if column.name in ("prediction", "confidence")]


def _compare(column: Column, before: Slice, now: Slice) -> Distribution | None:
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
    return (*shown, "others", "never seen before", "missing"), [*groups, rest, slice(1, 2), slice(0, 1)]


def _ranges(column: Column, old: ColumnCounts) -> tuple[tuple[str, ...], list[slice]]:
    """About ten ranges of equal mass in the baseline, and what lies outside of it."""
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


def _short(name: str) -> str:
    return name if len(name) <= 20 else f"{name[:19]}…"
