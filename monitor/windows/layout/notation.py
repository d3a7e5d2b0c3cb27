"""One form for labels that are written in several ways: `1`, `"1"` and `1.0`; `true`, `"True"` and `"TRUE"`.

Services, databases and files write the same class differently. `written` applies what is safe in every case: integers
without plus sign and trailing zeros, true and false in lower case, accents in one form of Unicode. It joins nothing
that could have another meaning: `"01"` is not 1, and `"1.10"` is not 1.1.

Whether `true` equals `1`, or `yes` equals `true`, depends on the other labels: in a classifier of digits, 1 does not
mean true. `decide` finds the rule from all known labels. Metrics are computed from labels joined by that rule.
"""

import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from monitor.text_limits import composed

_WHOLE = re.compile(r"([+-]?)(0|[1-9]\d*)(?:\.0*)?")
_NUMBER = re.compile(
    r"[+-]?(?:(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?|inf(?:inity)?)", re.IGNORECASE | re.ASCII
)
_MISSING = frozenset(
    {"", "-", "--", "?", "n/a", "na", "nan", "nat", "null", "none", "nil", "#n/a", "<na>", "\\n"}
)
TRUTH_WORDS = {"true": "1", "false": "0"}
_DIGITS = frozenset({"0", "1"})
_PAIRS = (frozenset({"yes", "no"}), frozenset({"y", "n"}), frozenset({"t", "f"}))
_WORDS = {"yes": "1", "no": "0", "y": "1", "n": "0", "t": "1", "f": "0", **TRUTH_WORDS}


@lru_cache(maxsize=8192)
def written(label: str) -> str:
    """The normal form of a label."""
    text = label.strip()
    whole = _WHOLE.fullmatch(text)
    if whole is not None:
        return f"-{whole[2]}" if whole[1] == "-" and whole[2] != "0" else whole[2]
    small = text.lower()
    return small if small in TRUTH_WORDS else composed(label)


@lru_cache(maxsize=8192)
def number_of(label: str) -> float:
    """The number that a label represents, or NaN. `"01"` is not a number: leading zeros indicate a name."""
    text = label.strip()
    return float(text) if _NUMBER.fullmatch(text) else math.nan


def is_whole(label: str) -> bool:
    """Whether a normalized label is an integer."""
    return _WHOLE.fullmatch(label) is not None


def is_truth(label: str) -> bool:
    """Whether a normalized label is true or false."""
    return label in TRUTH_WORDS


def says_nothing(label: str) -> bool:
    """Whether a text represents a missing value in a column of numbers, such as `n/a`, `-` or the empty text."""
    return label.strip().lower() in _MISSING


@dataclass(frozen=True, slots=True)
class Joins:
    """Which notations of true and false are equal: `digits` joins true and 1, `words` also yes, y and t."""

    digits: bool = True
    words: bool = False

    def key(self, label: str) -> str:
        """A key that is equal for labels of equal meaning."""
        text = written(label)
        if self.words:
            return _WORDS.get(text.lower(), text)
        return TRUTH_WORDS.get(text, text) if self.digits else text


def decide(*sides: Collection[str]) -> Joins:
    """Find the rule that joins labels. Each side is one set of labels: of answers, of truths, or of the baseline.

    True is 1 if no other labels exist, or if no side uses both and no other label is an integer. Yes is true if all
    labels are such words, in pairs.
    """
    labels_of_sides = [
        frozenset(text for label in side if not says_nothing(text := written(label))) for side in sides
    ]
    known = frozenset().union(*labels_of_sides)
    others = known - _DIGITS - TRUTH_WORDS.keys()
    mixed = any(side & _DIGITS and side & TRUTH_WORDS.keys() for side in labels_of_sides)
    digits = not others or not (mixed or any(map(is_whole, others)))
    lower_case = frozenset(label.lower() for label in others)
    pairs = [pair for pair in _PAIRS if pair & lower_case]
    return Joins(
        digits, bool(pairs) and all(pair <= lower_case for pair in pairs) and lower_case <= _WORDS.keys()
    )
