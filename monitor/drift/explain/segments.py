"""Finds the segment that a change is confined to: its share of the traffic, its answers or its features changed while
others' did not.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monitor.drift.columns import Floats
from monitor.drift.explain.impact import PREDICTION
from monitor.windows.layout.layout import Column
from monitor.windows.layout.slice_limits import SliceKey
from monitor.windows.profile import Profile, Slice

LEAST_ROWS = 50
LEAST_SHARE, LEAST_MOVE = 0.05, 0.08

# Minimum changes: of a share in standard errors, of answers in multiples of the change expected by chance.
SURE_SHARE, SURE_MOVE = 5.0, 2.0

# Maximum change of the answers of all other rows, relative to that of the segment.
ELSEWHERE = 0.5


@dataclass(frozen=True, slots=True)
class AffectedSegment:
    """One segment: its change (a share, 0 to 1), also in words."""

    moved: float
    words: str


def affected_segments(reference: Profile, now: Profile) -> list[AffectedSegment]:
    """The segments that stand out, the largest change first."""
    answers: list[AffectedSegment] = []
    traffic: list[AffectedSegment] = []
    for key, part in now.segments.items():
        before = reference.segments.get(key)
        if before is None or min(part.rows, before.rows) < LEAST_ROWS:
            continue
        name = "=".join(key)
        traffic += _of_traffic(name, before.rows, reference.rows, part.rows, now.rows)
        answers += _of_answers(name, before, reference.overall, part, now.overall)
    # If one segment sends more, the others have a smaller share: the largest change is enough.
    most = sorted(traffic, key=lambda segment: -segment.moved)[:1]
    return sorted([*answers, *most], key=lambda segment: -segment.moved)


def _of_traffic(name: str, before: int, all_before: int, after: int, all_after: int) -> list[AffectedSegment]:
    was, is_now = before / all_before, after / all_after
    middle = (before + after) / (all_before + all_after)
    error = np.sqrt(max(middle * (1 - middle), 1e-9) * (1 / all_before + 1 / all_after))
    if abs(is_now - was) < max(LEAST_SHARE, SURE_SHARE * error):
        return []
    words = f"segment {name} makes up {is_now:.0%} of the rows instead of {was:.0%}"
    return [AffectedSegment(abs(is_now - was), words)]


def _of_answers(
    name: str, before: Slice, all_before: Slice, after: Slice, all_after: Slice
) -> list[AffectedSegment]:
    column = before.layout.by_name.get(PREDICTION)
    if column is None or not column.buckets:
        return []
    own_change = _distance(_counts(before, column), _counts(after, column))
    others = [
        _counts(whole, column) - _counts(part, column)
        for whole, part in ((all_before, before), (all_after, after))
    ]
    change_of_others = _distance(*others) if min(one.sum() for one in others) >= LEAST_ROWS else 0.0
    chance = np.sqrt(len(column.cells) / (2 * np.pi) * (1 / before.rows + 1 / after.rows))
    if own_change < max(LEAST_MOVE, SURE_MOVE * chance) or change_of_others > ELSEWHERE * own_change:
        return []
    words = (
        f"it sits in segment {name}: {own_change:.0%} of the answers there changed, "
        f"{change_of_others:.0%} elsewhere"
    )
    return [AffectedSegment(own_change, words)]


def confined(reference: Profile, now: Profile, columns: Sequence[str]) -> list[AffectedSegment]:
    """For each feature of `columns`, the segment to which its change is confined, if there is one, the largest change
    first. Only features that both profiles count by segment can be compared.
    """
    causes = []
    for name in columns:
        column = now.layout.by_name.get(name)
        if column is not None and column.feature:
            inside = [_of_feature(key, column, reference, now) for key in now.segments]
            causes += sorted((one for one in inside if one is not None), key=lambda one: -one.moved)[:1]
    return sorted(causes, key=lambda one: -one.moved)


def _of_feature(key: SliceKey, column: Column, reference: Profile, now: Profile) -> AffectedSegment | None:
    before, after = reference.segments.get(key), now.segments[key]
    if before is None or column.name not in before.cells or column.name not in after.cells:
        return None
    pairs = [(reference.overall, before), (now.overall, after)]
    own = [part.cells[column.name] for _, part in pairs]
    others = [np.maximum(_counts(whole, column) - part.cells[column.name], 0.0) for whole, part in pairs]
    if min(one.sum() for one in (*own, *others)) < LEAST_ROWS:
        return None
    change, elsewhere = _distance(own[0], own[1]), _distance(others[0], others[1])
    chance = np.sqrt(len(column.cells) / (2 * np.pi) * sum(1 / one.sum() for one in own))
    if change < max(LEAST_MOVE, SURE_MOVE * chance) or elsewhere > ELSEWHERE * change:
        return None
    words = (
        f"feature `{column.feature}` moved in segment {'='.join(key)} only: {change:.0%} of its values there, "
        f"{elsewhere:.0%} elsewhere"
    )
    return AffectedSegment(change, words)


def _counts(part: Slice, column: Column) -> Floats:
    return np.add.reduceat(part.column(column.name).counts, np.array(column.cells, dtype=np.int64))


def _distance(one: Floats, other: Floats) -> float:
    """Total variation distance: the share of answers that differ."""
    return float(np.abs(one / max(one.sum(), 1e-9) - other / max(other.sum(), 1e-9)).sum() / 2)
