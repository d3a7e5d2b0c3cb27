"""JSON paths: the part of RFC 9535 that names places. `$` is the message, `@` the element that becomes a record.

`$.a.b`, `$['a b']`, `$.list[0]`, `$.list[-1]`, and `[*]` or `.*` for every element of a list or value of an object.
Filters, slices and `..` are not supported: a mapping says where a value stands, it does not search for it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

_STEP = re.compile(
    r"""\.(?P<name>[^\s.\[\]'"*]+) | \[(?P<index>-?\d+)\] | (?P<every>\.\*|\[\*\])
      | \['(?P<single>(?:[^'\\]|\\.)*)'\] | \["(?P<double>(?:[^"\\]|\\.)*)"\]""",
    re.VERBOSE,
)
_ESCAPED = re.compile(r"\\(.)")
EVERY = None
"""The step that stands for every element."""


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A parsed path. `is_relative` where it begins with `@`; steps are names, positions, or `EVERY`."""

    text: str
    is_relative: bool
    steps: tuple[str | int | None, ...]

    def all(self, document: object) -> list[object]:
        """The values at the path, in their order; none where the path leads nowhere."""
        values = [document]
        for step in self.steps:
            values = [inner for value in values for inner in _inside(value, step)]
        return values

    def first(self, document: object) -> object:
        """The first value at the path; None where the path leads nowhere."""
        values = self.all(document)
        return values[0] if values else None


@lru_cache(maxsize=4096)
def parse(text: str) -> JsonPath:
    """A path from its text.

    Raises:
        ValueError: with the column of the part that is not understood.
    """
    if text[:1] not in ("$", "@"):
        msg = (
            f"{text!r} is not a JSON path (use $.name for a place in the message, @.name for one in the row)"
        )
        raise ValueError(msg)
    steps: list[str | int | None] = []
    at = 1
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None:
            msg = f"{text!r} is not a JSON path: cannot read {text[at:]!r} (column {at + 1})"
            raise ValueError(msg)
        steps.append(_step(match))
        at = match.end()
    return JsonPath(text, text[0] == "@", tuple(steps))


def _step(match: re.Match[str]) -> str | int | None:
    if match["every"]:
        return EVERY
    if match["index"]:
        return int(match["index"])
    quoted = match["single"] if match["single"] is not None else match["double"]
    return match["name"] if quoted is None else _ESCAPED.sub(r"\1", quoted)


def _inside(value: object, step: str | int | None) -> Iterator[object]:
    if step is EVERY:
        if isinstance(value, Mapping):
            yield from value.values()
        elif _is_list(value):
            yield from value  # type: ignore[misc]
    elif isinstance(step, str):
        if isinstance(value, Mapping) and step in value:
            yield value[step]
    elif _is_list(value) and -len(value) <= step < len(value):  # type: ignore[arg-type]
        yield value[step]  # type: ignore[index]


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)
