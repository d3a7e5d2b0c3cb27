"""Paths into JSON: `$.request.inputs.amount`, `$.response.scores[0]`, `$.request.instances[*]`."""

from __future__ import annotations

import re
from typing import Any

_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\*|'[^']*'|\"[^\"]*\")\]")
MISSING: Any = object()


class Path:
    """One path. A `*` stands for every element of a list."""

    def __init__(self, text: str) -> None:
        """Read a path.

        Raises:
            ValueError: it is none.
        """
        self.text = text
        self._steps: list[str | int] = []
        at = 1
        while at < len(text) and (step := _STEP.match(text, at)):
            name = step[1] if step[1] is not None else step[2]
            self._steps.append(int(name) if name.isdigit() and step[1] is None else name.strip("'\""))
            at = step.end()
        if not text.startswith("$") or at != len(text):
            raise ValueError(f"{text!r} is no path: write it like $.request.inputs or $.response.scores[0]")

    @property
    def is_of_rows(self) -> bool:
        """Whether it finds one value for each row."""
        return "*" in self._steps

    def find(self, document: object) -> Any:
        """What is there, a list where the path is one of rows; `MISSING` where nothing is."""
        return _find(document, self._steps)


def _find(value: Any, steps: list[str | int]) -> Any:
    for rank, step in enumerate(steps):
        if step == "*":
            return [_find(one, steps[rank + 1 :]) for one in value] if isinstance(value, list) else MISSING
        value = _inside(value, step)
    return value


def _inside(value: Any, step: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(step, MISSING)
    is_there = isinstance(value, list) and isinstance(step, int) and step < len(value)
    return value[step] if is_there else MISSING
