"""Regular expressions of Python as RE2 reads them, and patterns of SQL's LIKE."""

import re

from monitor.expectations.exchange.parts import UnsupportedError

_OUTSIDE = {"d": r"\p{Nd}", "w": r"[\p{L}\p{N}_]", "D": r"\P{Nd}", "W": r"[^\p{L}\p{N}_]", "Z": r"\z"}
_WITHIN = {"d": r"\p{Nd}", "w": r"\p{L}\p{N}_", "D": r"\P{Nd}"}
_SPACES = r"\s\x0b\x1c-\x1f\x{85}\p{Z}"
"""What Python takes for space; RE2 knows those of ASCII alone."""
_END = r"(?:\n?\z)"
_SIGN = re.compile(r"\\.|\[\^?|\{,(?=\d+\})|.", re.DOTALL)
_FLAGS = re.compile(r"\(\?([a-z]+)[:)-]")


def searched(regex: object) -> str:
    """A regular expression that is searched as by `re.search`, as one that the whole text matches.

    Raises:
        UnsupportedError: it is no text, or means something that RE2 cannot say.
    """
    if not isinstance(regex, str):
        raise UnsupportedError("the regular expression is not text")
    return f"(?s:.*)(?:{_translated(regex)})(?s:.*)"


def either_of(regexes: object) -> str:
    """One regular expression for any of several.

    Raises:
        UnsupportedError: they are no texts.
    """
    if not isinstance(regexes, list) or not regexes or not all(isinstance(regex, str) for regex in regexes):
        raise UnsupportedError("the regular expressions are not text")
    return "|".join(f"(?:{regex})" for regex in regexes)


def like(patterns: object) -> str:
    """Patterns of LIKE, of which a text as a whole matches one: `%` is any text, `_` one character.

    Raises:
        UnsupportedError: they are no texts.
    """
    some = [patterns] if isinstance(patterns, str) else patterns
    if not isinstance(some, list) or not some or not all(isinstance(one, str) for one in some):
        raise UnsupportedError("the patterns are not text")
    if any("\\" in one or "[" in one for one in some):
        raise UnsupportedError("backslashes and brackets mean something else in each database")
    signs = {"%": "(?s:.*)", "_": "(?s:.)"}
    return "|".join("".join(signs.get(sign, re.escape(sign)) for sign in one) for one in some)


def _translated(regex: str) -> str:
    r"""With Python's meaning of classes beyond ASCII, of `$`, `\Z` and `{,3}`."""
    is_multiline = any("m" in flags for flags in _FLAGS.findall(regex))
    made, first = list[str](), -1  # the place of the first member of the class that is open
    for one in _SIGN.finditer(regex):
        sign, is_class = one[0], first >= 0
        if sign.startswith("["):
            first = first if is_class else one.end()
            sign = f"\\{sign}" if is_class else sign
        elif sign == "]" and one.start() > first:
            first = -1
        elif sign == "$" and not is_class and not is_multiline:
            sign = _END
        elif sign == "{," and not is_class:
            sign = "{0,"
        elif sign.startswith("\\") and len(sign) == 2:
            sign = _escaped(sign[1], is_class=is_class)
        made.append(sign)
    return "".join(made)


def _escaped(letter: str, *, is_class: bool) -> str:
    if letter == "s":
        return _SPACES if is_class else f"[{_SPACES}]"
    if letter in "SW" and is_class:
        raise UnsupportedError(rf"the regular expression has \{letter} within brackets, which RE2 cannot say")
    if letter == "S":
        return f"[^{_SPACES}]"
    return (_WITHIN if is_class else _OUTSIDE).get(letter, f"\\{letter}")
