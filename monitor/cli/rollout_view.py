"""How `rollout watch` draws a rollout: a table in a terminal, lines elsewhere."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from monitor.rollouts.view import SIGNALS, View

_FIGURES = re.compile(r"\d[\w.,%]*")


@contextmanager
def shown_on(put: Callable[[str], None]) -> Iterator[Callable[[View], None]]:
    """A table that is renewed in a terminal; elsewhere, a line for each change of more than a figure."""
    if sys.stdout.isatty():
        from monitor.cli import terminal

        with terminal.live() as update:
            yield lambda one: update(one.headline, one.steps, SIGNALS, one.signals)
        return
    printed: set[str] = set()

    def show(one: View) -> None:
        for line in one.steps:
            if line not in printed:
                put(line)
        without_figures = _FIGURES.sub("", one.headline)
        if without_figures not in printed:
            put(one.headline)
        printed.update((*one.steps, without_figures))

    yield show
