"""Whether a source is behind: how long its records will still be late. Pure.

The age of the oldest waiting message alone does not tell. A source that is read for the first time begins with messages
of the past, and one that was away works off a backlog: both are old, and become current by themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass

SPAN = 120.0
"""Seconds over which the pace is measured."""
SHORTEST = 20.0
"""Seconds below which a pace means nothing."""


@dataclass(frozen=True, slots=True)
class Look:
    """The age of the oldest waiting message, at a moment of the monotonic clock; both in seconds."""

    at: float
    oldest: float


def recent(looks: Sequence[Look], look: Look) -> list[Look]:
    """The looks of the last `SPAN` seconds, with a new one."""
    return [*(one for one in looks if look.at - SPAN <= one.at < look.at), look]


def behind(looks: Sequence[Look], *, is_first: bool) -> tuple[float, str]:
    """For how many seconds the records will still be late, and why.

    A source that does not catch up is behind by the age of its oldest message. One that does is behind by the time that
    it needs, but not in its first reading (`is_first`: its messages were never current), which is as fast as it is.
    """
    first, last = looks[0], looks[-1]
    passed = last.at - first.at
    if passed < SHORTEST:
        return (0.0, "it was opened just now") if is_first else (last.oldest, "the age of the oldest message")
    pace = (first.oldest + passed - last.oldest) / passed
    """Seconds of messages that are read in a second."""
    if pace <= 1:
        return last.oldest, "the age of the oldest message: it does not become younger"
    if is_first:
        return 0.0, "it reads the past for the first time"
    return min(last.oldest, last.oldest / (pace - 1)), "the time that it needs to catch up"
