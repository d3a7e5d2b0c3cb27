"""Which texts match a regular expression: by Arrow for many texts, by a compiled expression for a few.

Arrow compiles an expression at each call, which takes longer than to look through a few texts. Both use RE2.
"""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import re2

Flags = npt.NDArray[np.bool_]

FEW = 16
"""Texts up to which they are looked at one by one."""
_MOST_BYTES = 4 << 20
"""What RE2 may remember of one expression."""


def matches(texts: pa.StringArray, pattern: str) -> Flags:
    """Whether a text has a match; false where it is null."""
    if len(texts) <= FEW:
        return _matches_of_few(texts, pattern)
    return np.asarray(pc.fill_null(pc.match_substring_regex(texts, pattern), False)).astype(bool)


def matches_any(texts: pa.StringArray, patterns: tuple[str, ...]) -> Flags:
    """Whether a text has a match of one of the expressions; false where it is null. One of all would be too large."""
    is_matched = np.zeros(len(texts), bool)
    for one in patterns:
        is_matched |= matches(texts, one)
    return is_matched


def spans(pattern: "re2._Regexp", text: str) -> Iterator[tuple[int, int]]:
    """The passages `[start, end)` of a text that match. RE2 works on bytes, which in ASCII are the characters."""
    return (one.span() for one in pattern.finditer(text.encode() if text.isascii() else text))


def _matches_of_few(texts: pa.StringArray, pattern: str) -> Flags:
    search = _compiled(pattern).search
    raw = texts.cast(pa.binary()).to_pylist()
    return np.array([one is not None and search(one) is not None for one in raw], bool)


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> "re2._Regexp":
    options = re2.Options()
    options.never_capture, options.log_errors, options.max_mem = True, False, _MOST_BYTES
    return re2.compile(pattern.encode(), options)
