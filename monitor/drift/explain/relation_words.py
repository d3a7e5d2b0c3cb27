"""A change of the relation of two columns, in words."""

import numpy as np

from monitor.visible import counted
from monitor.windows.layout.layout import Layout

NOT_JUDGED = (
    "relations of features are not judged: the baseline was made before they were counted, or with `relations: false`; "
    "the next baseline counts them"
)
_STEPS = 40
_WEAK = 0.1
_PAIR = 2


def relation_words(names: tuple[str, ...], usual: float, now: float, *, is_same: bool) -> str:
    """`usual` and `now` are the shares of rows that are on the same side of both medians (`is_same`), or on opposite
    sides. Correlations are those of normal columns with these shares.
    """
    before, after = (share if is_same else 1 - share for share in (usual, now))
    if len(names) > _PAIR:
        return _within_words(names, before, after)
    first, second = (name.removeprefix("features.") for name in names)
    return (
        f"`{first}` and `{second}` {_used(_correlation(before))}, now {_now(_correlation(after))}: "
        f"{after:.0%} of the rows are on the same side of both medians instead of {before:.0%}"
    )


def _within_words(names: tuple[str, ...], before: float, after: float) -> str:
    number = names[0].removeprefix("features.")
    column = names[1].removeprefix("features.").removeprefix("segments.")
    way = "higher" if after > before else "lower"
    return (
        f"`{number}` is {way} than usual where `{column}` is `{names[2]}`, compared with the other rows: {after:.0%} "
        f"of the rows have this value and are above the median of `{number}`, or neither, instead of {before:.0%}"
    )


def watched_words(layout: Layout) -> str:
    """Whether relations of features are judged; empty if no two features of the baseline are related."""
    if not layout.sought_relations:
        return NOT_JUDGED
    count = len(layout.relations)
    if count < 2:
        return "the relation of one pair of features is watched" if count else ""
    labelled = sum(bool(column.part) for column in layout.relations)
    within = f", {labelled} of them of a number with a label" if labelled else ""
    return f"the relations of {counted(count, 'pair')} of features are watched{within}"


def share_after(usual: float, effect: float) -> float:
    """The share whose signed root of the likelihood ratio against the `usual` one is `effect`, by bisection."""
    low, high = (usual, 1.0) if effect > 0 else (0.0, usual)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        is_farther = _root(middle, usual) > abs(effect)
        if is_farther == (effect > 0):
            high = middle
        else:
            low = middle
    return (low + high) / 2


def _root(share: float, usual: float) -> float:
    gain = share * np.log(max(share, 1e-12) / usual)
    gain += (1 - share) * np.log(max(1 - share, 1e-12) / (1 - usual))
    return float(np.sqrt(2 * max(gain, 0.0)))


def _correlation(share: float) -> float:
    return float(np.sin(np.pi * (share - 0.5)))


def _used(correlation: float) -> str:
    way = "rise together" if correlation > 0 else "move in opposite directions"
    return f"used to {way} (correlation about {correlation:.2f})"


def _now(correlation: float) -> str:
    if abs(correlation) < _WEAK:
        return f"hardly (about {correlation:.2f})"
    return (
        f"{'rise together' if correlation > 0 else 'move in opposite directions'} (about {correlation:.2f})"
    )
