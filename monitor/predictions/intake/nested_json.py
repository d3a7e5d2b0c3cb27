"""Flattens nested JSON objects, and measures their depth. Imports nothing heavy, because commands that read files need
it at once.
"""

import re
from collections.abc import Collection, Mapping
from itertools import accumulate
from typing import Any

from monitor.text_limits import LONGEST_PATH

OUTPUTS = ("outputs", "true_outputs", "outcome.true_outputs")
"""Fields that are objects themselves: a number of each output. Their members are no columns."""
DEEPEST = 200
"""Objects and lists inside each other in a record of a file, at most."""
_TEXT = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
"""A text, or the rest where it is not closed: an expression that fails there would be tried at each quote again."""
_BRACKET = re.compile(rb"[\[\]{}]")
_STEPS = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}


def is_too_deep(text: bytes) -> bool:
    """Whether JSON is nested deeper than `DEEPEST`.

    Python's parsers give up at another depth in each version. Arrow's recurses until the stack ends, and the process
    with it.
    """
    if text.count(b"[") + text.count(b"{") <= DEEPEST:
        return False
    steps = map(_STEPS.__getitem__, _BRACKET.findall(_TEXT.sub(b"", text)))
    return any(depth > DEEPEST for depth in accumulate(steps))


def leaves(record: Mapping[str, Any], whole: Collection[str] = ()) -> dict[str, Any]:
    """Flatten nested objects to dotted names, like those of Arrow structs (`arrow_types.flat`): `{"user": {"lat":
    50.1}}` becomes `{"user.lat": 50.1}`. Of two values with the same name, the first is used.

    Objects named in `whole` stay as they are. A dotted name is cut after `LONGEST_PATH` characters, which no field
    accepts: ten thousand values in an object whose name has a million characters would take ten gigabytes.
    """
    if not any(isinstance(value, dict) for value in record.values()):
        return dict(record)
    flat: dict[str, Any] = {}
    outer = [("", iter(record.items()))]
    while outer:
        prefix, members = outer[-1]
        for inner, value in members:
            name = (prefix + inner)[:LONGEST_PATH]
            if isinstance(value, dict) and name not in whole:
                outer.append((f"{name}.", iter(value.items())))
                break
            flat.setdefault(name, value)
        else:
            outer.pop()
    return flat


def as_json(value: object) -> object:
    """A value of a table that JSON does not know, as the ingest reads it: times in ISO 8601, bytes as text."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    isoformat = getattr(value, "isoformat", None)
    return isoformat() if isoformat is not None else str(value)
