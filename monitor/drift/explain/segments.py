"""The segment in which a change sits: whose share of the traffic, or whose answers, moved while others' did not."""

from dataclasses import dataclass

import numpy as np

from monitor.drift.columns import Floats
from monitor.drift.explain.impact import PREDICTION
from monitor.windows.layout.layout import Column
from monitor.windows.profile import Profile, Slice

LEAST_ROWS = 50
LEAST_SHARE, LEAST_MOVE = 0.05, 0.08

# A share must have moved by so many standard errors, and answers by so many times what chance shows.
SURE_SHARE, SURE_MOVE = 5.0, 2.0

# Answers of the rest may have moved at most this much, relative to the segment's.
ELSEWHERE = 0.5


@dataclass(frozen=True, slots=True)
class AffectedSegment:
    """One segment: how far it moved (a share, 0 to 1), and that in words."""

    moved: float
    words: str


def affected_segments(reference: Profile, now: Profile) -> list[AffectedSegment]:
    """Segments that stand out, the most moved first."""
    answers: list[AffectedSegment] = []
    traffic: list[AffectedSegment] = []
    for key, part in now.segments.items():
        before = reference.segments.get(key)
        if before is None or min(part.rows, before.rows) < LEAST_ROWS:
            continue
        name = "=".join(key)
        traffic += _of_traffic(name, before.rows, reference.rows, part.rows, now.rows)
        answers += _of_answers(name, before, reference.overall, part, now.overall)
    # What one segment sends more, the others send less: the most moved says it all.
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
    own = _distance(_counts(before, column), _counts(after, column))
    others = [
        _counts(whole, column) - _counts(part, column)
        for whole, part in ((all_before, before), (all_after, after))
    ]
    rest = _distance(*others) if min(one.sum() for one in others) >= LEAST_ROWS else 0.0
    chance = np.sqrt(len(column.cells) / (2 * np.pi) * (1 / before.rows + 1 / after.rows))
    if own < max(LEAST_MOVE, SURE_MOVE * chance) or rest > ELSEWHERE * own:
        return []
    words = f"it sits in segment {name}: {own:.0%} of the answers there changed, {rest:.0%} elsewhere"
    return [AffectedSegment(own, words)]


def _counts(part: Slice, column: Column) -> Floats:
    return np.add.reduceat(part.column(column.name).counts, np.array(column.cells, dtype=np.int64))


def _distance(one: Floats, other: Floats) -> float:
    """Total variation: the share of answers that would have to change."""
    return float(np.abs(one / max(one.sum(), 1e-9) - other / max(other.sum(), 1e-9)).sum() / 2)
