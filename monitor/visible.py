"""Texts of messages: counts with nouns, and outside text made harmless for a terminal, a log, a header or a table."""

import re

JOINERS = "\u00a0\u200c\u200d"
"""Characters that Python counts as unprintable but that belong in words: the no-break space, the zero-width non-joiner
and joiner.
"""

_BEGINS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Also in full width, which some spreadsheets read as the usual signs."""
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?")
_NOT_ASCII = re.compile(r"[^\x20-\x7e]")


def visible(text: str, *, keep: str = "") -> str:
    r"""Return `text` with each control character, direction mark, line separator and lone surrogate written as `\x1b`
    or `\u202e`. The characters of `keep`, such as a newline or `JOINERS`, stay.
    """
    if text.isprintable():
        return text
    return _NOT_ASCII.sub(lambda match: _escaped(match[0], keep), text)


def beginning(text: str, most: int, *, keep: str = "") -> str:
    """The first `most` characters, made visible, and how many more there are."""
    left = len(text) - most
    return visible(text[:most], keep=keep) + (f" … {counted(left, 'more character')}" if left > 0 else "")


def one_line(text: str) -> str:
    """Return `text` on one line: line breaks and tabs become spaces, other unprintable characters are escaped."""
    return " ".join(visible(text, keep="\r\n\t" + JOINERS).split())


def cell(text: str) -> str:
    """A cell of a CSV file that a spreadsheet does not take for a formula, as it takes `-2+3`.

    Every cell that is written to a CSV file, headings too, goes through this.
    """
    is_formula = text.lstrip(" ")[:1] in _BEGINS_FORMULA and not _NUMBER.fullmatch(text)
    return f"'{text}" if text and is_formula else text


def _escaped(character: str, keep: str) -> str:
    if character.isprintable() or character in keep:
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def counted(amount: float, noun: str) -> str:
    """`1 row`, `2,000 rows`. The noun is in the singular."""
    number = f"{amount:,.0f}"
    return f"{number} {noun if number == '1' else _plural(noun)}"


def _plural(noun: str) -> str:
    if noun.endswith(("s", "x", "ch", "sh")):
        return f"{noun}es"
    return f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2] not in "aeiou" else f"{noun}s"
