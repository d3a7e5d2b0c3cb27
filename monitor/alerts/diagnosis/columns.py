"""How a column differs between two profiles, in words with both figures. Pure."""

import math
from dataclasses import dataclass

from monitor.rules.language.wording import figure
from monitor.windows.layout.layout import FIRST_LABEL, ColumnKind
from monitor.windows.profile import ColumnCounts, Slice

LEAST_ROWS = 30.0
SHARE_CHANGE = 0.2
"""A share (of missing values, of a label) that moved by this much is a change."""
MEAN_CHANGE = 1.0
"""A mean that moved by this many standard deviations is a change."""
LEAST_PART = 0.05
"""If a smaller part of the rows came since the change, they are left out."""
WHOLE = 0.95
ERRORS = 3.0
"""Standard errors that a change must exceed."""
LONGEST_LABEL = 40
_COMPARED = frozenset(
    (ColumnKind.NUMBER, ColumnKind.INTEGER, ColumnKind.CATEGORY, ColumnKind.BOOLEAN, ColumnKind.SCORE)
)


@dataclass(frozen=True, slots=True)
class ColumnShift:
    """A change of one column. `size` is in multiples of what counts as a change; `words` has both figures."""

    column: str
    size: float
    words: str


def changes(before: Slice, after: Slice, least: float = 1.0, part: float = 1.0) -> list[ColumnShift]:
    """The features that changed by at least `least` times what counts as a change, the largest change first.

    If only `part` of the rows of `after` came since the change, the figures of these rows are computed from the
    mixture. A difference within three standard errors is no change.
    """
    results = []
    for column in after.layout.columns:
        if column.feature and column.kind in _COMPARED and before.has(column.name) and after.has(column.name):
            pair = _Pair(column.feature, before.column(column.name), after.column(column.name), part)
            change = _change(pair)
            if change is not None and change.size >= least:
                results.append(change)
    return sorted(results, key=lambda change: (-change.size, change.column))


@dataclass(frozen=True, slots=True)
class _Pair:
    """A column before and after; `part` of the rows after came since the change."""

    name: str
    before: ColumnCounts
    after: ColumnCounts
    part: float

    def since(self, before: float, after: float) -> float:
        """A mean or a share of the rows since the change."""
        return before + (after - before) / self.part

    @property
    def about(self) -> str:
        return "about " if self.part < WHOLE else ""


def _change(pair: _Pair) -> ColumnShift | None:
    before, after = pair.before, pair.after
    if before.rows < LEAST_ROWS or after.rows * pair.part < LEAST_ROWS / 2 or pair.part < LEAST_PART:
        return None
    missing = "missing" if after.column.labelled else "missing or not a number"
    candidates: list[ColumnShift | None] = [
        _share(pair, missing, before.missing / before.rows, after.missing / after.rows),
        _share(pair, "with a new value", before.new / before.rows, after.new / after.rows),
    ]
    candidates += [_labels(pair)] if after.column.labelled else [_mean(pair)]
    return max(
        (candidate for candidate in candidates if candidate is not None),
        key=lambda one: one.size,
        default=None,
    )


def _share(pair: _Pair, what: str, before: float, after: float) -> ColumnShift:
    since = min(max(pair.since(before, after), 0.0), 1.0)
    spread = math.sqrt(max(after * (1 - after), before * (1 - before)) / pair.after.rows) / pair.part
    size = max(abs(since - before) - ERRORS * spread, 0.0) / SHARE_CHANGE
    words = f"{pair.name} {what} in {pair.about}{figure(since, 'share')} of requests"
    return ColumnShift(pair.name, size, f"{words} ({figure(before, 'share')} before)")


def _labels(pair: _Pair) -> ColumnShift | None:
    before, after = pair.before, pair.after
    if not before.n or not after.n or not len(after.regular):
        return None
    shares = after.regular / after.n - before.regular / before.n
    place = int(abs(shares).argmax())
    label = after.column.labels[place][:LONGEST_LABEL]
    old = float(before.counts[FIRST_LABEL + place]) / before.n
    return _share(pair, f"= {label}", old, old + float(shares[place]))


def _mean(pair: _Pair) -> ColumnShift | None:
    before, after = pair.before, pair.after
    old, mixed, deviation = before.mean, after.mean, before.deviation
    if old is None or mixed is None or before.finite < LEAST_ROWS or after.finite < LEAST_ROWS:
        return None
    new, scale = pair.since(old, mixed), max(deviation or 0.0, abs(old) * 1e-3, 1e-12)
    spread = scale / math.sqrt(after.finite) / pair.part
    size = max(abs(new - old) - ERRORS * spread, 0.0) / scale / MEAN_CHANGE
    words = f"{pair.name} mean {pair.about}{figure(new, '')} ({figure(old, '')} before)"
    return ColumnShift(pair.name, size, words)
