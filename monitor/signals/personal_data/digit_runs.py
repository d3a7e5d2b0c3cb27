"""Runs of digits with separators: what cards, telephone numbers and most national identifiers are written as."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

PREFILTER = r"[0-9](?:[ .\-/()+]{0,3}[0-9]){8}"
"""Nine digits with at most three separators between two of them."""
_RUN = re.compile(r"[0-9](?:[ .\-/()+]{0,3}[0-9]){7,}")
_GROUP = re.compile(r"[0-9]+")
_MOST_DIGITS = 19


@dataclass(frozen=True, slots=True)
class Found:
    """Something at `[start, end)` of a text, and its value in one notation."""

    start: int
    end: int
    value: str


@dataclass(frozen=True, slots=True)
class Digits:
    """Neighbouring groups of digits in a text, such as `4111 1111 1111 1111`."""

    text: str
    groups: tuple[tuple[int, int], ...]

    @property
    def start(self) -> int:
        """Where the first group begins."""
        return self.groups[0][0]

    @property
    def end(self) -> int:
        """Where the last group ends."""
        return self.groups[-1][1]

    @property
    def value(self) -> str:
        """The digits alone."""
        return "".join(self.text[start:end] for start, end in self.groups)

    @property
    def shape(self) -> tuple[int, ...]:
        """How many digits each group has."""
        return tuple(end - start for start, end in self.groups)

    @property
    def separators(self) -> tuple[str, ...]:
        """What stands between the groups."""
        ends, starts = self.groups[:-1], self.groups[1:]
        return tuple(self.text[a[1] : b[0]] for a, b in zip(ends, starts, strict=True))

    @property
    def before(self) -> str:
        """The two characters before the first group."""
        return self.text[max(self.start - 2, 0) : self.start]

    @property
    def after(self) -> str:
        """The character after the last group."""
        return self.text[self.end : self.end + 1]


Shape = tuple[int, ...]
"""How many digits each group has."""


def find(
    text: str,
    may_be: Callable[[Shape, int], bool],
    is_one: Callable[[Digits], bool],
    *,
    inside: bool = True,
) -> Iterator[Found]:
    """The longest neighbouring groups that are one, from left to right.

    `may_be` tells by the shape and the number of digits, which is cheap, and `is_one` by the digits. If not `inside`,
    one begins where a run begins, or after a plus sign or a bracket.
    """
    for groups in _runs(text):
        starts = [
            place for place, (at, _) in enumerate(groups) if inside or not place or text[at - 1] in "+("
        ]
        yield from _in_run(text, groups, starts, may_be, is_one)


@lru_cache(maxsize=8)
def _runs(text: str) -> list[list[tuple[int, int]]]:
    """The groups of each run of at least eight digits. Several kinds ask for the same text one after another."""
    return [[group.span() for group in _GROUP.finditer(text, *run.span())] for run in _RUN.finditer(text)]


def _in_run(
    text: str,
    groups: list[tuple[int, int]],
    starts: list[int],
    may_be: Callable[[Shape, int], bool],
    is_one: Callable[[Digits], bool],
) -> Iterator[Found]:
    lengths = [end - start for start, end in groups]
    free_from = 0
    for first in starts:
        if first < free_from:
            continue
        n, last, windows = 0, first, []
        while last < len(groups) and (n := n + lengths[last]) <= _MOST_DIGITS:
            last += 1
            if may_be(tuple(lengths[first:last]), n):
                windows.append(last)
        for end in reversed(windows):
            digits = Digits(text, tuple(groups[first:end]))
            if is_one(digits):
                yield Found(digits.start, digits.end, digits.value)
                free_from = end
                break
