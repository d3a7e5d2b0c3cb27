"""Runs of digits with separators: what cards, telephone numbers and most national identifiers are written as."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

BETWEEN = "[ .\\-/()+_,|*:\u00b7\u2022\\t\\r\\n]{0,3}"
"""What may stand between two digits of one number."""
PREFILTER = rf"[0-9](?:{BETWEEN}[0-9]){{8}}"
"""Nine digits with at most three separators between two of them."""
_RUN = re.compile(rf"[0-9](?:{BETWEEN}[0-9]){{7,}}")
_UNUSUAL = re.compile("[_,|*:\u00b7\u2022\t\r\n]")
_GROUP = re.compile(r"[0-9]+")
_MOST_DIGITS, _MOST_GROUPS, _MOST_REMEMBERED = 19, 8, 16


@dataclass(frozen=True, slots=True)
class PersonalDatum:
    """Personal data at `[start, end)` of a text, and its value in one notation."""

    start: int
    end: int
    value: str


Shape = tuple[int, ...]
"""How many digits each group has."""
_Opening = tuple[int, int, tuple[Shape, ...]]
"""A group with which a window may begin, the digits before it, and the shapes of the windows, the longest first."""


class Digits(NamedTuple):
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
    def is_usual(self) -> bool:
        """Whether only spaces, points, dashes, slashes, brackets and plus signs stand between the groups."""
        return _UNUSUAL.search(self.text, self.start, self.end) is None

    @property
    def before(self) -> str:
        """The two characters before the first group."""
        return self.text[max(self.start - 2, 0) : self.start]

    @property
    def after(self) -> str:
        """The character after the last group."""
        return self.text[self.end : self.end + 1]


class DigitRun:
    """A run of groups of digits."""

    def __init__(self, text: str, start: int, end: int) -> None:
        self.text = text
        self.groups = [group.span() for group in _GROUP.finditer(text, start, end)]
        self.lengths = tuple([after - before for before, after in self.groups])
        self.digits = "".join([text[before:after] for before, after in self.groups])

    def starts_over(self, group: int) -> bool:
        """Whether a plus sign, a bracket, or what does not belong in a telephone number stands before a group."""
        between = self.text[self.groups[group - 1][1] : self.groups[group][0]] if group else ""
        return between[-1:] in ("+", "(") or _UNUSUAL.search(between) is not None


@lru_cache(maxsize=8_192)
def _windows(lengths: Shape, may_be: Callable[[Shape], bool]) -> tuple[Shape, ...]:
    """The shapes of windows that begin with the first of some groups, and may be one; the longest first.

    Runs are alike, as a list of customers has the same groups in each line: most are remembered.
    """
    shapes, n = [], 0
    for last, length in enumerate(lengths):
        n += length
        if n > _MOST_DIGITS:
            break
        if may_be(shape := lengths[: last + 1]):
            shapes.append(shape)
    return tuple(reversed(shapes))


def find(
    text: str,
    may_be: Callable[[Shape], bool],
    is_one: Callable[[Digits], bool],
    *,
    inside: bool = True,
) -> Iterator[PersonalDatum]:
    """The longest neighbouring groups that are one, from left to right.

    `may_be` tells by the shape, which is cheap, and `is_one` by the digits. If not `inside`, one begins where a run
    begins, where another ended, or after a plus sign or a bracket.
    """
    for run in _runs(text):
        yield from _in_run(run, may_be, is_one, inside=inside)


@lru_cache(maxsize=8)
def _runs(text: str) -> list[DigitRun]:
    """The runs of at least eight digits. Several kinds ask for the same text one after another."""
    return [DigitRun(text, *run.span()) for run in _RUN.finditer(text)]


def _in_run(
    run: DigitRun, may_be: Callable[[Shape], bool], is_one: Callable[[Digits], bool], *, inside: bool
) -> Iterator[PersonalDatum]:
    free_from = 0
    for first, place, shapes in _openings(run.lengths, may_be):
        if first < free_from or not (inside or first == free_from or run.starts_over(first)):
            continue
        for shape in shapes:
            end = first + len(shape)
            value = run.digits[place : place + sum(shape)]
            digits = Digits(run.text, tuple(run.groups[first:end]), shape, value)
            if is_one(digits):
                yield PersonalDatum(digits.start, digits.end, value)
                free_from = end
                break


def _openings(lengths: Shape, may_be: Callable[[Shape], bool]) -> Iterable[_Opening]:
    """Where a window may begin in groups of these lengths: remembered for a few groups, which many texts have alike."""
    return (_remembered if len(lengths) <= _MOST_REMEMBERED else _found)(lengths, may_be)


@lru_cache(maxsize=8_192)
def _remembered(lengths: Shape, may_be: Callable[[Shape], bool]) -> tuple[_Opening, ...]:
    return tuple(_found(lengths, may_be))


def _found(lengths: Shape, may_be: Callable[[Shape], bool]) -> Iterator[_Opening]:
    place = 0
    for first, length in enumerate(lengths):
        shapes = _windows(lengths[first : first + _MOST_GROUPS], may_be)
        if first == 0 and len(lengths) > _MOST_GROUPS and sum(lengths) <= _MOST_DIGITS and may_be(lengths):
            shapes = (lengths, *shapes)
        if shapes:
            yield first, place, shapes
        place += length
