"""Runs of digits with separators: what cards, telephone numbers and most national identifiers are written as."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

PREFILTER = r"[0-9](?:[ .\-/()+]{0,3}[0-9]){8}"
"""Nine digits with at most three separators between two of them."""
_RUN = re.compile(r"[0-9](?:[ .\-/()+]{0,3}[0-9]){7,}")
_GROUP = re.compile(r"[0-9]+")
_MOST_DIGITS, _MOST_GROUPS = 19, 8


@dataclass(frozen=True, slots=True)
class Found:
    """Something at `[start, end)` of a text, and its value in one notation."""

    start: int
    end: int
    value: str


Shape = tuple[int, ...]
"""How many digits each group has."""


@dataclass(frozen=True, slots=True)
class Digits:
    """Neighbouring groups of digits in a text, such as `4111 1111 1111 1111`, and their digits alone."""

    text: str
    groups: tuple[tuple[int, int], ...]
    shape: Shape
    value: str

    @property
    def start(self) -> int:
        """Where the first group begins."""
        return self.groups[0][0]

    @property
    def end(self) -> int:
        """Where the last group ends."""
        return self.groups[-1][1]

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


class Run:
    """A run of groups of digits, with what is known of each group."""

    def __init__(self, text: str, start: int, end: int) -> None:
        self.text = text
        self.groups = [group.span() for group in _GROUP.finditer(text, start, end)]
        self.lengths = [after - before for before, after in self.groups]
        self.digits = "".join(text[before:after] for before, after in self.groups)

    def windows(self, first: int) -> Iterator[tuple[int, int]]:
        """The ends of windows that begin with a group, and their digits: of a few groups, or the whole run."""
        n = 0
        for last in range(first, min(first + _MOST_GROUPS, len(self.groups))):
            n += self.lengths[last]
            if n > _MOST_DIGITS:
                return
            yield last + 1, n
        if first == 0 and len(self.groups) > _MOST_GROUPS and len(self.digits) <= _MOST_DIGITS:
            yield len(self.groups), len(self.digits)


def find(
    text: str,
    may_be: Callable[[Shape], bool],
    is_one: Callable[[Digits], bool],
    *,
    inside: bool = True,
) -> Iterator[Found]:
    """The longest neighbouring groups that are one, from left to right.

    `may_be` tells by the shape, which is cheap, and `is_one` by the digits. If not `inside`, one begins where a run
    begins, where another ended, or after a plus sign or a bracket.
    """
    for run in _runs(text):
        yield from _in_run(run, may_be, is_one, inside=inside)


@lru_cache(maxsize=8)
def _runs(text: str) -> list[Run]:
    """The runs of at least eight digits. Several kinds ask for the same text one after another."""
    return [Run(text, *run.span()) for run in _RUN.finditer(text)]


def _in_run(
    run: Run, may_be: Callable[[Shape], bool], is_one: Callable[[Digits], bool], *, inside: bool
) -> Iterator[Found]:
    free_from, place = 0, 0
    for first, (start, _) in enumerate(run.groups):
        may_start = inside or first == free_from or run.text[start - 1] in "+("
        if first >= free_from and may_start:
            for end, n in sorted(run.windows(first), reverse=True):
                shape = tuple(run.lengths[first:end])
                if not may_be(shape):
                    continue
                value = run.digits[place : place + n]
                digits = Digits(run.text, tuple(run.groups[first:end]), shape, value)
                if is_one(digits):
                    yield Found(digits.start, digits.end, value)
                    free_from = end
                    break
        place += run.lengths[first]
