"""Limits for texts from outside: how long each may be, and what a name may be.

The ingest, the configuration, the command line and the store all use these limits, so that everything that is accepted
can be stored in SQLite and PostgreSQL. Lengths are in characters.
"""

import math
import re
import unicodedata

NAME = 128
"""Of a client, a model or a key."""
ENVIRONMENT = 32
LABEL = 512
"""Of an id, a version, a label, a segment, an error, and of the name of a feature, a segment or a class."""
LONGEST_PATH = 2 * LABEL
"""Of the dotted name of a nested value, such as `features.user.lat`: a label, and the name of the field before it."""
VERSION_BYTES = 1024
"""Of a version in UTF-8: it is part of a key, and PostgreSQL's index takes 2,704 bytes a row."""
COLUMN = 600
"""Of a column's name, such as `probabilities.<label>`."""

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""What Python counts as printable and nobody sees: fillers, joiners, the selectors of variants (those of Unicode's
Default_Ignorable_Code_Point), and the blank pattern of Braille.
"""
_SHOWN = 60
_NUMBER = re.compile(
    r"\s*[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf(?:inity)?|nan)\s*", re.ASCII | re.IGNORECASE
)


def number_in(text: str) -> float | None:
    """The number that a text represents, perhaps infinite or NaN; None if it represents none.

    Python would also read `1_000`, which is a name, and the digits of other scripts, which no other reader takes.
    """
    return float(text) if _NUMBER.fullmatch(text) else None


def composed(text: str) -> str:
    """A text in one of the forms that Unicode has for it (NFC): `é` may be one character, or `e` and an accent."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def is_nan(text: str) -> bool:
    """Whether a text represents NaN."""
    number = number_in(text)
    return number is not None and math.isnan(number)


def flaw_of_text(text: str) -> str:
    """Why a text cannot be stored in every database; empty if it can."""
    if _is_plain(text) or (unstorable := _UNSTORABLE.search(text)) is None:
        return ""
    return "contains a NUL character" if unstorable[0] == "\0" else "contains half of a surrogate pair"


def flaw_of_name(name: str) -> str:
    """Why this is no valid name of a client, a model or a key; empty if it is.

    Names appear in addresses, file names, commands and logs: they have 1 to `NAME` visible characters, no slashes, and
    at most single spaces in between.
    """
    if not name:
        return "is empty"
    if len(name) > NAME:
        return f"has {len(name):,} characters, more than {NAME}"
    if flaw := flaw_of_text(name):
        return flaw
    if not name.isprintable() or (not name.isascii() and _UNSEEN.search(name)):
        return "contains a character that cannot be seen"
    if "/" in name or "\\" in name:
        return "contains a slash"
    if name != " ".join(name.split()):
        return "begins or ends with a space, or contains two in a row"
    return "is a path, not a name" if name in (".", "..") else ""


def storable(text: str) -> str:
    """The text with a replacement character for each character that a database rejects."""
    return text if _is_plain(text) else _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def _is_plain(text: str) -> bool:
    """Whether a text has nothing but ASCII, as most have, which Python tells at once."""
    return text.isascii() and "\0" not in text


def shortened(text: str, most: int = _SHOWN) -> str:
    """At most `most` characters of a text, with an ellipsis if it was cut."""
    return text if len(text) <= most else text[: most - 3] + "..."
