"""Texts as a reader sees them: other digits, full-width letters, dashes, escapes and invisible characters made plain.

`fold` takes one text, `folded` a column. `spans_in` tells where a passage of the folded text was, so that what is
found there can be replaced in the original.
"""

import html
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from monitor.signals.matching import matches

_MOST = 8_192
_ESCAPES = (
    r"&(?:#[0-9]{2,7}|#[xX][0-9A-Fa-f]{2,6}|[A-Za-z]{2,8});|%[2-7][0-9A-Fa-f]|\\[nrt]"
    r"|\\u(?:[0-9A-Ca-cE-Fe-f][0-9A-Fa-f]|[Dd][0-7])[0-9A-Fa-f]{2}|\\x[2-7][0-9A-Fa-f]"
)
"""Characters as HTML, JSON, Python and addresses write them."""
_OTHER, _OTHERS = re.compile(r"[^\x00-\x7F]"), re.compile(r"[^\x00-\x7F]+")
_PIECE = re.compile(rf"[^\x00-\x7F]|{_ESCAPES}")
_SPACES = {r"\n": "\n", r"\r": "\r", r"\t": "\t"}
INVISIBLE = (
    r"[\p{Cf}\x{034F}\x{115F}\x{1160}\x{17B4}\x{17B5}\x{180B}-\x{180E}\x{3164}\x{FE00}-\x{FE0F}\x{FFA0}"
    r"\x{E0100}-\x{E01EF}]"
)
"""Characters that take no space: format characters, fillers and variation selectors."""
_INVISIBLE = {
    *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0),
    *range(0x180B, 0x180F),
    *range(0xFE00, 0xFE10),
    *range(0xE0100, 0xE01F0),
}
_DASHES = (
    r"[\x{2010}-\x{2015}\x{2212}\x{FE58}\x{FE63}\x{FF0D}\x{058A}\x{05BE}\x{1806}\x{2E3A}\x{2E3B}\x{301C}]"
)
_ODD_DIGITS = (
    r"[\x{0660}-\x{0669}\x{06F0}-\x{06F9}\x{07C0}-\x{07C9}\x{0966}-\x{0D6F}\x{0DE6}-\x{0DEF}\x{0E50}-\x{0E59}"
    r"\x{0ED0}-\x{0ED9}\x{0F20}-\x{0F29}\x{1040}-\x{1099}\x{17E0}-\x{17E9}\x{1810}-\x{1819}\x{1946}-\x{1C59}"
    r"\x{A620}-\x{ABF9}\x{10D30}-\x{10D39}\x{11066}-\x{11DA9}\x{16A60}-\x{16B59}\x{1E140}-\x{1E959}]"
)
"""Blocks with decimal digits that compatibility normalisation leaves as they are."""
_NOT_PLAIN = (
    r"[^\x00-\x7F\x{A1}-\x{A7}\x{A9}\x{AB}\x{AE}\x{B0}\x{B1}\x{B6}\x{B7}\x{BB}\x{BF}-\x{131}\x{134}-\x{13E}\x{141}-\x{148}"
    r"\x{14A}-\x{17E}\x{386}\x{388}-\x{38A}\x{38C}\x{38E}-\x{3A1}\x{3A3}-\x{3CF}\x{400}-\x{481}\x{5D0}-\x{5EA}\x{2018}-\x{2023}"
    r"\x{2030}-\x{2032}\x{20AC}\x{2190}-\x{21FF}\x{3041}-\x{3096}\x{30A1}-\x{30FE}\x{4E00}-\x{9FFF}\x{AC00}-\x{D7A3}]"
)
"""All but the common characters that fold to themselves, and that nothing after them is joined with."""


@lru_cache(maxsize=_MOST)
def _plain(piece: str) -> str:
    """A character, or an escape for one, as a reader sees it."""
    return _plain_character(piece) if len(piece) == 1 else "".join(map(_plain_character, _unescaped(piece)))


def _unescaped(escape: str) -> str:
    if escape[0] == "&":
        return html.unescape(escape)
    return _SPACES.get(escape) or chr(int(escape[1 if escape[0] == "%" else 2 :], 16))


def _plain_character(character: str) -> str:
    if character < "\x80":
        return character
    if ord(character) in _INVISIBLE or unicodedata.category(character) == "Cf":
        return ""
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return str(digit)
    category = unicodedata.category(character)
    if category in ("Pd", "Zs") or character == "\u2212":
        return " " if category == "Zs" else "-"
    return unicodedata.normalize("NFKC", character)


def fold(text: str) -> str:
    """The folded text."""
    if _may_have_escapes(text):
        return _PIECE.sub(_folded_piece, text)
    return text if text.isascii() else _OTHERS.sub(_folded_run, text)


def _may_have_escapes(text: str) -> bool:
    return "&" in text or "%" in text or "\\" in text


def _folded_run(others: re.Match[str]) -> str:
    return "".join(map(_plain, others[0]))


def _folded_piece(piece: re.Match[str]) -> str:
    return _plain(piece[0])


def spans_in(text: str) -> Callable[[int, int], tuple[int, int]]:
    """A function from a passage `[start, end)` of the folded text to the passage of `text` that it stands for."""
    pieces = [
        (0, 0, 0)
    ]  # where it begins in the folded text and in `text`, and where it ends if it is one character
    n = end = 0
    for piece in (_PIECE if _may_have_escapes(text) else _OTHER).finditer(text):
        at, plain = piece.start(), _plain(piece[0])
        if at > end:  # plain characters before it, each of which stands for itself
            pieces.append((n, end, 0))
            n += at - end
        end = piece.end()
        if plain:
            pieces.append((n, at, end))
            n += len(plain)
    pieces.append((n, end, 0))
    starts = [start for start, *_ in pieces]

    def place(at: int) -> tuple[int, int]:
        start, origin, ends = pieces[bisect_right(starts, at) - 1]
        return (origin, ends) if ends else (origin + at - start, origin + at - start + 1)

    return lambda start, end: (place(start)[0], place(end - 1)[1])


def folded(texts: pa.StringArray) -> pa.StringArray:
    """The folded texts of a column. Rows of common characters without escapes, which most are, cost next to nothing."""
    if (has_escape := matches(texts, _ESCAPES)).any():
        rewritten = [fold(one) for one in texts.filter(pa.array(has_escape)).to_pylist()]
        texts = pc.replace_with_mask(texts, pa.array(has_escape), pa.array(rewritten, pa.string()))
    is_other = pa.array(matches(texts, _NOT_PLAIN))
    if not pc.any(is_other).as_py():
        return texts
    others = pc.utf8_normalize(texts.filter(is_other), form="NFKC")
    others = _replaced(others, INVISIBLE, "")
    others = _replaced(others, _DASHES, "-")
    has_digits = pa.array(matches(others, _ODD_DIGITS))
    if pc.any(has_digits).as_py():
        rewritten = [fold(one) for one in others.filter(has_digits).to_pylist()]
        others = pc.replace_with_mask(others, has_digits, pa.array(rewritten, pa.string()))
    return pc.replace_with_mask(texts, is_other, others)


def _replaced(texts: pa.StringArray, pattern: str, by: str) -> pa.StringArray:
    """Replace where there is something to replace, which costs several times as much as to look."""
    has = pa.array(matches(texts, pattern))
    if not pc.any(has).as_py():
        return texts
    return pc.replace_with_mask(texts, has, pc.replace_substring_regex(texts.filter(has), pattern, by))
