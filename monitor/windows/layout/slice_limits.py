"""Which versions and values of segments are counted separately: a limited number in each profile, chosen so that
profiles still merge exactly.

The rank of a value depends on the value and on the layout alone: values that were frequent in the baseline come first,
in the order of their frequency, then all others by their hash. A profile keeps the values of the lowest ranks, and
remembers the lowest rank that it left out. A value below that rank was never left out in any part of a sum, so its
counts are exact, and profiles merge to the same result in any order. (Bottom-k samples: Cohen and Kaplan 2007.)
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from monitor.windows.layout.layout import Layout

SliceKey = tuple[str, str]
VERSION = "version"
MOST_VALUES = 50
MOST_NAMES = 50
"""Names of segments by which the rows of a window are counted."""
MOST_SLICES = 1000
"""Slices of a window, versions aside. With more, fewer values of each segment are kept."""
_NAMES = ""
_FIRST_UNKNOWN = 1 << 62


@dataclass(frozen=True, slots=True)
class SliceLimits:
    """At most `most` values of each segment are counted separately. `left_out` is the lowest rank that was left out, by
    the name of the segment; under the empty name, that of the names of segments.
    """

    most: int = MOST_VALUES
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def beyond(self) -> list[str]:
        """The names that have more values than are counted separately, such as `segments.city` or `version`."""
        return sorted(name for name in self.left_out if name != _NAMES)

    @property
    def is_beyond_names(self) -> bool:
        """Whether there are more names of segments than are counted."""
        return _NAMES in self.left_out

    @property
    def is_usual(self) -> bool:
        """Whether nothing was left out and the limit is the usual one."""
        return not self.left_out and self.most == MOST_VALUES


USUAL = SliceLimits()


def of_sum(parts: Iterable[SliceLimits]) -> SliceLimits:
    """The limits of the sum of profiles, before anything more is left out."""
    given = list(parts)
    reached = [one for one in given if one.left_out]
    if not reached:
        return max(given, key=lambda one: one.most)
    names = {name for one in reached for name in one.left_out}
    lowest = {name: min(one.left_out[name] for one in reached if name in one.left_out) for name in names}
    return SliceLimits(min(one.most for one in reached), lowest)


def limited(
    keys: Collection[SliceKey], layout: Layout, limits: SliceLimits
) -> tuple[Collection[SliceKey], SliceLimits]:
    """The slices, of those with these keys, that a profile keeps, and its limits then."""
    if not limits.left_out and len(keys) <= limits.most:
        return keys, limits
    values: dict[str, list[str]] = {}
    for name, value in keys:
        values.setdefault(name, []).append(value)
    names, limits = limited_names([name for name in values if name not in ("", VERSION)], layout, limits)
    ranks = {
        name: _ranks(values[name], layout.segments.get(name, ()))
        for name in [*names, VERSION]
        if name in values
    }
    return _limited_values(keys, ranks, limits)


def limited_names(
    names: Sequence[str], layout: Layout, limits: SliceLimits
) -> tuple[Sequence[str], SliceLimits]:
    """The names of segments that a profile keeps, and its limits then."""
    before = limits.left_out.get(_NAMES)
    if before is None and len(names) <= MOST_NAMES:
        return names, limits
    ranks = _ranks(names, tuple(layout.segments))
    bound = _bound(ranks.values(), MOST_NAMES, before)
    kept = [name for name in names if bound is None or ranks[name] < bound]
    left_out = {name: rank for name, rank in limits.left_out.items() if name in kept or name == VERSION}
    return kept, SliceLimits(limits.most, left_out if bound is None else {**left_out, _NAMES: bound})


def _limited_values(
    keys: Collection[SliceKey], ranks: Mapping[str, Mapping[str, int]], limits: SliceLimits
) -> tuple[Collection[SliceKey], SliceLimits]:
    below = {
        name: [rank for rank in of_name.values() if rank < limits.left_out.get(name, rank + 1)]
        for name, of_name in ranks.items()
    }
    counts = [len(of_name) for name, of_name in below.items() if name != VERSION]
    most = limits.most
    while most > 1 and sum(min(count, most) for count in counts) > MOST_SLICES:
        most //= 2
    bounds = {name: _bound(of_name, most, limits.left_out.get(name)) for name, of_name in below.items()}
    left_out = {**limits.left_out} | {name: bound for name, bound in bounds.items() if bound is not None}
    kept = [
        (name, value)
        for name, value in keys
        if not name or (name in ranks and ranks[name][value] < left_out.get(name, ranks[name][value] + 1))
    ]
    return kept, SliceLimits(most, left_out)


def _bound(ranks: Iterable[int], most: int, before: int | None) -> int | None:
    """The lowest rank that is left out; None if none is."""
    ordered = sorted(ranks)
    if len(ordered) <= most:
        return before
    return ordered[most] if before is None else min(before, ordered[most])


def _ranks(values: Iterable[str], known: Sequence[str]) -> dict[str, int]:
    places = {value: place for place, value in enumerate(known)}
    return {value: places[value] if value in places else _FIRST_UNKNOWN + _hash(value) for value in values}


def _hash(value: str) -> int:
    return int.from_bytes(hashlib.blake2b(value.encode(), digest_size=8).digest()) >> 2
