r"""Label matchers as in Prometheus: `model="fraud"`, `client!="acme"`, `feature=~"age|income"`, `x!~"0.*"`.

Between quotes `\\` is a backslash, `\"` a quote and `\n` a new line; any other backslash stands for itself, so that
`x=~"\d+"` need not be doubled. A printed matcher can always be parsed again, with the same result.

Regular expressions are those of RE2, as in Prometheus: the time for a match grows with the length of the label and of
the expression only.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import re2

_FORM = re.compile(r'\s*([A-Za-z_]\w*)\s*(=~|!~|!=|=)\s*(?:"((?:[^"\\]|\\.)*)"|([^"\s]*))\s*', re.DOTALL)
_ESCAPE = re.compile(r'\\([\\"n])')
_UNESCAPED = {"\\": "\\", '"': '"', "n": "\n"}
_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_MOST_MEMORY = 1 << 20
"""Maximum bytes of a compiled expression; larger ones are rejected."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """A test of one label. An absent label counts as the empty string."""

    name: str
    operator: str
    value: str
    pattern: Any = field(default=None, compare=False, repr=False)

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether `labels` match. Regular expressions are anchored at both ends."""
        value = labels.get(self.name, "")
        if self.pattern is not None:
            return (self.pattern.fullmatch(value.encode(errors="replace")) is not None) == (
                self.operator == "=~"
            )
        return (value == self.value) == (self.operator == "=")

    def __str__(self) -> str:
        return f'{self.name}{self.operator}"{self.value.translate(_ESCAPED)}"'


def parse(text: str) -> Matcher:
    """Parse one matcher.

    Raises:
        ValueError: it is not `name="value"` with one of `=`, `!=`, `=~`, `!~`, or its expression is invalid.
    """
    form = _FORM.fullmatch(text)
    if form is None:
        msg = f'{text!r} is not a matcher (use model="fraud", client!="acme", feature=~"age|income")'
        raise ValueError(msg)
    name, operator, quoted, bare = form.groups()
    value = bare if quoted is None else _ESCAPE.sub(lambda match: _UNESCAPED[match[1]], quoted)
    if "~" not in operator:
        return Matcher(name, operator, value)
    try:
        return Matcher(name, operator, value, _compiled(value))
    except (re2.error, UnicodeEncodeError) as error:
        message = error.args[0] if isinstance(error, re2.error) else error
        reason = message.decode(errors="replace") if isinstance(message, bytes) else message
        msg = f"{text!r} has a broken regular expression: {reason}{_hint(value)}"
        raise ValueError(msg) from error


def _compiled(value: str) -> Any:
    options = re2.Options()
    options.log_errors, options.dot_nl, options.max_mem = False, True, _MOST_MEMORY
    return re2.compile(value.encode(), options)


def _hint(value: str) -> str:
    """A hint for syntax that other engines have, but not RE2."""
    if re.search(r"\(\?<?[=!]", value):
        return " (as in Prometheus, there is no look-around: use a second matcher with !~)"
    return " (as in Prometheus, there are no back-references)" if re.search(r"\\[1-9]|\(\?P=", value) else ""


def all_match(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    """Whether every matcher passes; without matchers, everything passes."""
    return all(matcher.matches(labels) for matcher in matchers)
