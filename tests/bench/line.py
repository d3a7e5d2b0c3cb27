"""One row of the table that `make bench` prints and writes to bench.json."""

import importlib.metadata
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

OURS = ("numpy", "pyarrow", "sqlalchemy")
GOAL = "goal"
"""Stands for a peer where we only have a figure that we want to reach."""


def versions(**others: str) -> dict[str, str]:
    """What our figures were measured with, and the peers' versions."""
    own = {name: importlib.metadata.version(name) for name in OURS}
    return {"python": platform.python_version()} | own | others


@dataclass(frozen=True, slots=True)
class Line:
    """One comparison. `ratio` says how many times better ours is than theirs; above 1 is better.

    `theirs` is a peer's figure, the goal where the peer is `goal`, or None. `rows` are those of each side.
    """

    work: str
    peer: str
    ours: float
    theirs: float | None
    unit: str
    ratio: float | None
    rss_ours_mb: float | None = None
    rss_theirs_mb: float | None = None
    rows: int | None = None
    versions: Mapping[str, str] = field(default_factory=versions)
    cores: int = os.cpu_count() or 1

    def as_json(self) -> dict[str, Any]:
        """As it stands in bench.json."""
        return asdict(self)


def against_goal(work: str, ours: float, goal: float, unit: str, rss_mb: float | None = None) -> Line:
    """A figure of which less is better, and what we want it to be."""
    return Line(work, GOAL, ours, goal, unit, goal / ours if ours else None, rss_mb)


def show(line: Line) -> Line:
    """Print a line of the table, at once."""
    other = "" if line.theirs is None else f"{line.theirs:,.4g}"
    ratio = "" if line.ratio is None else f"{line.ratio:,.2f} x"
    memory = [f"{mb:,.0f}" for mb in (line.rss_ours_mb, line.rss_theirs_mb) if mb]
    print(
        f"{line.work:62} {line.peer:26} {line.ours:>10,.4g} {other:>10} {line.unit:14} {ratio:>11}"
        f"  {' / '.join(memory)}{' MB' if memory else ''}",
        flush=True,
    )
    return line
