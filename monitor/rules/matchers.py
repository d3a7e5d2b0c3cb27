"""Label matchers as in Prometheus: `model="fraud"`, `client!="acme"`, `feature=~"age|income"`, `x!~"0.*"`."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_FORM = re.compile(r'\s*([A-Za-z_]\w*)\s*(=~|!~|!=|=)\s*(?:"((?:[^"\\]|\\.)*)"|([^"\s]*))\s*')


@dataclass(frozen=True, slots=True)
class Matcher:
    """One test of one label; a label that is absent counts as the empty string."""

    name: str
    operator: str
    value: str
    pattern: re.Pattern[str] | None = None

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether `labels` passes. Regular expressions are anchored at both ends."""
        found = labels.get(self.name, "")
        if self.pattern is not None:
            return (self.pattern.fullmatch(found) is not None) == (self.operator == "=~")
        return (found == self.value) == (self.operator == "=")

    def __str__(self) -> str:
        return f'{self.name}{self.operator}"{self.value}"'


def parse(text: str) -> Matcher:
    """Read one matcher.

    Raises:
        ValueError: it is not `name="value"` with one of `=`, `!=`, `=~`, `!~`, or its expression is broken.
    """
    form = _FORM.fullmatch(text)
    if form is None:
        msg = f'{text!r} is not a matcher (use model="fraud", client!="acme", feature=~"age|income")'
        raise ValueError(msg)
    name, operator, quoted, bare = form.groups()
    value = bare if quoted is None else re.sub(r"\\(.)", r"\1", quoted) if "~" not in operator else quoted
    if "~" not in operator:
        return Matcher(name, operator, value)
    try:
        return Matcher(name, operator, value, re.compile(value))
    except re.error as error:
        msg = f"{text!r} has a broken regular expression: {error}"
        raise ValueError(msg) from error


def all_match(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    """Whether every matcher passes; no matcher at all passes everything."""
    return all(matcher.matches(labels) for matcher in matchers)
