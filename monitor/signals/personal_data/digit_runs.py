"""Runs of digits with separators: what cards, telephone numbers and most national identifiers are written as."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import re2

PREFILTER = r"[0-9](?:[ .\-/()+]{0,3}[0-9]){8}"
"""Nine digits with at most three separators between two of them."""
_RUN = re2.compile(r"[0-9](?:[ .\-/()+]{0,3}[0-9])*")
_GROUP = re2.compile(r"[0-9]+")
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


def find(text: str, is_one: Callable[[Digits], bool], fewest: int) -> Iterator[Found]:
    """The longest neighbouring groups, of at least `fewest` digits, that `is_one` accepts, from left to right."""
    for run in _RUN.finditer(text):
        if run.end() - run.start() < fewest:
            continue
        groups = [one.span() for one in _GROUP.finditer(text[run.start() : run.end()])]
        yield from _in_run(text, [(a + run.start(), b + run.start()) for a, b in groups], is_one, fewest)


def _in_run(
    text: str, groups: list[tuple[int, int]], is_one: Callable[[Digits], bool], fewest: int
) -> Iterator[Found]:
    first = 0
    while first < len(groups):
        n, last, windows = 0, first, []
        while last < len(groups) and (n := n + groups[last][1] - groups[last][0]) <= _MOST_DIGITS:
            last += 1
            if n >= fewest:
                windows.append(last)
        for end in reversed(windows):
            digits = Digits(text, tuple(groups[first:end]))
            if is_one(digits):
                yield Found(digits.start, digits.end, digits.value)
                first = end - 1
                break
        first += 1
