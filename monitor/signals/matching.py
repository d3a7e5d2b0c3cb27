"""Which texts match a regular expression: by Arrow for many texts, by a compiled expression for a few.

Arrow compiles an expression at each call, which takes longer than to look through a few texts. Both use RE2. Of several
expressions, and of a long one, RE2's filter first finds the words in a text without which none can match.
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
_TEXTS_FOR_COMPILING = 0.4
"""So many texts can be looked at one by one in the time that Arrow takes to compile one instruction."""
_MOST_BYTES = 4 << 20
"""What RE2 may remember of one expression."""


def matches(texts: pa.StringArray, pattern: str) -> Flags:
    """Whether a text has a match; false where it is null."""
    compiled = _compiled(pattern)
    if len(texts) <= max(FEW, _TEXTS_FOR_COMPILING * compiled.programsize):
        return np.array([one is not None and compiled.search(one) is not None for one in _raw(texts)], bool)
    return np.asarray(pc.fill_null(pc.match_substring_regex(texts, pattern), False)).astype(bool)


def matches_any(texts: pa.StringArray, patterns: tuple[str, ...]) -> Flags:
    """Whether a text has a match of one of the expressions; false where it is null."""
    search = _filter(patterns).Match
    return np.array([one is not None and search(one) is not None for one in _raw(texts)], bool)


def matches_each(texts: pa.StringArray, patterns: tuple[str, ...]) -> Flags:
    """Which expressions have a match in which text, of shape (texts, expressions)."""
    search = _filter(patterns).Match
    is_matched = np.zeros((len(texts), len(patterns)), bool)
    for row, one in enumerate(_raw(texts)):
        if one is not None and (places := search(one)) is not None:
            is_matched[row, places] = True
    return is_matched


def spans(pattern: "re2._Regexp", text: str) -> Iterator[tuple[int, int]]:
    """The passages `[start, end)` of a text that match. RE2 works on bytes, which in ASCII are the characters."""
    return (one.span() for one in pattern.finditer(text.encode() if text.isascii() else text))


def _raw(texts: pa.StringArray) -> list[bytes | None]:
    raw: list[bytes | None] = texts.cast(pa.binary()).to_pylist()
    return raw


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> "re2._Regexp":
    return re2.compile(pattern.encode(), _options())


@lru_cache(maxsize=16)
def _filter(patterns: tuple[str, ...]) -> "re2.Filter":
    compiled, options = re2.Filter(), _options()
    for pattern in patterns:
        compiled.Add(pattern.encode(), options)
    compiled.Compile()
    return compiled


def _options() -> "re2.Options":
    options = re2.Options()
    options.never_capture, options.log_errors, options.max_mem = True, False, _MOST_BYTES
    return options
