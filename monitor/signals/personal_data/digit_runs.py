"""Runs of digits with separators: what cards, telephone numbers and most national identifiers are written as."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

BETWEEN = "[ .\\-/()+_,|*:\u00b7\u2022\\t\\r\\n]{0,3}"
"""What may stand between two digits of one number."""
PREFILTER = rf"[0-9](?:{BETWEEN}[0-9]){{8}}"
"""Nine digits with at most three separators between two of them."""
_RUN = re.compile(rf"[0-9](?:{BETWEEN}[0-9]){{7,}}")
_USUAL = frozenset(" .-/()+")
_GROUP = re.compile(r"[0-9]+")
_MOST_DIGITS, _MOST_GROUPS, _MOST_REMEMBERED = 19, 8, 16


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
    def is_usual(self) -> bool:
        """Whether only spaces, points, dashes, slashes, brackets and plus signs stand between the groups."""
        return _USUAL.issuperset("".join(self.separators))

    @property
    def before(self) -> str:
        """The two characters before the first group."""
        return self.text[max(self.start - 2, 0) : self.start]

    @property
    def after(self) -> str:
        """The character after the last group."""
        return self.text[self.end : self.end + 1]


class Run:
    """A run of groups of digits."""

    def __init__(self, text: str, start: int, end: int) -> None:
        self.text = text
        self.groups = [group.span() for group in _GROUP.finditer(text, start, end)]
        self.lengths = tuple([after - before for before, after in self.groups])
        self.digits = "".join([text[before:after] for before, after in self.groups])

    def begins_anew(self, group: int) -> bool:
        """Whether a plus sign, a bracket, or what does not belong in a telephone number stands before a group."""
        between = self.text[self.groups[group - 1][1] : self.groups[group][0]] if group else ""
        return between[-1:] in ("+", "(") or not _USUAL.issuperset(between)


Windows = tuple[tuple[tuple[int, Shape], ...], ...]
"""For each group of a run, the windows that begin with it, longest first: the group after its last, and its shape."""


def _windows(lengths: Shape, may_be: Callable[[Shape], bool]) -> Windows:
    """The windows of a few groups, or of the whole run, that may be one."""
    every = []
    for first in range(len(lengths)):
        found, n = [], 0
        for last in range(first, min(first + _MOST_GROUPS, len(lengths))):
            n += lengths[last]
            if n > _MOST_DIGITS:
                break
            if may_be(shape := lengths[first : last + 1]):
                found.append((last + 1, shape))
        else:
            is_whole = first == 0 and len(lengths) > _MOST_GROUPS and sum(lengths) <= _MOST_DIGITS
            if is_whole and may_be(lengths):
                found.append((len(lengths), lengths))
        every.append(tuple(reversed(found)))
    return tuple(every)


_windows_of_few = lru_cache(maxsize=4_096)(_windows)
"""Runs are alike: a list of customers has the same groups in each line."""


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
    are_few = len(run.groups) <= _MOST_REMEMBERED
    windows = (_windows_of_few if are_few else _windows)(run.lengths, may_be)
    free_from, place = 0, 0
    for first, some in enumerate(windows):
        if some and first >= free_from:
            may_start = inside or first == free_from or run.begins_anew(first)
            for end, shape in some if may_start else ():
                value = run.digits[place : place + sum(shape)]
                digits = Digits(run.text, tuple(run.groups[first:end]), shape, value)
                if is_one(digits):
                    yield Found(digits.start, digits.end, value)
                    free_from = end
                    break
        place += run.lengths[first]
